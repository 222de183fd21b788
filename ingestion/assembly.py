"""Pages of blocks to one Paper: sections, paragraphs over columns and pages, references, labels and mentions."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher

from ingestion.blocks import Block, PageBlocks
from ingestion.elements import Element, Kind, PageSize, Paper, Place, Problem
from ingestion.furniture import as_content, furniture
from ingestion.mentions import mentions_in
from ingestion.paragraphs import Vocabulary, continues, is_finished, join, join_lines
from ingestion.references import entries, opens_entry
from ingestion.script import language_of
from ingestion.sections import Levels, Path, heading_number, is_references, without_initials
from ingestion.tables import to_markdown
from ingestion.unnamed import learn_letters, name_letters

_JOURNAL = re.compile(
    r"\b(?:journal|proceedings|transactions|letters|magazine|annals|conference|مجله|فصلنامه|نشریه)\b", re.I
)
_FLOATS = ("table", "figure", "footnote", "caption")


@dataclass
class _Item:
    """A block on its way to an element: its kind may change, further blocks may join it."""

    kind: Kind
    page: PageBlocks
    block: Block
    parts: list[tuple[PageBlocks, Block]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.parts = [(self.page, self.block)]

    @property
    def last(self) -> tuple[PageBlocks, Block]:
        return self.parts[-1]


def assemble(
    pages: Sequence[PageBlocks],
    *,
    sha256: str,
    name: str,
    problems: Sequence[Problem],
    parser: str,
    pdf_metadata: Mapping[str, str],
) -> Paper:
    """The Paper of a document from its parsed pages, in page order; about a millisecond a page.

    problems: what was met before (opening, hidden text, OCR); those of the pages are added.
    pdf_metadata: title, author and the like as the PDF states them; empty values are dropped.
    """
    pages = _with_letters(pages)
    items = _title(_items(pages), pages, _metadata_title(pdf_metadata))
    items = _bibliography(_headings(items))
    items = _join_parts(items)
    vocabulary = Vocabulary.of(line for page in pages for block in page.blocks for line in block.lines)
    elements = _elements(items, vocabulary)
    title = next((e.text for e in elements if e.kind == "title"), "")
    text = " ".join(e.text for e in elements if e.kind not in ("formula", "reference"))
    return Paper(
        sha256=sha256,
        name=name,
        title=title or _metadata_title(pdf_metadata) or name.rsplit(".", 1)[0],
        language=language_of(text),
        pages=tuple(PageSize(page.width, page.height) for page in pages),
        elements=tuple(elements),
        problems=(*problems, *(problem for page in pages for problem in page.problems)),
        parser=parser,
        metadata={key: value for key, value in pdf_metadata.items() if value},
    )


def _with_letters(pages: Sequence[PageBlocks]) -> Sequence[PageBlocks]:
    """The pages with unnamed letters replaced by what the whole document shows them to be."""
    letters = learn_letters(
        line.text for page in pages for block in page.blocks for line in (*block.lines, *block.caption)
    )
    if not letters:
        return pages

    def named(block: Block) -> Block:
        return replace(
            block,
            lines=tuple(replace(line, text=name_letters(line.text, letters)) for line in block.lines),
            caption=tuple(replace(line, text=name_letters(line.text, letters)) for line in block.caption),
            cells=tuple(tuple(name_letters(c, letters) for c in row) for row in block.cells) if block.cells else None,
        )

    return [replace(page, blocks=tuple(named(block) for block in page.blocks)) for page in pages]


def _items(pages: Sequence[PageBlocks]) -> list[_Item]:
    dropped = furniture(pages)
    items: list[_Item] = []
    for p, page in enumerate(pages):
        for i, block in enumerate(page.blocks):
            if (p, i) in dropped:
                continue
            kind = as_content(block) if block.kind in ("header", "footer", "margin") else block.kind
            items.append(_Item("text" if kind == "caption" else kind, page, block))  # pyright: ignore[reportArgumentType]
    return items


def _title(items: list[_Item], pages: Sequence[PageBlocks], stated: str) -> list[_Item]:
    """The title: what the model calls so on the first page, or a heading that fits better. stated: the PDF's own."""
    if not pages:
        return items
    first = [item for item in items if item.page.number == pages[0].number]
    titles = [item for item in first if item.kind == "title"]
    for item in items:
        if item.kind == "title" and item not in titles:
            item.kind = "heading"
    candidates = titles + [item for item in first if item.kind == "heading" and _could_be_title(item, items)]
    if not candidates:
        return items
    best = max(candidates, key=lambda item: _title_score(item, stated))
    if best not in titles:
        for item in titles:
            item.kind = "text"
        titles = [best]
        best.kind = "title"
    if len(titles) > 1:
        largest = max(item.block.size for item in titles)
        keep = [item for item in titles if item.block.size > largest - 0.6]
        for item in titles:
            if item not in keep:
                item.kind = "heading"
        head = keep[0]
        for item in keep[1:]:
            head.parts.append((item.page, item.block))
            items.remove(item)
    return items


