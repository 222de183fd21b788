"""What passes between finding and answering: the question as understood, the passages found, the drafted answer.

Plain records, so that any answerer, builtin or a language model, can be put behind the same call.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
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
    answer_in language the answer was asked in, where that is not the question's
    """

    text: str
    language: str
    terms: tuple[str, ...]
    weights: Mapping[str, float] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    answer_in: str | None = None

    @property
    def answer_language(self) -> str:
        return self.answer_in or self.language


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

    @property
    def quotable(self) -> str:
        """What an answer may quote of it, as the model's words."""
        return "\n".join(dict.fromkeys(part for part in (self.summary, self.text) if part))

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        """As JSON values, for storing; `from_dict` reads it back."""
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

    text     Markdown without citation marks
    quote    verbatim from the text of passage `node_id`, or from what a model read in it
    read_by  the answering model, where it was shown the passage's picture and these are its own words about it
    """

    text: str
    node_id: str
    quote: str
    read_by: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What a draft by a language model took.

    model          its full name, as it was asked
    seconds        of all requests, waiting and loading included; load_seconds of them for loading the model
    prompt_tokens  of all requests, None where the server does not say; the same for reply_tokens
    context_tokens of the last request
    """

    model: str
    seconds: float
    load_seconds: float = 0.0
    prompt_tokens: int | None = None
    reply_tokens: int | None = None
    context_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """An answer before its citations are checked.

    confidence   probability, 0 to 1, that it answers the question; None where the answerer cannot tell
    unsupported  statements it left out itself, because nothing before it holds them
    unread       node ids of passages that did not fit before the model
    pictured     node ids of passages whose picture the model saw
    """

    statements: tuple[Statement, ...]
    confidence: float | None
    unsupported: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    pictured: tuple[str, ...] = ()
    usage: Usage | None = None


class Answerer(Protocol):
    """What the role `answer` must do.

    on_text is called with each new piece of the draft as it comes; what it gets is not checked yet.
    """

    @property
    def name(self) -> str: ...

    def check(self) -> None:
        """Make sure, before any work, that it can be used; raises what `LanguageModel.check` raises."""
        ...

    def compose(
        self, question: Question, passages: Sequence[Passage], *, on_text: Callable[[str], None] | None = None
    ) -> Draft: ...

    async def acompose(
        self, question: Question, passages: Sequence[Passage], *, on_text: Callable[[str], None] | None = None
    ) -> Draft:
        """As `compose`, without blocking the event loop."""
        ...
