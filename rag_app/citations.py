"""Every [n] of an answer leads to a node, page and box, and every quote is in its node: checked here, by program.

A quote is in the node's text, which is what the paper says, or in what a model read in the figure, table or formula;
the citation then names that model.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rag_app.evidence import BBox, Passage, Statement


@dataclass(frozen=True, slots=True)
class Reading:
    """What a model read in the cited figure, table or formula: shown beside it, marked as the model's.

    kind     "figure", "table" or "formula"
    text     of a figure its description, of a table GitHub Markdown, of a formula LaTeX
    verified it agrees with what the PDF says; reasons says what was found when that was checked
    """

    model: str
    kind: str
    summary: str
    text: str
    verified: bool
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Citation:
    """Where a statement comes from. page and bbox are the first of `places`; quote is verbatim from the node's text.

    node_id names the node in the library; image is the path of the crop for a table, formula or figure, else None.
    Where read_by is given, the quote is what that model read in the picture and not what the paper says; verified says
    whether its reading agreed with the paper. reading is what a model read in it, quoted or not.
    """

    n: int
    document: str
    document_id: str
    title: str
    page: int
    bbox: BBox
    places: tuple[tuple[int, BBox], ...]
    kind: str
    label: str | None
    quote: str
    node_id: str
    image: str | None
    read_by: str | None = None
    verified: bool | None = None
    reading: Reading | None = None


@dataclass(frozen=True, slots=True)
class Cited:
    """Statements that stood the check, as Markdown with [n]; `left_out` holds the texts of those that did not."""

    text: str
    citations: tuple[Citation, ...]
    left_out: tuple[str, ...] = ()

    @property
    def removed(self) -> int:
        return len(self.left_out)


def cite(statements: Sequence[Statement], passages: Sequence[Passage]) -> Cited:
    """Number the sources of `statements`, leaving out each whose node is unknown or whose quote is not in it."""
    by_id = {passage.node_id: passage for passage in passages}
    numbers: dict[tuple[str, str, str | None], int] = {}
    citations: list[Citation] = []
    lines: list[str] = []
    left_out: list[str] = []
    for statement in statements:
        passage = by_id.get(statement.node_id)
        found = _source(statement, passage) if passage else None
        if passage is None or found is None:
            left_out.append(without_marks(statement.text))
            continue
        key = (statement.node_id, statement.quote, found.read_by)
        if key not in numbers:
            numbers[key] = len(numbers) + 1
            citations.append(_citation(numbers[key], statement.quote, passage, found))
        lines.append(f"{without_marks(statement.text)} [{numbers[key]}]")
    text = "\n\n".join(lines)
    assert not unresolved(text, citations), f"a mark without a citation in: {text}"
    return Cited(text, tuple(citations), tuple(left_out))


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a quote stands: in the passage's own text (span), or in what a model read in it (read_by)."""

    span: tuple[int, int] | None = None
    read_by: str | None = None
    verified: bool | None = None


def _source(statement: Statement, passage: Passage) -> _Source | None:
    """The paper's own words come first; None when the quote is nowhere."""
    span = find_quote(statement.quote, passage.text)
    if span is not None:
        return _Source(span)
    description = passage.description
    if description is not None and find_quote(statement.quote, description.quotable):
        return _Source(read_by=description.model, verified=description.verified)
    if statement.read_by and passage.image and statement.quote.strip():
        return _Source(read_by=statement.read_by, verified=False)
    return None


def without_marks(text: str) -> str:
    """`text` without the paper's own "[13]" or "[2, 5-7]": in an answer such a mark would pass for one of ours."""
    while (without := _BRACKETED.sub(_without_mark, text)) != text:  # again: "[1[2]9]" leaves another mark behind
        text = without
    return text


def _without_mark(match: re.Match[str]) -> str:
    """Nothing where the brackets hold numbers, in digits of any script and form ("[²]", "[１]"); else what stands."""
    return "" if _FOREIGN_MARK.fullmatch(unicodedata.normalize("NFKC", match[0])) else match[0]


def find_quote(quote: str, text: str) -> tuple[int, int] | None:
    """Start and end of `quote` in `text`, blanks of any kind and number counting as one; None when it is not there."""
    words = quote.split()
    if not words:
        return None
    match = re.search(r"\s+".join(map(re.escape, words)), text)
    return match.span() if match else None


_BRACKETED = re.compile(r"\s?[\[［﹇][^\[\]［］﹇﹈]*[\]］﹈]")
_FOREIGN_MARK = re.compile(r"\s?\[\s*\d+(?:\s*[,;،–-]\s*\d+)*\s*\]")  # after NFKC
MARK = re.compile(r"\[(\d{1,3})\]")


def unresolved(answer: str, citations: Mapping[int, Citation] | Sequence[Citation]) -> list[int]:
    """Numbers in [n] marks of `answer` that no citation has; an empty list is what every answer must give."""
    known = set(citations) if isinstance(citations, Mapping) else {citation.n for citation in citations}
    return [n for n in map(int, MARK.findall(unicodedata.normalize("NFKC", answer))) if n not in known]


def _citation(n: int, quote: str, passage: Passage, source: _Source) -> Citation:
    places = _quoted_places(passage, source.span)
    page, bbox = places[0]
    return Citation(
        n=n,
        document=passage.document,
        document_id=passage.document_id,
        title=passage.title,
        page=page,
        bbox=bbox,
        places=places,
        kind=passage.kind,
        label=passage.label,
        quote=quote,
        node_id=passage.node_id,
        image=passage.image,
        read_by=source.read_by,
        verified=source.verified,
        reading=_reading(passage),
    )


def _reading(passage: Passage) -> Reading | None:
    read = passage.description
    if read is None or (passage.cells and not read.verified):  # the paper's own cells say more than one they contradict
        return None
    return Reading(read.model, read.kind, read.summary, read.text, read.verified, read.reasons)


def _quoted_places(passage: Passage, span: tuple[int, int] | None) -> tuple[tuple[int, BBox], ...]:
    """The boxes the quote stands in; for a table, formula or figure the whole of it, its caption too."""
    if span is not None and passage.kind in ("text", "footnote", "reference"):
        start, end = span
        places = tuple((page, box) for begin, stop, page, box in passage.spans if begin < end and start < stop)
        if places:
            return places
    return passage.places
