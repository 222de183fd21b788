"""The answer as a user gets it; `Answer.to_dict()` is the document `rag-app ask --json` prints."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from rag_app.citations import Citation
from rag_app.evidence import BBox


@dataclass(frozen=True, slots=True)
class Evidence:
    """One passage that was found for the answerer. score is the retrieval's; found_by names the halves that found it.

    read      it was before the answerer; False where it did not fit into the model's context
    pictured  the model saw its picture too
    """

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
    read: bool = True
    pictured: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """A question, its answer in Markdown with [n] marks, and everything the answer rests on.

    refused          the papers do not hold the answer; `answer` then says so in the question's language
    models           model name by role
    seconds          by stage: retrieve, compose, cite, total; of a language model also model, and load of it
    confidence       probability, 0 to 1, that the evidence answers the question; None where the answerer cannot tell
    language         of the answer: the question's, or the one asked for; "en", "fa", "ar"
    removed          how many statements were left out because nothing found holds them; `unsupported` are their texts
    unsupported_numbers  numbers of the answer, as written there, that are in nothing that was found
    unread           how many passages did not fit before the model, the lowest ranked ones
    tokens           of a language model, where its server says: prompt, reply, context
    """

    question: str
    answer: str
    refused: bool
    citations: tuple[Citation, ...]
    evidence: tuple[Evidence, ...]
    models: dict[str, str]
    seconds: dict[str, float]
    confidence: float | None
    language: str
    removed: int = 0
    unsupported: tuple[str, ...] = ()
    unsupported_numbers: tuple[str, ...] = ()
    unread: int = 0
    tokens: dict[str, int] = field(default_factory=dict)
    id: int | None = field(default=None)

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        """As JSON values: what `--json` prints and the library keeps."""
        return dataclasses.asdict(self)
