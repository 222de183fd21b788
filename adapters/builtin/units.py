"""The pieces a passage can be quoted in: sentences, table rows, formulas, captions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rag_app.evidence import Passage
from rag_app.searchable import terms
from rag_app.sentences import sentences

_DIGIT = re.compile(r"\d")
_ITEM = re.compile(r"[•◦▪–*-]\s|\(?[\da-zA-Zا-ی]{1,3}[.)]\s")
_LONGEST_LIST = 700  # characters quoted at once


@dataclass(frozen=True, slots=True)
class Unit:
    """One quotable piece. quote is verbatim from the passage's text; `about` are the terms of what stands around it.

    own    search terms of the quote itself; of a table row also the headings above its cells
    about  terms of caption, section, label and context: they help to find the unit but are not quoted
    row    index of the table row, None for other kinds
    """

    passage: Passage
    quote: str
    own: frozenset[str]
    about: frozenset[str]
    row: int | None = None

    @property
    def has_number(self) -> bool:
        return bool(_DIGIT.search(self.quote))


@dataclass(frozen=True, slots=True)
class ScoredUnit:
    """A unit and how well it fits a question.

    own, about  share of the question's term weight in the quote, and only around it; each 0 to 1
    cosine      similarity of the embeddings, 0 where the model does not know the language
    """

    unit: Unit
    score: float
    own: float
    about: float
    cosine: float


def units(passage: Passage) -> Iterator[Unit]:
    """Everything in `passage` that can be quoted alone, in order."""
    # What a model read in it helps to find it. It is never quoted here: the builtin answerer gives the paper's words.
    read = passage.description.quotable if passage.description else ""
    around = (passage.section, passage.caption or "", passage.label or "", passage.context, read)
    about = frozenset(terms(" ".join(around)))
    match passage.kind:
        case "table" if passage.cells:
            yield from _rows(passage, about)
        case "formula":
            if passage.text.strip():
                yield Unit(passage, passage.text.strip(), frozenset(terms(passage.text)), about)
        case "figure":
            if passage.caption:
                inner = frozenset(terms(passage.text))
                yield Unit(passage, passage.caption, frozenset(terms(passage.caption)), about | inner)
        case _:
            before: frozenset[str] = frozenset()
            for quote in _with_lists(passage.text):
                own = frozenset(terms(quote))
                yield Unit(passage, quote, own, about | before)
                before = own


def _with_lists(text: str) -> Iterator[str]:
    """The sentences of `text`; one that ends with a colon together with the list it opens."""
    found = sentences(text)
    i = 0
    while i < len(found):
        first = last = found[i]
        i += 1
        if first.text.endswith(":"):
            while i < len(found) and _ITEM.match(found[i].text) and found[i].end - first.start <= _LONGEST_LIST:
                last = found[i]
                i += 1
        yield text[first.start : last.end]


def _rows(passage: Passage, about: frozenset[str]) -> Iterator[Unit]:
    """One unit for each body row that stands as one line of the passage's Markdown, and one for the caption."""
    cells = passage.cells or ()
    header = frozenset(term for row in cells[: passage.header_rows] for cell in row for term in terms(cell))
    if passage.caption and passage.caption in passage.text:
        yield Unit(passage, passage.caption, frozenset(terms(passage.caption)), about | header)
    lines = [line for line in passage.text.splitlines() if line.lstrip().startswith("|")]
    body = [line for line in lines if not re.fullmatch(r"[\s|:\-]+", line)][-(len(cells) - passage.header_rows) :]
    for index, line in zip(range(passage.header_rows, len(cells)), body, strict=False):
        own = frozenset(term for cell in cells[index] for term in terms(cell))
        yield Unit(passage, line.strip(), own | header, about, row=index)
