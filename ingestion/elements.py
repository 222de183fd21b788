"""The parsed paper: what every later stop reads, free of stores, models and LlamaIndex.

Pages are 1-based. Boxes are PDF points from the top left of the page as shown (after /Rotate and the crop box).
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["title", "heading", "text", "list_item", "table", "formula", "figure", "footnote", "reference", "code"]
KINDS: tuple[Kind, ...] = Kind.__args__  # pyright: ignore[reportAttributeAccessIssue]  # typing.Literal keeps its values there

BBox = tuple[float, float, float, float]  # x0, y0, x1, y1 in points


@dataclass(frozen=True, slots=True)
class Place:
    """One box on one page. start is the offset in the element's text where the part standing here begins."""

    page: int
    bbox: BBox
    start: int = 0


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong with part of a document, in one sentence; the rest is kept.

    stage: open, parse, ocr, hidden_text, table, figure, formula, embed. page is None when it concerns the whole file.
    """

    stage: str
    page: int | None
    message: str


@dataclass(frozen=True, slots=True)
class Element:
    """One thing on the page, in reading order.

    id            unique and stable inside the paper: "e0007", from the reading order
    order         0-based reading order over the whole paper
    kind          see KINDS; "reference" is one entry of the bibliography
    places        where it stands: one place, or several when it runs over a column or page; never empty
    section       headings above it, outermost first: ("3 Method", "3.1 Encoders")
    text          what the PDF says, for people: logical order, hyphenation mended, ligatures normalised.
                  figure: the text drawn inside it; table: its cells, row by row; formula: its text layer
    level         heading depth, 1 = top; None for other kinds
    label         "Figure 3", "Table 2", "Equation 5", "Section 3.1": canonical English word and number, for lookup
    caption       caption text including "Figure 3:", figures and tables only
    caption_place where the caption stands
    markdown      table as a GitHub Markdown table
    cells         table cells, rows of equal length; a merged cell repeats its text in each place it covers
    header_rows   how many of the first rows of cells are header
    latex         only when a source gave it (a model's goes to the description, not here)
    image         file name of the crop (PNG, 200 dpi) inside the crops folder: "<sha256>.png"
    mentions      labels this element's text refers to: ("Figure 3", "Equation 5")
    ocr           the text was read by OCR
    """

    id: str
    order: int
    kind: Kind
    places: tuple[Place, ...]
    section: tuple[str, ...] = ()
    text: str = ""
    level: int | None = None
    label: str | None = None
    caption: str | None = None
    caption_place: Place | None = None
    markdown: str | None = None
    cells: tuple[tuple[str, ...], ...] | None = None
    header_rows: int = 0
    latex: str | None = None
    image: str | None = None
    mentions: tuple[str, ...] = ()
    ocr: bool = False

    @property
    def page(self) -> int:
        return self.places[0].page

    @property
    def bbox(self) -> BBox:
        return self.places[0].bbox


@dataclass(frozen=True, slots=True)
class PageSize:
    """Width and height in points, as shown."""

    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Paper:
    """A document as parsed.

    sha256    of the file's bytes: the document's identity
    name      file name as ingested, no folder
    parser    library, version and parameters that made it: a changed parser parses again
    language  ISO 639-1 of most of its text: "en", "fa", "ar"; "und" when there is too little
    """

    sha256: str
    name: str
    title: str
    language: str
    pages: tuple[PageSize, ...]
    elements: tuple[Element, ...]
    problems: tuple[Problem, ...]
    parser: str
    metadata: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Paper:
        """Rebuild a Paper written by `to_json`; raises KeyError or TypeError on another shape."""
        raw: dict[str, Any] = json.loads(text)  # Any: checked by the constructors below
        return cls(
            **{
                **raw,
                "pages": tuple(PageSize(**p) for p in raw["pages"]),
                "elements": tuple(element_from_dict(e) for e in raw["elements"]),
                "problems": tuple(Problem(**p) for p in raw["problems"]),
            }
        )


def element_from_dict(raw: dict[str, Any]) -> Element:
    """Rebuild one Element from `dataclasses.asdict` output that went through JSON."""

    def place(p: dict[str, Any]) -> Place:
        x0, y0, x1, y1 = p["bbox"]
        return Place(page=p["page"], bbox=(x0, y0, x1, y1), start=p["start"])

    cells = raw["cells"]
    return Element(
        **{
            **raw,
            "places": tuple(place(p) for p in raw["places"]),
            "section": tuple(raw["section"]),
            "caption_place": place(raw["caption_place"]) if raw["caption_place"] else None,
            "cells": tuple(tuple(row) for row in cells) if cells is not None else None,
            "mentions": tuple(raw["mentions"]),
        }
    )
