"""How well a candidate fits a question: one weighted sum for all kinds and languages.

Two questions are kept apart: which document is it about (rare words of the whole library tell), and which passage of
that document answers (words that are rare inside it tell: a paper's own topic word stands on each of its pages).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from itertools import pairwise

from rag_app.evidence import Question
from rag_app.searchable import STOP_TERMS

WINDOW = 40  # terms; about two sentences
AROUND = 0.5  # of a term that stands in the caption, section or context of a node and not in its text


@dataclass(frozen=True, slots=True)
class Weights:
    """Weight of each part, a part lying between 0 and 1. Tuned on data/questions/sample.jsonl only.

    A convex combination of normalised scores keeps what reciprocal ranks throw away: by how much one candidate beats
    the next (Bruch et al. 2023, "An Analysis of Fusion Functions for Hybrid Retrieval").
    """

    lexical: float = 0.5  # BM25 over the best BM25
    dense: float = 0.4  # cosine over the best cosine, where the dense half knows the question's language
    coverage: float = 1.6  # share of the question's term weight that stands in the node or right around it
    window: float = 0.4  # the same within WINDOW neighbouring terms of the node's own text
    pairs: float = 0.9  # share of the question's neighbouring terms that stand together in the node
    document: float = 0.35  # how well its document as a whole answers the words of the question
    label: float = 0.8  # it is the element the question names, in a document that fits
    kind: float = 0.05  # it is of a kind the question asks for
    mention: float = 0.03  # a good candidate refers the reader to it
    image: float = 0.1  # its picture fits the question, by an image model that knows the question's language
    ocr: float = -0.04  # it was read by OCR: of two copies of a page the one with a text layer comes first

    def without(self, halves: Iterable[str]) -> Weights:
        """The same with nothing for what these halves of the search know: "lexical", "dense", "image", "structure"."""
        return replace(self, **{part: 0.0 for half in halves for part in _KNOWN_BY.get(half, ())})

    def times(self, factors: Mapping[str, float]) -> Weights:
        """The same with the parts that come from a half times its factor, by the names that `without` takes."""
        parts = {part: getattr(self, part) * factor for half, factor in factors.items() for part in _KNOWN_BY[half]}
        return replace(self, **parts)


# Which parts of the score come from which half. Fusion has none: it is the weighting itself.
_KNOWN_BY = {
    "lexical": ("lexical", "coverage", "window", "pairs", "document"),
    "dense": ("dense",),
    "image": ("image",),
    "structure": ("label", "kind", "mention"),
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is known of a node before scoring. bm25 and cosine are raw; 0 where that half did not find it.

    image: how well its picture fits, from 0 for the last picture that was looked at to 1 for the best.

    own: search terms of its text, in order. around: those of its section, caption and context. title: those of its
    document's title and name.
    """

    own: Sequence[str]
    around: frozenset[str]
    title: frozenset[str]
    kind: str
    label: str | None
    document_id: str
    bm25: float = 0.0
    cosine: float = 0.0
    image: float = 0.0
    mentioned_by_best: bool = False
    ocr: bool = False


def idf(nodes: int, frequency: Mapping[str, int]) -> dict[str, float]:
    """Weight of each term: ln(1 + (n - df + 0.5) / (df + 0.5)), the probabilistic IDF as Lucene has it, above 0."""
    return {term: math.log(1 + (nodes - df + 0.5) / (df + 0.5)) for term, df in frequency.items()}


