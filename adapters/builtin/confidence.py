"""The probability that what was found answers the question: a logistic model over six features.

Its coefficients are fitted on data/questions/sample.jsonl by benchmarks/calibrate_refusal.py, which prints them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass

from adapters.builtin.matching import coverage
from adapters.builtin.units import ScoredUnit
from rag_app.evidence import Question


@dataclass(frozen=True, slots=True)
class Features:
    """What tells an answered question from an unanswerable one, each 0 to 1.

    best         share of the question's term weight in the best unit and right around it
    passage      the same for the best whole passage
    cosine       highest similarity among the ten best units; 0 for languages the embedding does not know
    unembedded   1 where the embedding does not know the question's language
    no_number    1 when the question holds a number that none of the passages has
    no_label     1 when it names an element ("Table 9") that none of the passages is or mentions
    """

    best: float
    passage: float
    cosine: float
    unembedded: float
    no_number: float
    no_label: float


@dataclass(frozen=True, slots=True)
class Coefficients:
    """Weight of each feature, in their order, and the constant."""

    best: float = 7.56
    passage: float = 6.3
    cosine: float = 5.91
    unembedded: float = 2.22
    no_number: float = -1.01
    no_label: float = -5.1
    constant: float = -7.15


def confidence(question: Question, ranked: Sequence[ScoredUnit], *, coefficients: Coefficients | None = None) -> float:
    """Probability, 0 to 1, that the papers hold the answer; `ranked` best first."""
    if not ranked:
        return 0.0
    *weights, constant = astuple(coefficients or Coefficients())
    z = constant + sum(w * f for w, f in zip(weights, astuple(features(question, ranked)), strict=True))
    return 1.0 / (1.0 + math.exp(-z))


def features(question: Question, ranked: Sequence[ScoredUnit]) -> Features:
    """The features of a question and its scored units, best first; at least one."""
    by_passage: dict[str, set[str]] = {}
    for scored in ranked:
        by_passage.setdefault(scored.unit.passage.node_id, set()).update(scored.unit.own, scored.unit.about)
    everything = set().union(*by_passage.values())
    numbers = {term for term in question.terms if term[0].isdigit()}
    labels = {scored.unit.passage.label for scored in ranked}
    embedded = any(scored.cosine for scored in ranked)
    return Features(
        best=ranked[0].own + ranked[0].about,
        passage=max(coverage(question.weights, terms) for terms in by_passage.values()),
        cosine=max(scored.cosine for scored in ranked[:10]),
        unembedded=float(not embedded),
        no_number=float(bool(numbers - everything)),
        no_label=float(bool(question.labels) and not labels & set(question.labels)),
    )
