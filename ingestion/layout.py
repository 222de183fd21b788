"""An open PDF page to typed blocks in reading order: the leaf that knows PyMuPDF's layout model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pymupdf
import pymupdf.layout  # pyright: ignore[reportMissingImports]  # switches page.get_layout() on

from ingestion.blocks import Block, PageBlocks
from ingestion.compose import compose
from ingestion.crops import Cropper
from ingestion.drafts import Painted, Region
from ingestion.elements import BBox
from ingestion.glyphs import codes_by_place, has_unknown, read_runs
from ingestion.merged_rows import Rule
from ingestion.tables import Grid

_TEXT_FLAGS = pymupdf.TEXT_PRESERVE_WHITESPACE | pymupdf.TEXT_PRESERVE_LIGATURES | pymupdf.TEXT_MEDIABOX_CLIP


def parse_page(page: pymupdf.Page, *, crops: Path, hidden: Sequence[BBox] = (), ocr: bool = False) -> PageBlocks:
    """The page as blocks in reading order; crops of figures, tables and formulas are written to the `crops` folder.

    hidden: boxes of spans to leave out (white, covered or off-page text). ocr: the text layer was made by OCR.
    About 0.35 CPU seconds for a page of a paper, most of it in the layout model.
    """
    page_box: BBox = (0.0, 0.0, float(page.rect.width), float(page.rect.height))
    raw: Any = page.get_text("rawdict", flags=_TEXT_FLAGS)  # Any: PyMuPDF's nested dicts
    codes = None
    if has_unknown(raw):
        coded: Any = page.get_text("rawdict", flags=_TEXT_FLAGS | pymupdf.TEXT_CID_FOR_UNKNOWN_UNICODE)  # Any: as above
        codes = codes_by_place(coded)
    runs = read_runs(raw, hidden=hidden, codes=codes)
    painted = _painted(page, page_box)
    blocks, rtl = compose(_regions(page), runs, painted, page_box, cut=Cropper(page, crops).cut)
    return PageBlocks(
        number=(page.number or 0) + 1,
        width=page_box[2],
        height=page_box[3],
        blocks=tuple(blocks),
        rtl=rtl,
        ocr=ocr,
    )


def _regions(page: pymupdf.Page) -> list[Region]:
    """Boxes of the layout model with their class, the text lines it put in each, and the grids of tables."""
    page.get_layout(return_raw=True)
    regions: list[Region] = []
    for group in page.layout_information or ():
        x0, y0, x1, y1 = (float(v) for v in group["group_bbox"][:4])
        if x1 - x0 <= 2 or y1 - y0 <= 2:
            continue
        grid = group.get("table_grid")
        regions.append(
            Region(
                kind=group["class_name"],
                bbox=(x0, y0, x1, y1),
                parts=tuple((float(b[0]), float(b[1]), float(b[2]), float(b[3])) for b in group.get("bboxes", ())),
                grid=Grid(
                    tuple(sorted(y0 + float(h) for h in grid.h_lines)),
                    tuple(sorted(x0 + float(v) for v in grid.v_lines)),
                )
                if grid is not None
                else None,
            )
        )
    return regions


def _painted(page: pymupdf.Page, page_box: BBox) -> Painted:
    """Rules, images and other ink of the page, from MuPDF's log of painted boxes (cheap: no path is decoded)."""
    rules: list[Rule] = []
    images: list[BBox] = []
    ink: list[BBox] = []
    for kind, box in page.get_bboxlog():
        x0, y0, x1, y1 = box
        if kind == "fill-image":
            images.append((x0, y0, x1, y1))
            ink.append((x0, y0, x1, y1))
        elif kind in ("fill-path", "stroke-path", "fill-shade"):
            if y1 - y0 <= 1.8 and x1 - x0 >= 3:
                rules.append(Rule((y0 + y1) / 2, x0, x1))
            ink.append((x0, y0, x1, y1))
    return Painted(tuple(rules), tuple(images), tuple(ink))


__all__ = ["Block", "PageBlocks", "parse_page"]
