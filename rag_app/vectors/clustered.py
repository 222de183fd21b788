"""A large index: clusters of 8-bit codes that stay on the disk, and beside them in memory what came and went since.

An inverted file (IVF) over scalar codes is searched in the few clusters nearest to the question, so its cost does not
grow with the library; its lists are mapped into memory, take a quarter of the vectors' room, and can be taken from and
added to, which HNSW cannot. Codes give candidates only: the caller orders them by the vectors in the store.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import faiss
import numpy as np

Batches = Callable[[], Iterable[tuple[np.ndarray, np.ndarray]]]  # rows (n,) int64, vectors (n, dim) float32

CLUSTERED_ABOVE = 200_000  # vectors; below, an exact search takes at most 24 ms (384 dimensions)
RECALL = 0.99  # recall@10 of the codes' own order, at which the number of clusters to search is set
_TRAINED_ON = 40  # vectors a cluster; FAISS asks for 39
_QUESTIONS = 64  # to set the number of clusters by
_PER_WANTED = 50  # so many codes that pass are looked at for each neighbour wanted, at least
_SEED = 1


class Clustered:
    """An IVF index that is not changed, mapped or not, with additions (exact) and rows that hold no more."""

    def __init__(self, base: faiss.IndexIVF) -> None:
        self.base = base
        self._added = flat(base.d)
        self._gone = np.empty(0, np.int64)  # ascending; their vector in `base` is removed or was replaced
        self.clusters = max(1, base.nprobe)  # searched when every row may answer

    @property
    def ntotal(self) -> int:
        """At least as many as there are vectors: those that are gone still count."""
        return self.base.ntotal + self._added.ntotal

    @property
    def changed(self) -> bool:
        """Whether anything stands beside the base."""
        return len(self._gone) > 0

    def apply(self, removed: np.ndarray, rows: np.ndarray, vectors: np.ndarray) -> None:
        """Take out `removed` and put in `rows` (n,) with `vectors` (n, dim), replacing those that are there."""
        changed = np.union1d(removed, rows)
        self._added.remove_ids(faiss.IDSelectorBatch(changed))
        self._added.add_with_ids(vectors, rows)
        self._gone = np.union1d(self._gone, changed)

    def search(self, query: np.ndarray, k: int, rows: np.ndarray | None) -> np.ndarray:
        """Rows (at most 2 k,) of candidates for the `k` nearest to `query` (1, dim), of `rows` or of all."""
        found = [self._of_base(query, k, rows)]
        if self._added.ntotal:
            found.append(exact(self._added, query, k, rows)[1])
        return np.concatenate(found)

    def _of_base(self, query: np.ndarray, k: int, rows: np.ndarray | None) -> np.ndarray:
        if rows is None:
            share, chosen = 1.0, None
            if len(self._gone):
                chosen = faiss.IDSelectorNot(faiss.IDSelectorBitmap(bitmap(self._gone)))  # pyright: ignore[reportCallIssue]  # FAISS adds it at import
        else:
            share = len(rows) / max(self.base.ntotal, 1)
            chosen = faiss.IDSelectorBitmap(bitmap(rows, without=self._gone))  # pyright: ignore[reportCallIssue]  # the same
        clusters = self._clusters(k, share)
        params = faiss.SearchParametersIVF(nprobe=clusters, sel=chosen)  # pyright: ignore[reportCallIssue]  # the same
        ids = self.base.search(query, k, params=params)[1][0]
        return ids[ids >= 0]

    def _clusters(self, k: int, share: float) -> int:
        """How many clusters to search, so that as many codes that pass are looked at as without a filter."""
        enough = _PER_WANTED * k * self.base.nlist / max(self.base.ntotal, 1)
        return min(self.base.nlist, math.ceil(max(self.clusters, enough) / max(share, 1e-9)))


def build(dim: int, count: int, batches: Batches) -> faiss.IndexIVF:
    """An IVF index over `count` vectors, in memory; `batches` gives them all, and is read twice.

    A sample is clustered (k-means), then each vector goes to its cluster.
    """
    clusters = max(1, round(2 * math.sqrt(count)))
    index = faiss.index_factory(dim, f"IVF{clusters},SQ8", faiss.METRIC_INNER_PRODUCT)
    assert isinstance(index, faiss.IndexIVF)
    step = max(1, count // (_TRAINED_ON * clusters))
    sample = np.concatenate([vectors[::step] for _, vectors in batches()])
    index.train(sample)
    for rows, vectors in batches():
        index.add_with_ids(vectors, rows)
    index.nprobe = _needed(index, _between(sample))  # FAISS keeps it in the file
    return index


def suits(index: faiss.IndexIVF, count: int) -> bool:
    """Whether an index has the clusters for about `count` vectors; else it is built anew."""
    return count > CLUSTERED_ABOVE / 2 and index.nlist > math.sqrt(count)


def exact(index: faiss.Index, query: np.ndarray, k: int, rows: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Scores (n,) and rows (n,) of the at most `k` nearest to `query` (1, dim), best first, of `rows` or of all."""
    if rows is None:
        scores, ids = index.search(query, k)
    else:
        selector = faiss.IDSelectorBitmap(bitmap(rows))  # pyright: ignore[reportCallIssue]  # FAISS adds it at import
        params = faiss.SearchParameters(sel=selector)  # pyright: ignore[reportCallIssue]  # the same
        scores, ids = index.search(query, k, params=params)
    found = ids[0] >= 0
    return scores[0][found], ids[0][found]


def flat(dim: int) -> faiss.Index:
    """An empty exact index that keeps ids."""
    return faiss.IndexIDMap(faiss.IndexFlatIP(dim))


def bitmap(rows: np.ndarray, *, without: np.ndarray | None = None) -> np.ndarray:
    """One bit an id, lowest first, as IDSelectorBitmap reads it: `rows` (ascending) and none of `without`."""
    bits = np.zeros(int(rows[-1]) + 1, dtype=bool)
    bits[rows] = True
    if without is not None:
        bits[without[without < len(bits)]] = False
    return np.packbits(bits, bitorder="little")


def _between(sample: np.ndarray) -> np.ndarray:
    """Directions to try: between five vectors each, since questions lie far off from all nodes.

    In 200,000 vectors resampled from real papers, 128 clusters found 0.98 of the nearest to real questions (cosine of
    the best 0.51) and 0.997 of those to these (0.63); of the nearest to a node itself, 8 found 0.99.
    """
    chosen = np.random.default_rng(_SEED).integers(len(sample), size=(5, _QUESTIONS))
    made = sample[chosen].sum(axis=0)
    return np.ascontiguousarray(made / np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-9), np.float32)


def _needed(index: faiss.IndexIVF, questions: np.ndarray, k: int = 10) -> int:
    """The smallest power of two of clusters that finds RECALL of what a search of all clusters finds."""
    every = faiss.SearchParametersIVF(nprobe=index.nlist)  # pyright: ignore[reportCallIssue]  # FAISS adds it at import
    best = index.search(questions, k, params=every)[1]
    clusters = 1
    while clusters < index.nlist:
        some = faiss.SearchParametersIVF(nprobe=clusters)  # pyright: ignore[reportCallIssue]  # the same
        found = index.search(questions, k, params=some)[1]
        hits = sum(len(set(a) & set(b)) for a, b in zip(best.tolist(), found.tolist(), strict=True))
        if hits >= RECALL * best.size:
            break
        clusters *= 2
    return min(clusters, index.nlist)
