"""What a perfect reader would get out of a sample paper: from the PDF's own records, with places from typst's marks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from source.blocks import Document, Figure, Formula, Heading, Items, Numbers, Para, Table, cell_matrix, numbers_of
from source.inline import Inline
from source.typeset import Mark, block_id, heading_text, label_of

Json = dict[str, Any]  # Any: written out as JSON at once
VERSION = 1
A4_POINTS = {"width": 595.28, "height": 841.89}  # what template.typ sets
BODY_POINTS = [65.2, 779.5]  # from and to, down the page: headers stand above, footers below


@dataclass(frozen=True)
class Places:
    """Marks by id."""

    marks: dict[tuple[str, str], Mark]

    def start(self, id: str) -> Mark:
        return self.marks[id, "start"]

    def pages(self, id: str) -> list[int]:
        first = self.start(id).page
        return list(range(first, self.marks.get((id, "end"), self.start(id)).page + 1))

    def box(self, id: str) -> list[float]:
        a, b = self.marks[id, "start"], self.marks[id, "end"]
        if a.page != b.page or b.x <= a.x or b.y <= a.y:
            raise ValueError(f"{id} has no box on one page: {a}, {b}")
        return [round(v, 2) for v in (a.x, a.y, b.x, b.y)]


def truth_of(document: Document, marks: tuple[Mark, ...]) -> Json:
    """The truth as one JSON document; its fields are described in data/README.md."""
    numbers = numbers_of(document)
    inline = Inline(document, numbers)
    places = Places({(m.id, m.at): m for m in marks})
    pages = max(m.page for m in marks)
    reading, sections = _reading_order(document, numbers, inline, places)
    return {
        "version": VERSION,
        "document": f"{document.name}.pdf",
        "language": document.language,
        "title": document.title,
        "authors": document.authors,
        "pages": [A4_POINTS] * pages,
        "furniture": {
            "headers": [document.header_odd, document.header_even],
            "footers": [document.footer],
            "body": BODY_POINTS,
            "page_numbers": [document.words.number(n) for n in range(1, pages + 1)],
        },
        "reading_order": reading,
        "sections": sections,
        "tables": [_table(b, document, numbers, inline, places) for b in document.blocks if isinstance(b, Table)],
        "figures": [_figure(b, document, numbers, inline, places) for b in document.blocks if isinstance(b, Figure)],
        "formulas": [_formula(i, b, numbers, places) for i, b in enumerate(document.blocks) if isinstance(b, Formula)],
        "footnotes": [
            {"number": numbers.footnote[key], "text": inline.plain(text), "page": places.start(f"note:{key}").page}
            for key, text in document.footnotes.items()
        ],
        "references": [
            {"number": numbers.reference[key], "text": inline.plain(text), "page": places.start(f"ref:{key}").page}
            for key, text in document.references.items()
        ],
    }


def _reading_order(
    document: Document, numbers: Numbers, inline: Inline, places: Places
) -> tuple[list[Json], list[Json]]:
    """Running text in order, and the section tree. Floats and footnotes stand outside the order."""
    out: list[Json] = []
    sections: list[Json] = []
    path: list[str] = []

    def add(mark: str, kind: str, text: str) -> None:
        start = places.start(mark)
        out.append(
            {
                "id": mark,
                "kind": kind,
                "text": text,
                "pages": places.pages(mark),
                "at": [round(start.x, 2), round(start.y, 2)],
                "section": list(path),
            }
        )

    def heading(mark: str, number: str, title: str, level: int) -> None:
        text = f"{number} {title}" if number else title
        path[level - 1 :] = [text]
        add(mark, "heading", text)
        page = places.start(mark).page
        sections.append({"number": number or None, "title": title, "level": level, "page": page, "path": list(path)})

    add("title", "title", document.title)
    add("authors", "text", document.authors)
    add("affiliation", "text", document.affiliation)
    heading("abstract-title", "", document.words.abstract, 1)
    add("abstract", "text", inline.plain(document.abstract))
    add("keywords", "text", inline.plain(document.keywords))
    for index, block in enumerate(document.blocks):
        mark = block_id(index, block)
        if isinstance(block, Heading):
            assert heading_text(block, document, numbers).endswith(block.title)
            heading(mark, document.words.number(numbers.heading[block.id]), block.title, block.level)
        elif isinstance(block, Para):
            add(mark, "text", inline.plain(block.text))
        elif isinstance(block, Items):
            for i, text in enumerate(block.texts):
                add(f"{mark}:{i}", "list_item", inline.plain(text))
        elif isinstance(block, Formula):
            add(mark, "formula", f"({document.words.number(numbers.formula[block.id])})")
    heading("references", "", document.words.references, 1)
    for key, text in document.references.items():
        add(f"ref:{key}", "reference", inline.plain(text))
    return out, sections


def _table(block: Table, document: Document, numbers: Numbers, inline: Inline, places: Places) -> Json:
    mark = f"table:{block.id}"
    label = label_of(block, document, numbers)
    return {
        "label": f"Table {numbers.table[block.id]}",
        "printed_label": label,
        "caption": f"{label}: {inline.plain(block.caption)}",
        "page": places.start(mark).page,
        "bbox": places.box(mark),
        "caption_bbox": places.box(f"{mark}:caption"),
        "cells": [[inline.plain(cell) for cell in row] for row in cell_matrix(block)],
        "header_rows": block.header_rows,
    }


def _figure(block: Figure, document: Document, numbers: Numbers, inline: Inline, places: Places) -> Json:
    mark = f"figure:{block.id}"
    label = label_of(block, document, numbers)
    return {
        "label": f"Figure {numbers.figure[block.id]}",
        "printed_label": label,
        "caption": f"{label}: {inline.plain(block.caption)}",
        "kind": block.kind,
        "panels": block.panels,
        "page": places.start(mark).page,
        "bbox": places.box(mark),
        "caption_bbox": places.box(f"{mark}:caption"),
    }


def _formula(index: int, block: Formula, numbers: Numbers, places: Places) -> Json:
    mark = block_id(index, block)
    return {
        "label": f"Equation {numbers.formula[block.id]}",
        "number": numbers.formula[block.id],
        "latex": block.latex,
        "page": places.start(mark).page,
        "bbox": places.box(mark),
        "line_bbox": places.box(f"{mark}:line"),
    }
