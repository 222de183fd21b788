"""Space: search over the vectors of one embedding space, with the filter inside the search.

The FAISS index is derived from the store and may be thrown away at any time. It is flat (exact) as long as that is
fast: 12 ms for 100,000 nodes of 384 dimensions on one thread. A larger one is `clustered`: its candidates are put in
order by the vectors in the store, and where few nodes pass the filter, those are compared one by one.
"""

from __future__ import annotations

import hashlib
import re
import threading

import faiss
import numpy as np

from rag_app.errors import DiskFull, LibraryReadOnly, SpaceMismatch
from rag_app.store import Filter, Scored, Store
from rag_app.store.spaces import parse
from rag_app.vectors import clustered, files
from rag_app.vectors.clustered import Clustered

_SAVE_AFTER = 2000  # vectors added or removed since the file was written, after which a search writes it anew ...
_SAVE_SHARE = 0.02  # ... and they must be this share of all: a million vectors of 512 take 2 GB to write
_FOLD_SHARE = 0.1  # so much may stand beside a clustered index before a search folds it in; `save` does so earlier
_LARGE = 100_000  # vectors
_BATCH = 20_000
_FEW = 1_000  # nodes that pass a filter: fetching and comparing their vectors takes 5 ms
_CANDIDATES = 3  # codes looked at for each neighbour wanted ...
_LEAST_CANDIDATES = 60  # ... and at least


