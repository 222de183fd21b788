"""How well a candidate fits a question: one weighted sum for all kinds and languages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rag_app.evidence import Question
from rag_app.searchable import STOP_TERMS, terms


@dataclass(frozen=True, slots=True)
class Weights:
    """Weight of each part, a part lying between 0 and 1. Tuned on data/questions/sample.jsonl only.

    A convex combination of normalised scores keeps what reciprocal ranks throw away: by how much one candidate beats
    the next (Bruch et al. 2023, "An Analysis of Fusion Functions for Hybrid Retrieval").
    """

    lexical: float = 1.0  # BM25 over the best BM25
    dense: float = 0.45  # cosine over the best cosine; the dense half may know the question's language or not
    coverage: float = 0.6  # share of the question's term weight that stands in the node or right around it
    pairs: float = 0.25  # share of the question's neighbouring terms that stand together in the node
    document: float = 0.3  # how well its document as a whole answers the words of the question
    label: float = 0.8  # it is the element the question names
    kind: float = 0.15  # it is of a kind the question asks for
    mention: float = 0.2  # a good candidate refers the reader to it


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is known of a node before scoring. bm25 and cosine are raw; 0 where that half did not find it."""

    text: str
    around: str
    title: str
    kind: str
    label: str | None
    document_id: str
    bm25: float = 0.0
    cosine: float = 0.0
    mentioned_by_best: bool = False


def score(
    question: Question, candidates: Sequence[Candidate], weights: Weights
) -> list[tuple[float, dict[str, float]]]:
    """For each candidate its score, about 0 to 1, and the weighted parts it is the sum of."""
    best_bm25 = max((c.bm25 for c in candidates), default=0.0) or 1.0
    best_cosine = max((c.cosine for c in candidates), default=0.0) or 1.0
    dense = weights.dense if any(c.cosine for c in candidates) else 0.0
    scale = weights.lexical + dense + weights.coverage + weights.pairs + weights.document
    documents = _documents(question, candidates)
    wanted_pairs = set(pairwise(question.terms))
    result = []
    for candidate in candidates:
        own = terms(candidate.text)
        parts = {
            "lexical": weights.lexical * candidate.bm25 / best_bm25 / scale,
            "dense": dense * max(0.0, candidate.cosine) / best_cosine / scale,
            "coverage": weights.coverage * _coverage(question, {*own, *terms(candidate.around)}) / scale,
            "pairs": weights.pairs * _pairs(wanted_pairs, own) / scale,
            "document": weights.document * documents[candidate.document_id] / scale,
            "label": weights.label * (candidate.label in question.labels) if candidate.label else 0.0,
            "kind": weights.kind * (candidate.kind in question.kinds),
            "mention": weights.mention * candidate.mentioned_by_best,
        }
        result.append((sum(parts.values()), {name: round(part, 4) for name, part in parts.items() if part}))
    return result


def _coverage(question: Question, present: set[str]) -> float:
    total = sum(question.weights.values())
    return sum(w for term, w in question.weights.items() if term in present) / total if total else 0.0


def _pairs(wanted: set[tuple[str, str]], own: Sequence[str]) -> float:
    """Share of `wanted` neighbours found side by side, stop words between them allowed."""
    if not wanted:
        return 0.0
    telling = [term for term in own if term not in STOP_TERMS]
    return len(wanted & set(pairwise(telling))) / len(wanted)


def _documents(question: Question, candidates: Sequence[Candidate]) -> Mapping[str, float]:
    """By document: the mean of its three best BM25 over the best document's, raised by question words in its title."""
    by_document: dict[str, list[float]] = {}
    titles: dict[str, str] = {}
    for candidate in candidates:
        by_document.setdefault(candidate.document_id, []).append(candidate.bm25)
        titles[candidate.document_id] = candidate.title
    strength = {id_: sum(sorted(found, reverse=True)[:3]) / 3 for id_, found in by_document.items()}
    best = max(strength.values(), default=0.0) or 1.0
    return {
        id_: 0.5 * value / best + 0.5 * _coverage(question, set(terms(titles[id_]))) for id_, value in strength.items()
    }
