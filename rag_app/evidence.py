"""What passes between finding and answering: the question as understood, the passages found, the drafted answer.

Plain records, so that any answerer, builtin or a language model, can be put behind the same call.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

BBox = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Question:
    """A question as search understands it.

    text      as asked
    language  "en", "fa" or "ar": of the question, and so of the answer
    terms     its telling search terms (see rag_app.searchable), in order
    weights   inverse document frequency of each term in this library; rarer is higher, unknown terms highest
    labels    elements it names: ("Table 3",)
    kinds     kinds it asks for in words ("which figure ...", «در جدول»); empty when it does not say
    """

    text: str
    language: str
    terms: tuple[str, ...]
    weights: Mapping[str, float] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Description:
    """What a model read in a figure, table or formula: never what the PDF says, and shown as what it is.

    model           its full name, "ollama:qwen2.5vl:7b"
    prompt_version  of the prompt that was asked
    kind            "figure", "table" or "formula"
    summary         one line
    text            a figure: the detailed description; a table: GitHub Markdown; a formula: its LaTeX
    details         the whole checked reply, of the kind's schema in ingestion.describe.schemas, as JSON values
    score           0 to 1: how far it agrees with what the PDF says; verified: it is above the bar
    reasons         what was found when it was checked, a sentence each
    """

    model: str
    prompt_version: str
    kind: str
    summary: str
    text: str
    details: Mapping[str, Any]  # Any: JSON values
    score: float
    verified: bool
    reasons: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Self:
        """Rebuild what `to_dict` gave, after JSON; KeyError or TypeError on another shape."""
        return cls(**{**raw, "reasons": tuple(raw["reasons"])})


@dataclass(frozen=True, slots=True)
class Passage:
    """One found node, as an answerer reads it.

    text        what may be quoted; context what surrounds it and may not
    places      (page, box) of each part, in points from the top left
    spans       (start, end, page, box): which part of the text stands where
    score       of the retrieval, higher is better, about 0 to 1; found_by the halves that found it
    cells       a table's rows, the first `header_rows` of them header
    description what a model read in it, when one did
    """

    node_id: str
    document: str
    document_id: str
    title: str
    page: int
    places: tuple[tuple[int, BBox], ...]
    kind: str
    text: str
    score: float
    found_by: tuple[str, ...] = ()
    label: str | None = None
    section: str = ""
    caption: str | None = None
    spans: tuple[tuple[int, int, int, BBox], ...] = ()
    context: str = ""
    cells: tuple[tuple[str, ...], ...] | None = None
    header_rows: int = 0
    image: str | None = None
    language: str = "und"
    description: Description | None = None

    @property
    def bbox(self) -> BBox:
        return self.places[0][1]


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing the answer says and the words it rests on.

    text   Markdown without citation marks
    quote  verbatim from the text of passage `node_id`
    """

    text: str
    node_id: str
    quote: str


@dataclass(frozen=True, slots=True)
class Draft:
    """An answer before its citations are checked. confidence: probability, 0 to 1, that it answers the question."""

    statements: tuple[Statement, ...]
    confidence: float


class Answerer(Protocol):
    """What the role `answer` must do."""

    name: str

    def compose(self, question: Question, passages: Sequence[Passage]) -> Draft: ...