def score(
    question: Question,
    candidates: Sequence[Candidate],
    weights: Weights,
    inside: Mapping[str, Mapping[str, float]],
) -> list[tuple[float, dict[str, float]]]:
    """For each candidate its score, about 0 to 1, and the weighted parts it is the sum of.

    inside: by document id, the weight of the question's terms among that document's own nodes; the library's weights
    stand in for a document that is not there.
    """
    best_bm25 = max((c.bm25 for c in candidates), default=0.0) or 1.0
    best_cosine = max((c.cosine for c in candidates), default=0.0) or 1.0
    dense = weights.dense if any(c.cosine for c in candidates) else 0.0
    scale = weights.lexical + dense + weights.coverage + weights.window + weights.pairs + weights.document
    scale = scale or 1.0
    documents = document_fit(question, candidates)
    wanted_pairs = set(pairwise(question.terms))
    result = []
    for candidate in candidates:
        own = candidate.own
        local = inside.get(candidate.document_id, question.weights)
        fit = documents[candidate.document_id]
        parts = {
            "lexical": weights.lexical * candidate.bm25 / best_bm25 / scale,
            "dense": dense * max(0.0, candidate.cosine) / best_cosine / scale,
            "coverage": weights.coverage * coverage(local, set(own), candidate.around) / scale,
            "window": weights.window * window_coverage(local, own) / scale,
            "pairs": weights.pairs * _pairs(wanted_pairs, own) / scale,
            "document": weights.document * fit / scale,
            "label": weights.label * fit * (candidate.label in question.labels) if candidate.label else 0.0,
            "kind": weights.kind * (candidate.kind in question.kinds),
            "mention": weights.mention * candidate.mentioned_by_best,
            "image": weights.image * candidate.image,
            "ocr": weights.ocr * candidate.ocr,
        }
        result.append(parts)
    return [(sum(parts.values()), {n: round(part, 4) for n, part in parts.items() if part}) for parts in result]


def by_ranks(ranks: Mapping[str, Mapping[int, int]], rows: Sequence[int]) -> list[tuple[float, dict[str, float]]]:
    """For each row its score and parts without any weighting: the sum of 1 / (60 + rank) over the halves that found it.

    Reciprocal rank fusion, Cormack et al. 2009, k = 60. ranks: half -> row -> rank from 1.
    """
    parts = [{half: 1 / (60 + held[row]) for half, held in ranks.items() if row in held} for row in rows]
    return [(sum(part.values()), {half: round(value, 4) for half, value in part.items()}) for part in parts]


def coverage(weights: Mapping[str, float], own: Set[str], around: Set[str]) -> float:
    """Share of the term weight in a node, 0 to 1; what only stands around it counts AROUND."""
    return covered(weights, own) + AROUND * (covered(weights, own | around) - covered(weights, own))


def covered(weights: Mapping[str, float], present: Set[str]) -> float:
    """Share of the term weight that is present, 0 to 1."""
    total = sum(weights.values())
    return sum(w for term, w in weights.items() if term in present) / total if total else 0.0


def window_coverage(weights: Mapping[str, float], own: Sequence[str], *, width: int = WINDOW) -> float:
    """The largest share of the term weight within any `width` neighbouring terms of `own`, 0 to 1."""
    total = sum(weights.values())
    if not total:
        return 0.0
    hits = [(i, term) for i, term in enumerate(own) if term in weights]
    inside: dict[str, int] = {}
    best = now = 0.0
    start = 0
    for position, term in hits:
        if not inside.get(term):
            now += weights[term]
        inside[term] = inside.get(term, 0) + 1
        while hits[start][0] <= position - width:
            gone = hits[start][1]
            inside[gone] -= 1
            if not inside[gone]:
                now -= weights[gone]
            start += 1
        best = max(best, now)
    return best / total


def document_fit(question: Question, candidates: Sequence[Candidate]) -> dict[str, float]:
    """By document, 0 to 1: mean of its three best BM25 over the best document's, and question words in its title."""
    by_document: dict[str, list[float]] = {}
    titles: dict[str, frozenset[str]] = {}
    for candidate in candidates:
        by_document.setdefault(candidate.document_id, []).append(candidate.bm25)
        titles[candidate.document_id] = candidate.title
    strength = {id_: sum(sorted(found, reverse=True)[:3]) / 3 for id_, found in by_document.items()}
    best = max(strength.values(), default=0.0) or 1.0
    named = {id_: covered(question.weights, title) for id_, title in titles.items()}
    most_named = max(named.values(), default=0.0) or 1.0
    return {id_: 0.6 * value / best + 0.4 * named[id_] / most_named for id_, value in strength.items()}


def _pairs(wanted: set[tuple[str, str]], own: Sequence[str]) -> float:
    """Share of `wanted` neighbours found side by side, stop words between them allowed."""
    if not wanted:
        return 0.0
    telling = [term for term in own if term not in STOP_TERMS]
    return len(wanted & set(pairwise(telling))) / len(wanted)
