"""A row of a run as Ragas takes it: question, answer, gold answer, passages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eval.runs.rows import Row

_MOST_PICTURES = 4  # of a row; each takes a thousand tokens or more of the judge's context
_SHORT = 5  # words; a gold answer of fewer claims nothing without its question
_MARK = re.compile(r"\s*\[\d{1,3}\]")


@dataclass(frozen=True, slots=True)
class Sample:
    """What is judged.

    response   the answer without its citation marks; None where none was asked for, as in a run of retrieval
    refused    the answer says that the papers do not hold it
    reference  the gold answer; None for a question without one
    contexts   all passages found, best first; read: those that were before the answerer
    pictured   node ids of the first four passages of `read` that have a picture, by their place in `read`
    """

    question: str
    language: str
    response: str | None
    refused: bool
    reference: str | None
    contexts: tuple[str, ...]
    read: tuple[str, ...]
    pictured: Mapping[int, str]

    @property
    def stated_reference(self) -> str | None:
        """The gold answer for a metric that is not shown the question: one as short as "0.07" stands behind it."""
        if self.reference is None or len(self.reference.split()) >= _SHORT:
            return self.reference
        return f"{self.question} {self.reference}"


def sample_of(row: Row) -> Sample | None:
    """The sample of a row of answers or of retrieval; None for a row of another kind, or one that failed.

    The gold answer is the first accepted one; for a question over several pages, which needs them all, all of them.
    """
    question, answer = row.record.get("question"), row.record.get("answer")
    found = answer["evidence"] if answer else row.record.get("hits")
    if row.error is not None or not isinstance(question, Mapping) or found is None:
        return None
    golds = list(question.get("answers") or ())
    whole = golds if question.get("kind") == "cross_page" else golds[:1]
    passages = [passage for passage in found if str(passage["text"]).strip()]
    read = [passage for passage in passages if passage.get("read", True)]
    pictured = [(place, passage["node_id"]) for place, passage in enumerate(read) if passage.get("image")]
    return Sample(
        question=question["question"],
        language=question["language"],
        response=_MARK.sub("", answer["answer"]).strip() if answer else None,
        refused=bool(answer and answer["refused"]),
        reference="; ".join(whole) or None,
        contexts=_texts(passages),
        read=_texts(read),
        pictured=dict(pictured[:_MOST_PICTURES]),
    )


def _texts(passages: list[Mapping[str, Any]]) -> tuple[str, ...]:  # Any: JSON
    return tuple(passage["text"] for passage in passages)
