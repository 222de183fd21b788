"""The metrics a judge can give, what each needs, and to which rows it applies."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from eval.judging.samples import Sample
from rag_app.errors import UnknownName

Need = Literal["response", "reference", "contexts", "pictures", "embedding"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of Ragas; 0 to 1, higher is better. needs: what a row must have beside its question."""

    name: str
    needs: frozenset[Need]
    says: str

    @property
    def column(self) -> str:
        """Its name among the scores of a row."""
        return f"ragas_{self.name}"


def _metric(name: str, says: str, *needs: Need) -> Metric:
    return Metric(name, frozenset(needs), says)


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        _metric("faithfulness", "share of the answer's statements that its passages hold", "response", "contexts"),
        _metric(
            "response_relevancy",
            "how near questions made from the answer are to the one asked; 0 for an evasive answer",
            "response",
            "embedding",
        ),
        _metric(
            "context_precision",
            "average precision of the passages that help to the gold answer",
            "reference",
            "contexts",
        ),
        _metric("context_recall", "share of the gold answer that the passages hold", "reference", "contexts"),
        _metric(
            "factual_correctness",
            "F1 of the claims of answer and gold answer, each checked against the other",
            "response",
            "reference",
        ),
        _metric(
            "answer_correctness",
            "three quarters F1 of the statements shared with the gold answer, one quarter similarity to it",
            "response",
            "reference",
            "embedding",
        ),
        _metric(
            "multimodal_faithfulness",
            "1 when everything the answer says can be inferred from its passages and their pictures",
            "response",
            "contexts",
            "pictures",
        ),
        _metric(
            "multimodal_relevance",
            "1 when the answer fits question, passages and their pictures",
            "response",
            "contexts",
            "pictures",
        ),
    )
}
TEXT_METRICS: tuple[str, ...] = tuple(name for name, metric in METRICS.items() if "pictures" not in metric.needs)


def read_metrics(names: Iterable[str]) -> tuple[str, ...]:
    """The metrics of these names, in the order of METRICS; UnknownName gives the nearest."""
    asked = [name.strip().removeprefix("ragas_") for name in names if name.strip()]
    for name in asked:
        if name not in METRICS:
            near = difflib.get_close_matches(name, METRICS, n=1, cutoff=0.5)
            hint = f"Did you mean {near[0]}? " if near else ""
            raise UnknownName(f"There is no judge's metric {name!r}. {hint}There are {', '.join(METRICS)}.")
    return tuple(name for name in METRICS if name in asked)


def applies(metric: Metric, sample: Sample) -> bool:
    """Whether the metric says anything about the row.

    Not: one of an answer where none was asked for, or about a refusal that is right; one against a gold answer where
    there is none; one of pictures where no passage has one.
    """
    if "response" in metric.needs and (sample.response is None or (sample.refused and sample.reference is None)):
        return False
    if "reference" in metric.needs and sample.reference is None:
        return False
    return "pictures" not in metric.needs or bool(sample.pictured)


def obstacle(metric: Metric, sample: Sample, languages: frozenset[str] | None) -> str:
    """Why a metric that applies cannot be worked out, a sentence; "" where it can.

    languages: that the embedding knows, ISO 639-1; None for all.
    """
    if "response" in metric.needs:
        if sample.refused:
            return "The answer is a refusal, so it says nothing that could be judged."
        if not sample.response:
            return "The answer is empty."
    if "contexts" in metric.needs and not (sample.read if "response" in metric.needs else sample.contexts):
        return "No passage was found, so there is nothing to judge by."
    if "embedding" in metric.needs and languages is not None and sample.language not in languages:
        return (
            f"The embedding knows {', '.join(sorted(languages))} and not {sample.language}: "
            "name a multilingual one, such as ollama:bge-m3."
        )
    return ""