class Space:
    """One embedding space of a library. Safe between threads. Nothing is read before the first search."""

    def __init__(self, store: Store, name: str) -> None:
        self.store = store
        self.name = name
        self.dim = parse(name)[2]
        slug = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:60]
        self.path = store.folder / "spaces" / f"{slug}-{hashlib.sha256(name.encode()).hexdigest()[:8]}.faiss"
        self._lock = threading.RLock()
        self._index: faiss.Index | Clustered | None = None
        self._generation = 0
        self._mapped = False
        self._unsaved = 0

    def search(
        self, vector: np.ndarray, *, k: int, allowed: Filter | None = None, rows: np.ndarray | None = None
    ) -> list[Scored]:
        """The `k` nodes with the largest inner product with `vector` (dim,), best first.

        Args:
            allowed: only nodes that pass may answer; None lets all.
            rows: only these node rows (int64, ascending) may answer, where no Filter says it; None lets all.

        Exact up to `clustered.CLUSTERED_ABOVE` vectors, at 0.12 ms per 1,000 on one core. Raises SpaceMismatch when
        the vector has another dimension.
        """
        query = np.ascontiguousarray(vector, dtype=np.float32).reshape(1, -1)
        if query.shape[1] != self.dim:
            raise SpaceMismatch(
                f"This library's space is {self.name} ({self.dim}), the query has {query.shape[1]} dimensions. "
                "Ask with the model that made the space."
            )
        with self._lock, self.store.snapshot():
            rows = self.store.row_ids(allowed) if allowed is not None else rows
            if k <= 0 or (rows is not None and len(rows) == 0):
                return []
            faiss.omp_set_num_threads(1)  # one query uses one thread anyway; more only spin on a busy machine
            self.catch_up()
            assert self._index is not None
            if isinstance(self._index, Clustered):
                return self._best_of(self._index, query, k, rows)
            total = self._index.ntotal
            wanted = min(k, total)
            while wanted > 0:
                scores, ids = clustered.exact(self._index, query, wanted, rows)
                there = self.store.existing(ids.tolist())
                hits = [
                    Scored(int(row), float(score)) for row, score in zip(ids, scores, strict=True) if int(row) in there
                ]
                if len(hits) >= k or len(ids) < wanted or wanted == total:
                    return hits[:k]
                wanted = min(total, wanted * 2)  # another thread has caught up past this snapshot: look further
            return []

    def catch_up(self) -> None:
        """Bring the index to the state of the store that this thread sees; builds it when it has to."""
        with self._lock, self.store.snapshot():
            target = self.store.generation()
            if self._index is None:
                self._load(target)
            if target <= self._generation:
                return
            if self._mapped and not isinstance(self._index, Clustered):  # it cannot be changed: have it in memory
                self._load(target, mapped=False)
            removed = self.store.removed_since(self._generation)
            rows, vectors = self.store.vectors_since(self.name, self._generation)
            if removed is None:
                self._build(target)
                return
            self._apply(removed, rows, vectors)
            self._generation = target
            if self._worth_saving(_FOLD_SHARE if isinstance(self._index, Clustered) else _SAVE_SHARE):
                self._save_if_possible()

    def rebuild(self) -> None:
        """Build the index from the store's vectors and write its file. Raises DiskFull, LibraryReadOnly."""
        with self._lock, self.store.snapshot():
            self._build(self.store.generation())
            self._write()

    def save(self, *, whole: bool = False) -> None:
        """Write the file when it is behind, for the next process to open. Raises DiskFull, LibraryReadOnly.

        A large file that lacks little is left as it is unless `whole`: reading it and what it lacks takes less than
        writing it anew.
        """
        with self._lock, self.store.snapshot():
            self.catch_up()
            assert self._index is not None
            little = self._index.ntotal > _LARGE and not whole and not self._worth_saving()
            if not self._file_is_current() and not (little and self._file_is_trusted()):
                self._write()

    def check(self) -> str | None:
        """What is wrong with the file, in a sentence; None when it is sound or not there. Reads every byte."""
        if not self.path.exists():
            return None
        try:
            self._trusted_origin(thorough=True)
        except files.BrokenFile as exc:
            return f"The index file of {self.name} is not usable ({exc}); it is built again at the next search."
        return None

    def _best_of(self, index: Clustered, query: np.ndarray, k: int, rows: np.ndarray | None) -> list[Scored]:
        """The `k` best by their vectors in the store, among those that the codes hold for near or that few rows are."""
        if rows is None or len(rows) > _FEW:
            rows = index.search(query, max(_CANDIDATES * k, _LEAST_CANDIDATES), rows)
        there = self.store.vectors(self.name, rows.tolist())
        if not there:
            return []
        ids = np.fromiter(there, np.int64, len(there))
        scores = np.stack(list(there.values())) @ query[0]
        return [Scored(int(ids[at]), float(scores[at])) for at in np.lexsort((ids, -scores))[:k]]

    def _load(self, target: int, *, mapped: bool | None = None) -> None:
        try:
            origin = self._trusted_origin()
            current = origin.generation == target if mapped is None else mapped
            index, origin = files.load(self.path, mapped=True)
            if index.d != self.dim:
                raise files.BrokenFile(f"{self.path.name} holds vectors of {index.d} dimensions")
            if isinstance(index, faiss.IndexIVF):
                index, current = Clustered(index), True  # what it lacks will stand beside it
            elif not current:
                index, origin = files.load(self.path, mapped=False)
            self._trust(origin)
        except files.BrokenFile:
            self._build(target)
            if self._worth_saving():
                self._save_if_possible()
            return
        self._index, self._generation, self._mapped, self._unsaved = index, origin.generation, current, 0

    def _trusted_origin(self, *, thorough: bool = False) -> files.Origin:
        return self._trust(files.read_origin(self.path, thorough=thorough))

    def _trust(self, origin: files.Origin) -> files.Origin:
        if origin.space != self.name or self.store.generation_token(origin.generation) != origin.token:
            raise files.BrokenFile(f"{self.path.name} belongs to another state of the library")
        return origin

    def _file_is_trusted(self) -> bool:
        try:
            return self._trusted_origin().generation > 0
        except files.BrokenFile:
            return False

    def _file_is_current(self) -> bool:
        try:
            return self._trusted_origin().generation == self._generation
        except files.BrokenFile:
            return False

    def _build(self, generation: int) -> None:
        count = self.store.count_vectors(self.name)
        if count > clustered.CLUSTERED_ABOVE:
            made = clustered.build(self.dim, count, lambda: self.store.vector_batches(self.name, _BATCH))
            index = Clustered(made)
        else:
            index = clustered.flat(self.dim)
            for rows, vectors in self.store.vector_batches(self.name, _BATCH):  # a copy of all would take as much again
                index.add_with_ids(vectors, rows)
        self._index, self._generation, self._mapped, self._unsaved = index, generation, False, index.ntotal

    def _apply(self, removed: np.ndarray, rows: np.ndarray, vectors: np.ndarray) -> None:
        assert self._index is not None
        changed = np.union1d(removed, rows)  # a row that is there already got a new vector
        if len(changed) == 0:
            return
        if isinstance(self._index, Clustered):
            self._index.apply(changed, rows, vectors)
        else:
            if len(removed) or (len(rows) and rows.min() <= self._last()):  # else there is nothing to take out
                self._index.remove_ids(faiss.IDSelectorBatch(changed))
            self._index.add_with_ids(vectors, rows)
        self._unsaved += len(changed)

    def _fold(self) -> None:
        """Make the index one that can be written: of the kind its size asks for, with nothing beside it."""
        count, generation = self.store.count_vectors(self.name), self.store.generation()
        if isinstance(self._index, Clustered):
            if not self._index.changed:
                return
            try:
                index, origin = files.load(self.path, mapped=False)
                self._trust(origin)
            except files.BrokenFile:
                index, origin = None, None
            removed = self.store.removed_since(origin.generation) if origin else None
            if (
                origin is None
                or removed is None
                or not isinstance(index, faiss.IndexIVF)
                or not clustered.suits(index, count)
            ):
                self._build(generation)
                return
            rows, vectors = self.store.vectors_since(self.name, origin.generation)
            index.remove_ids(faiss.IDSelectorBatch(np.union1d(removed, rows)))
            index.add_with_ids(vectors, rows)
            self._index, self._generation, self._mapped = Clustered(index), generation, False
        elif count > clustered.CLUSTERED_ABOVE:
            self._build(generation)

    def _last(self) -> int:
        """The highest row in the index; rows only grow."""
        assert isinstance(self._index, faiss.Index)
        ids = self._index.id_map  # pyright: ignore[reportAttributeAccessIssue]  # of an IndexIDMap
        return int(faiss.vector_to_array(ids).max()) if self._index.ntotal else -1

    def _worth_saving(self, share: float = _SAVE_SHARE) -> bool:
        assert self._index is not None
        return self._unsaved >= max(_SAVE_AFTER, share * self._index.ntotal)

    def _save_if_possible(self) -> None:
        if self.store.read_only:
            return
        try:
            self._write()
        except (DiskFull, LibraryReadOnly):
            self._unsaved = 0  # the file only saves time: go on from memory, and try again after as many changes

    def _write(self) -> None:
        self._fold()
        token = self.store.generation_token(self._generation)
        assert self._index is not None
        if token is None:  # an empty library has no state to name
            return
        index = self._index.base if isinstance(self._index, Clustered) else self._index
        files.write(self.path, index, space=self.name, generation=self._generation, token=token)
        self._unsaved = 0
        if isinstance(self._index, Clustered):  # out of memory again
            self._load(self._generation)
