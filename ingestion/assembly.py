"""Pages of blocks to one Paper: sections, paragraphs over columns and pages, references, labels and mentions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ingestion.blocks import Block, PageBlocks
from ingestion.elements import Element, PageSize, Paper, Place, Problem
from ingestion.furniture import as_content, furniture
from ingestion.items import Item
from ingestion.mentions import mentions_in
from ingestion.paragraphs import Vocabulary, continues, is_finished, join, join_lines
from ingestion.references import entries, opens_entry
from ingestion.script import language_of
from ingestion.sections import Levels, Path, heading_number, is_references
from ingestion.tables import to_markdown
from ingestion.titles import choose_title, metadata_title, one_line, settle_headings
from ingestion.unnamed import learn_letters, name_letters

_FLOATS = ("table", "figure", "footnote", "caption")


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
    items = choose_title(_items(pages), pages, metadata_title(pdf_metadata))
    items = _bibliography(settle_headings(items))
    items = _join_parts(items)
    vocabulary = Vocabulary.of(line for page in pages for block in page.blocks for line in block.lines)
    elements = _elements(items, vocabulary)
    title = next((e.text for e in elements if e.kind == "title"), "")
    text = " ".join(e.text for e in elements if e.kind not in ("formula", "reference"))
    return Paper(
        sha256=sha256,
        name=name,
        title=title or metadata_title(pdf_metadata) or one_line(name.rsplit(".", 1)[0]),
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


def _items(pages: Sequence[PageBlocks]) -> list[Item]:
    dropped = furniture(pages)
    items: list[Item] = []
    for p, page in enumerate(pages):
        for i, block in enumerate(page.blocks):
            if (p, i) in dropped:
                continue
            kind = as_content(block) if block.kind in ("header", "footer", "margin") else block.kind
            items.append(Item("text" if kind == "caption" else kind, page, block))  # pyright: ignore[reportArgumentType]
    return items


def _bibliography(items: list[Item]) -> list[Item]:
    """Text and lists under the heading of the bibliography, cut into entries of kind "reference"."""
    out: list[Item] = []
    inside = False
    for item in items:
        if item.kind == "heading":
            inside = is_references(item.block.text)
        if inside and item.kind in ("text", "list_item"):
            out += [Item("reference", item.page, block) for block in entries(item.block)]
        else:
            out.append(item)
    return out


def _join_parts(items: list[Item]) -> list[Item]:
    """Paragraphs, entries and notes that run over a column or page become one item."""
    out: list[Item] = []
    known = [item.block for item in items if item.kind == "reference"]
    open_item: Item | None = None
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


def _belongs(open_item: Item, item: Item, known: Sequence[Block], *, passed_float: bool) -> bool:
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


def _elements(items: Sequence[Item], vocabulary: Vocabulary) -> list[Element]:
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


def _text_and_places(item: Item, vocabulary: Vocabulary) -> tuple[str, tuple[Place, ...]]:
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


def _with_caption(element: Element, item: Item, vocabulary: Vocabulary) -> Element:
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
