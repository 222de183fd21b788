"""The answer as a user gets it; `Answer.to_dict()` is the document `rag-app ask --json` prints."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from rag_app.citations import Citation
from rag_app.evidence import BBox


@dataclass(frozen=True, slots=True)
class Evidence:
    """One passage that was before the answerer. score is the retrieval's; found_by names the halves that found it."""

    node_id: str
    document: str
    page: int
    bbox: BBox
    kind: str
    label: str | None
    score: float
    found_by: tuple[str, ...]
    text: str
    image: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A question, its answer in Markdown with [n] marks, and everything the answer rests on.

    refused          the papers do not hold the answer; `answer` then says so in the question's language
    models           model name by role
    seconds          by stage: retrieve, compose, cite, total
    confidence       probability, 0 to 1, that the evidence answers the question
    language         of the question and the answer: "en", "fa", "ar"
    removed          statements left out because their quote was not in its source
    """

    question: str
    answer: str
    refused: bool
    citations: tuple[Citation, ...]
    evidence: tuple[Evidence, ...]
    models: dict[str, str]
    seconds: dict[str, float]
    confidence: float
    language: str
    removed: int = 0
    id: int | None = field(default=None)

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return dataclasses.asdict(self)
