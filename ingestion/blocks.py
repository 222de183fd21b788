"""What parsing one page gives: typed blocks in reading order, JSON-able, before they are joined to a Paper.

Boxes are PDF points from the top left of the page as shown. A block keeps its lines apart: only the whole document
tells whether a hyphen at a line end belongs to the word (`ingestion.assembly`).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from ingestion.elements import BBox, Problem

BlockKind = Literal[
    "title",
    "heading",
    "text",
    "list_item",
    "caption",
    "footnote",
    "code",
    "table",
    "figure",
    "formula",
    "header",
    "footer",
    "margin",
]


@dataclass(frozen=True, slots=True)
class Line:
    """One visual line of text in logical order.

    text    superscripts and subscripts are marked: "88.85^7", "d_k"
    size    dominant font size in points
    bold    most of its characters are bold
    """

    text: str
    bbox: BBox
    size: float
    bold: bool = False
    italic: bool = False
    mono: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """One thing on a page.

    kind          header, footer and margin (stamps and watermarks beside the text) are page furniture
    lines         its text, top to bottom; a table's and a figure's text too
    label         "Figure 3", "Table 2", "Equation 5"
    caption       with its number: "Figure 3: ..."; figures and tables only
    cells         table cells, rows of equal length, merged cells repeated
    image         file name of the crop in the crops folder
    """

    kind: BlockKind
    bbox: BBox
    lines: tuple[Line, ...] = ()
    label: str | None = None
    caption: tuple[Line, ...] = ()
    caption_bbox: BBox | None = None
    cells: tuple[tuple[str, ...], ...] | None = None
    header_rows: int = 0
    image: str | None = None

    @property
    def size(self) -> float:
        """Font size of most of its characters; 0 without text."""
        return dominant_size(self.lines)

    @property
    def text(self) -> str:
        """Its lines joined by newlines, hyphens as they stand."""
        return "\n".join(line.text for line in self.lines)


@dataclass(frozen=True, slots=True)
class PageBlocks:
    """One parsed page: blocks in reading order.

    number    1-based
    rtl       most of its letters run right to left
    ocr       the text layer was made by OCR
    """

    number: int
    width: float
    height: float
    blocks: tuple[Block, ...]
    problems: tuple[Problem, ...] = ()
    rtl: bool = False
    ocr: bool = False

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> PageBlocks:
        """Rebuild from `to_dict` output, also after JSON; raises KeyError or TypeError on another shape."""
        return cls(
            **{
                **raw,
                "blocks": tuple(_block(b) for b in raw["blocks"]),
                "problems": tuple(Problem(**p) for p in raw["problems"]),
            }
        )


def dominant_size(lines: tuple[Line, ...]) -> float:
    """Font size, to half a point, of most characters of the lines; 0 without text."""
    weight: dict[float, int] = {}
    for line in lines:
        size = round(line.size * 2) / 2
        weight[size] = weight.get(size, 0) + len(line.text)
    return max(weight, key=lambda s: weight[s]) if weight else 0.0


def _box(raw: Any) -> BBox:
    x0, y0, x1, y1 = raw
    return (x0, y0, x1, y1)


def _lines(raw: Any) -> tuple[Line, ...]:
    return tuple(Line(**{**line, "bbox": _box(line["bbox"])}) for line in raw)


def _block(raw: dict[str, Any]) -> Block:
    cells = raw["cells"]
    return Block(
        **{
            **raw,
            "bbox": _box(raw["bbox"]),
            "lines": _lines(raw["lines"]),
            "caption": _lines(raw["caption"]),
            "caption_bbox": _box(raw["caption_bbox"]) if raw["caption_bbox"] else None,
            "cells": tuple(tuple(row) for row in cells) if cells is not None else None,
        }
    )
