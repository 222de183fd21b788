"""Every [n] of an answer leads to a node, page and box, and every quote is in its node: checked here, by program."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rag_app.evidence import BBox, Passage, Statement


@dataclass(frozen=True, slots=True)
class Citation:
    """Where a statement comes from. page and bbox are the first of `places`; quote is verbatim from the node's text.

    node_id names the node in the library; image is the path of the crop for a table, formula or figure, else None.
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


@dataclass(frozen=True, slots=True)
class Cited:
    """Statements that stood the check, as Markdown with [n]; `removed` counts those that did not."""

    text: str
    citations: tuple[Citation, ...]
    removed: int


def cite(statements: Sequence[Statement], passages: Sequence[Passage]) -> Cited:
    """Number the sources of `statements`, leaving out each whose node is unknown or whose quote is not in it."""
    by_id = {passage.node_id: passage for passage in passages}
    numbers: dict[tuple[str, str], int] = {}
    citations: list[Citation] = []
    lines: list[str] = []
    for statement in statements:
        passage = by_id.get(statement.node_id)
        span = find_quote(statement.quote, passage.text) if passage else None
        if passage is None or span is None:
            continue
        key = (statement.node_id, statement.quote)
        if key not in numbers:
            numbers[key] = len(numbers) + 1
            citations.append(_citation(numbers[key], statement.quote, passage, span))
        lines.append(f"{without_marks(statement.text)} [{numbers[key]}]")
    text = "\n\n".join(lines)
    assert not unresolved(text, citations), f"a mark without a citation in: {text}"
    return Cited(text, tuple(citations), removed=len(statements) - len(lines))


def without_marks(text: str) -> str:
    """`text` without the paper's own "[13]" or "[2, 5-7]": in an answer such a mark would pass for one of ours."""
    while (without := _FOREIGN_MARK.sub("", text)) != text:  # again: "[1[2]9]" leaves another mark behind
        text = without
    return text


def find_quote(quote: str, text: str) -> tuple[int, int] | None:
    """Start and end of `quote` in `text`, blanks of any kind and number counting as one; None when it is not there."""
    words = quote.split()
    if not words:
        return None
    match = re.search(r"\s+".join(map(re.escape, words)), text)
    return match.span() if match else None


_FOREIGN_MARK = re.compile(r"\s?[\[［]\s*\d+(?:\s*[,;،–-]\s*\d+)*\s*[\]］]")
MARK = re.compile(r"\[(\d{1,3})\]")


def unresolved(answer: str, citations: Mapping[int, Citation] | Sequence[Citation]) -> list[int]:
    """Numbers in [n] marks of `answer` that no citation has; an empty list is what every answer must give."""
    known = set(citations) if isinstance(citations, Mapping) else {citation.n for citation in citations}
    return [n for n in map(int, MARK.findall(unicodedata.normalize("NFKC", answer))) if n not in known]


def _citation(n: int, quote: str, passage: Passage, span: tuple[int, int]) -> Citation:
    places = _quoted_places(passage, span)
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
    )


def _quoted_places(passage: Passage, span: tuple[int, int]) -> tuple[tuple[int, BBox], ...]:
    """The boxes the quote stands in; for a table, formula or figure the whole of it, its caption too."""
    if passage.kind in ("text", "footnote", "reference"):
        start, end = span
        places = tuple((page, box) for begin, stop, page, box in passage.spans if begin < end and start < stop)
        if places:
            return places
    return passage.places
