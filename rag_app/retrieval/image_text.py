"""Images found by what is said about them: captions, descriptions and the text inside figures, never their pixels.

Two halves are joined. Meaning: the cosine of the question with the mean of an image's texts of one kind; several
captions say one thing in several ways, so their mean is nearer to a new one than each of them. Words: BM25 over its
texts of one kind together, the best kind counting, of whole words and of pieces of four letters, which forgive endings
and spelling.

Some images are near to whatever is asked (hubs; Radovanovic et al. 2010), so each is set back by how near the texts of
other images come to it, as in CSLS (Conneau et al. 2018).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from rag_app.retrieval.scoring import idf
from rag_app.searchable import STOP_TERMS, query_terms, terms

_K1, _B = 1.2, 0.75  # BM25 as in Lucene
_PIECE = 4  # letters
_COMMON = 0.8  # of the mean of all texts, taken off: what all say tells nothing
_NEAREST = 10  # texts of other images that tell how crowded the place of an image is
_PROBES = 2000  # texts looked at for that, evenly over all
_FEW = 30  # texts, below which there are too few to tell


@dataclass(frozen=True, slots=True)
class StoredText:
    """A text about an image. kind: "caption", "description", "text in figure". vector: of unit length, or None."""

    image: Hashable
    kind: str
    text: str
    vector: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class Weights:
    """Weight of each half: `known` where the vectors know the question's language, and for other languages `unknown`.

    Tuned on one half of the photos and tested on the other, both ways (benchmarks/caption_search.py).
    """

    meaning: float = 1.0
    crowding: float = 0.3
    words: float = 0.15


KNOWN = Weights()
UNKNOWN = Weights(meaning=0.0, crowding=0.0, words=1.0)


@dataclass(frozen=True, slots=True)
class TextHit:
    """An image that was found. text: index of the stored text that fits best. meaning and words: what each half gave to
    the score, None where it said nothing."""

    image: Hashable
    score: float
    text: int
    meaning: float | None
    words: float | None


class ImageTexts:
    """Images by their texts, prepared once and asked often. Any image has one text at least.

    Cost: (n_texts + 2,000 * n_images) * dimensions multiplications to prepare, n_images * dimensions to ask.
    """

    def __init__(self, texts: Sequence[StoredText]) -> None:
        self._texts = texts
        self.images: list[Hashable] = list(dict.fromkeys(text.image for text in texts))
        place = {image: i for i, image in enumerate(self.images)}
        self._of_image: list[list[int]] = [[] for _ in self.images]
        for i, text in enumerate(texts):
            self._of_image[place[text.image]].append(i)
        said: dict[tuple[int, str], list[str]] = {}  # by kind, so that noise read in a photo makes no caption longer
        for text in texts:
            said.setdefault((place[text.image], text.kind), []).append(text.text)
        self._said_of = np.array([image for image, _ in said], dtype=int)
        joined = [_words(" \n ".join(members)) for members in said.values()]
        self._halves = (_Bm25(joined), _Bm25([_pieces(words) for words in joined]))
        self._place_vectors(place)

    def scores(self, question: str, vector: np.ndarray | None, *, weights: Weights = KNOWN) -> np.ndarray:
        """(n_images,) in the order of `images`; about -1 to 1, higher is better."""
        meaning, words = self._meaning(vector, weights), self._lexical(question)
        return weights.meaning * np.nan_to_num(meaning, nan=0.0) + weights.words * words

    def search(
        self,
        question: str,
        vector: np.ndarray | None,
        *,
        k: int = 10,
        weights: Weights = KNOWN,
        among: Container[Hashable] | None = None,
    ) -> list[TextHit]:
        """The best `k` images, best first; equals stay in the order of `images`. Images that share neither a word nor
        a vector with the question are left out.

        Args:
            vector: the question's, of unit length; None to go by words alone.
            weights: UNKNOWN where the vectors do not know the question's language.
            among: only these images may be found; None lets all.
        """
        meaning, words = self._meaning(vector, weights), self._lexical(question)
        total = weights.meaning * np.nan_to_num(meaning, nan=0.0) + weights.words * words
        spoken = ~np.isnan(meaning) | (words > 0)
        if among is not None:
            spoken &= np.array([image in among for image in self.images])
        order = [i for i in np.argsort(-total, kind="stable") if spoken[i]][:k]
        asked = set(query_terms(question))
        return [
            TextHit(
                self.images[i],
                float(total[i]),
                self._best_text(i, vector, asked, weights),
                None if np.isnan(meaning[i]) else float(weights.meaning * meaning[i]),
                float(weights.words * words[i]) or None,
            )
            for i in order
        ]

    def _place_vectors(self, place: dict[Hashable, int]) -> None:
        """One row for each image and kind of text that has vectors."""
        groups: dict[tuple[int, str], list[np.ndarray]] = {}
        for text in self._texts:
            if text.vector is not None:
                groups.setdefault((place[text.image], text.kind), []).append(text.vector)
        self._owner = np.array([image for image, _ in groups], dtype=int)
        if not groups:
            return
        vectors = np.concatenate([np.stack(members) for members in groups.values()]).astype(np.float32)
        self._common = _COMMON * vectors.mean(axis=0)
        self._rows = _unit(_unit(np.stack([np.mean(members, axis=0) for members in groups.values()])) - self._common)
        of = np.repeat(self._owner, [len(members) for members in groups.values()])
        self._crowding = self._crowded(_unit(vectors - self._common), of)

    def _crowded(self, vectors: np.ndarray, of: np.ndarray) -> np.ndarray:
        """For each row the mean cosine of the nearest texts of other images; 0 where there are too few texts."""
        step = -(-len(vectors) // _PROBES)
        probes, of = vectors[::step], of[::step]
        if len(vectors) < _FEW or len(probes) <= _NEAREST:
            return np.zeros(len(self._rows), dtype=np.float32)
        result = np.empty(len(self._rows), dtype=np.float32)
        for start in range(0, len(self._rows), 1024):
            near = self._rows[start : start + 1024] @ probes.T
            near[self._owner[start : start + 1024, None] == of[None]] = -1
            result[start : start + 1024] = np.partition(near, -_NEAREST, axis=1)[:, -_NEAREST:].mean(axis=1)
        return result

    def _meaning(self, vector: np.ndarray | None, weights: Weights) -> np.ndarray:
        """(n_images,): the best of its kinds of text; nan for an image without vectors, a question without one, or a
        weight of nothing."""
        best = np.full(len(self.images), -np.inf)
        if vector is not None and weights.meaning and len(self._owner):
            near = self._rows @ _unit(vector - self._common)
            near = near - weights.crowding / weights.meaning * self._crowding
            np.maximum.at(best, self._owner, near)
        return np.where(np.isinf(best), np.nan, best)

    def _lexical(self, question: str) -> np.ndarray:
        asked = query_terms(question)
        whole, parts = self._halves
        shared = 0.5 * whole.scores(asked) + 0.5 * parts.scores(list(dict.fromkeys(_pieces(asked))))
        best = np.zeros(len(self.images))
        np.maximum.at(best, self._said_of, shared)
        return best

    def _best_text(self, image: int, vector: np.ndarray | None, asked: set[str], weights: Weights) -> int:
        def fit(i: int) -> float:
            text = self._texts[i]
            shared = len(asked & set(terms(text.text))) / max(len(asked), 1)
            near = float(text.vector @ vector) if vector is not None and text.vector is not None else 0.0
            return weights.meaning * near + weights.words * shared

        return max(self._of_image[image], key=fit)


class _Bm25:
    """BM25 over the terms of each image, as a share of what a perfect match of the question would give, 0 to 1 and a
    little more where terms repeat."""

    def __init__(self, documents: Sequence[Sequence[str]]) -> None:
        counts = [Counter(document) for document in documents]
        self._n = len(documents)
        self._weight = idf(self._n, Counter(term for count in counts for term in count))
        self._unknown = idf(self._n, {"": 0})[""] if self._n else 0.0
        lengths = np.array([len(document) for document in documents], dtype=float)
        mean = lengths.mean() if self._n else 0.0
        dampening = _K1 * (1 - _B + _B * lengths / (mean or 1.0))
        found: dict[str, tuple[list[int], list[float]]] = {}
        for i, count in enumerate(counts):
            for term, n in count.items():
                where, much = found.setdefault(term, ([], []))
                where.append(i)
                much.append(n * (_K1 + 1) / (n + dampening[i]))
        self._found = {term: (np.array(where), np.array(much)) for term, (where, much) in found.items()}

    def scores(self, asked: Sequence[str]) -> np.ndarray:
        """(n_documents,) for distinct terms."""
        result = np.zeros(self._n)
        total = 0.0
        for term in asked:
            weight = self._weight.get(term, self._unknown)
            total += weight
            if term in self._found:
                where, much = self._found[term]
                result[where] += weight * much
        return result / total if total else result


def _words(text: str) -> list[str]:
    return [term for term in terms(text) if term not in STOP_TERMS]


def _pieces(words: Iterable[str]) -> list[str]:
    """The words in overlapping pieces, their ends marked; a word too short for that as it is."""
    found: list[str] = []
    for word in words:
        marked = f"^{word}$"
        found.extend(marked[i : i + _PIECE] for i in range(max(1, len(marked) - _PIECE + 1)))
    return found


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