def _could_be_title(item: _Item, items: Sequence[_Item]) -> bool:
    text = item.block.text
    return (
        item.block.bbox[1] < 0.5 * item.page.height
        and heading_number(text) is None
        and not is_references(text)
        and len(text) > 8
        and item.block.size > 1.15 * _body_size(items)
    )


def _title_score(item: _Item, stated: str) -> float:
    """How much like the title: named so by the model or the PDF, large, of several words, no journal's name."""
    text = item.block.text.replace("\n", " ")
    words = text.split()
    score = item.block.size + (4 if item.kind == "title" else 0) + (6 if len(words) >= 4 else 0)
    if stated and SequenceMatcher(None, stated.lower(), text.lower()).ratio() > 0.7:
        score += 20
    if _JOURNAL.search(text) and len(words) < 7:
        score -= 15
    return score


def _body_size(items: Sequence[_Item]) -> float:
    weight: dict[float, int] = {}
    for item in items:
        if item.kind == "text":
            weight[item.block.size] = weight.get(item.block.size, 0) + len(item.block.text)
    return max(weight, key=lambda s: weight[s]) if weight else 10.0


def _headings(items: list[_Item]) -> list[_Item]:
    """Headings that are none become text, bold numbered lines become headings."""
    initials = without_initials(item.block.text.replace("\n", " ") for item in items if item.kind == "heading")
    columns = _columns(items)
    for item in items:
        text = item.block.text.replace("\n", " ")
        if item.kind == "heading" and (text in initials or _in_margin(item, columns)):
            item.kind = "text"
            continue
        if item.kind == "heading":
            letters = sum(c.isalpha() for c in text)
            if letters < 2 or len(text) > 220 or (len(text) > 90 and is_finished(text)):
                item.kind = "text"
        elif item.kind in ("text", "list_item") and len(item.block.lines) == 1 and len(text) < 90:
            number = heading_number(text)
            if (item.block.lines[0].bold and number is not None and not is_finished(text)) or is_references(text):
                item.kind = "heading"
    return items


