"""A page as plain paragraphs, without the layout model: what is kept where the model fails or takes for ever.

The model takes minutes on a page with thousands of separately painted shapes (1,000 squares 40 s; version 1.28.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pymupdf

from ingestion.blocks import Block, Line, PageBlocks
from ingestion.elements import BBox
from ingestion.geometry import inside
from ingestion.script import normalise_line

_FLAGS = pymupdf.TEXT_PRESERVE_WHITESPACE | pymupdf.TEXT_PRESERVE_LIGATURES | pymupdf.TEXT_MEDIABOX_CLIP


def plain_page(page: pymupdf.Page, *, hidden: Sequence[BBox] = ()) -> PageBlocks:
    """MuPDF's own blocks of text as text blocks, in its order; no tables, figures or formulas. A few milliseconds."""
    content: Any = page.get_text("dict", flags=_FLAGS)  # Any: PyMuPDF's nested dicts
    blocks: list[Block] = []
    for block in content["blocks"]:
        lines = tuple(line for raw in block.get("lines", ()) if (line := _line(raw, hidden)) is not None)
        if lines:
            blocks.append(Block("text", tuple(float(v) for v in block["bbox"]), lines))  # pyright: ignore[reportArgumentType]
    return PageBlocks((page.number or 0) + 1, float(page.rect.width), float(page.rect.height), tuple(blocks))


def _line(raw: dict[str, Any], hidden: Sequence[BBox]) -> Line | None:
    spans = [span for span in raw["spans"] if not any(inside(span["bbox"], box) > 0.8 for box in hidden)]
    text = normalise_line("".join(span["text"] for span in spans)).strip()
    if not text:
        return None
    x0, y0, x1, y1 = raw["bbox"]
    size = max(spans, key=lambda span: len(span["text"]))["size"]
    return Line(text, (x0, y0, x1, y1), float(size))