def _columns(items: Sequence[_Item]) -> tuple[float, float]:
    """Left and right end of the text of the document, in points: where most of its lines lie."""
    lines = [line for item in items if item.kind == "text" for line in item.block.lines if len(line.text) > 30]
    if len(lines) < 20:
        return (0.0, math.inf)
    lefts, rights = sorted(line.bbox[0] for line in lines), sorted(line.bbox[2] for line in lines)
    return (lefts[len(lefts) // 20], rights[-1 - len(rights) // 20])


def _in_margin(item: _Item, columns: tuple[float, float]) -> bool:
    """Whether it stands beside the text, as journals print notes on the first page."""
    return item.block.bbox[2] < columns[0] + 5 or item.block.bbox[0] > columns[1] - 5


def _bibliography(items: list[_Item]) -> list[_Item]:
    """Text and lists under the heading of the bibliography, cut into entries of kind "reference"."""
    out: list[_Item] = []
    inside = False
    for item in items:
        if item.kind == "heading":
            inside = is_references(item.block.text)
        if inside and item.kind in ("text", "list_item"):
            out += [_Item("reference", item.page, block) for block in entries(item.block)]
        else:
            out.append(item)
    return out


def _join_parts(items: list[_Item]) -> list[_Item]:
    """Paragraphs, entries and notes that run over a column or page become one item."""
    out: list[_Item] = []
    known = [item.block for item in items if item.kind == "reference"]
    open_item: _Item | None = None
    passed_float = False
    for item in items:
        if item.kind in _FLOATS:
            passed_float = passed_float or item.kind != "footnote"
            out.append(item)
            continue
        if open_item is not None and _belongs(open_item, item, known, passed_float=passed_float):
            open_item.parts.append((item.page, item.block))
            passed_float = False
            continue
        out.append(item)
        open_item = item if item.kind in ("text", "list_item", "reference") else None
        passed_float = False
    return out


def _belongs(open_item: _Item, item: _Item, known: Sequence[Block], *, passed_float: bool) -> bool:
    page, block = open_item.last
    if open_item.kind == "reference":
        if item.kind != "reference":
            return False
        return not opens_entry(item.block, known) and not (
            is_finished(block.text) and known and len(item.block.lines) > 4
        )
    if item.kind != "text":
        return False
    new_column = item.page.number != page.number or item.block.bbox[1] < block.bbox[1] or passed_float
    return continues(block, item.block, new_column=new_column, rtl=page.rtl)


def _elements(items: Sequence[_Item], vocabulary: Vocabulary) -> list[Element]:
    levels = Levels(item.block for item in items if item.kind == "heading")
    path = Path()
    elements: list[Element] = []
    for item in items:
        text, places = _text_and_places(item, vocabulary)
        element = Element(
            id=f"e{len(elements):04d}",
            order=len(elements),
            kind=item.kind,
            places=places,
            section=path.titles,
            text=text,
            image=item.block.image,
            ocr=item.page.ocr,
            label=item.block.label,
        )
        if item.kind == "heading":
            level = levels.level(item.block, text)
            number = heading_number(text)
            above = path.enter(level, text)
            element = replace(element, level=level, section=above, label=f"Section {number}" if number else None)
        elif item.kind in ("table", "figure"):
            element = _with_caption(element, item, vocabulary)
        if item.kind not in ("title", "reference", "formula"):
            own = {element.label} if element.label else set()
            found = mentions_in(f"{element.caption or ''} {text if item.kind not in ('table', 'figure') else ''}")
            element = replace(element, mentions=tuple(m for m in found if m not in own))
        elements.append(element)
    return elements


def _text_and_places(item: _Item, vocabulary: Vocabulary) -> tuple[str, tuple[Place, ...]]:
    if item.kind == "table" and item.block.cells:
        text = "\n".join(" | ".join(row) for row in item.block.cells)
        return text, (Place(item.page.number, item.block.bbox),)
    if item.kind in ("figure", "formula", "code", "table"):
        return item.block.text, (Place(item.page.number, item.block.bbox),)
    text = ""
    places: list[Place] = []
    for page, block in item.parts:
        part = join_lines([line.text for line in block.lines], vocabulary)
        joined = join(text, part, vocabulary)
        places.append(Place(page.number, block.bbox, start=max(0, len(joined) - len(part))))
        text = joined
    return text, tuple(places)


def _with_caption(element: Element, item: _Item, vocabulary: Vocabulary) -> Element:
    block = item.block
    element = replace(
        element,
        caption=join_lines([line.text for line in block.caption], vocabulary) or None,
        caption_place=Place(item.page.number, block.caption_bbox) if block.caption_bbox else None,
    )
    if item.kind != "table" or block.cells is None:
        return element
    return replace(
        element,
        cells=block.cells,
        header_rows=block.header_rows,
        markdown=to_markdown(block.cells, block.header_rows),
    )


def _metadata_title(metadata: Mapping[str, str]) -> str:
    """The PDF's own title, unless it is a file name or a template's."""
    title = metadata.get("title", "").strip()
    useless = title.lower().endswith((".dvi", ".doc", ".docx", ".pdf", ".tex")) or title.lower() in (
        "untitled",
        "title",
    )
    return "" if useless or len(title) < 6 else title
