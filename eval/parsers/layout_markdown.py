"""pymupdf4llm's own Markdown, with its layout model and OCR, as one who calls `to_markdown` gets it."""

from __future__ import annotations

import contextlib
import io
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pymupdf
import pymupdf4llm

from eval.page_checks import tables
from eval.parsers.own import OwnParser, checked_tables
from eval.parsers.records import FIGURES, FORMULAS, TABLES, TEXT, Found, Parsed
from ingestion.elements import BBox, Element
from ingestion.geometry import x_gap, y_gap
from rag_app.errors import InputError

Box = Mapping[str, Any]  # Any: what pymupdf4llm puts into "page_boxes"

_FIGURE_LABEL = re.compile(r"[*_\s]*(?:fig(?:ure|\.)|شکل|نمودار|تصویر)[*_\s]*[\d۰-۹]", re.IGNORECASE)
_KINDS = {"picture": "figure", "table": "table", "formula": "formula"}


class LayoutMarkdown:
    """Formulas are places without LaTeX, as it writes none. own: whose layout its tables are checked in."""

    name = "pymupdf4llm"
    gives = frozenset({TEXT, TABLES, FORMULAS, FIGURES})

    def __init__(self, own: OwnParser) -> None:
        self.own = own

    def elements(self, path: Path) -> list[Element]:
        return self.own.tables(path)

    def parse(self, path: Path) -> Parsed:
        began = time.perf_counter()
        try:
            pymupdf.set_messages(stream=io.StringIO())  # it reports on each page it recognises, and prints empty lines
            with pymupdf.open(path) as document, contextlib.redirect_stdout(io.StringIO()):
                chunks = pymupdf4llm.to_markdown(document, page_chunks=True, show_progress=False)
        except (pymupdf.FileDataError, pymupdf.EmptyFileError, ValueError) as exc:
            raise InputError(f"{path} cannot be read by pymupdf4llm: {exc}.") from exc
        if isinstance(chunks, str):
            raise TypeError(f"pymupdf4llm gave text and no pages for {path.name}")
        found = [one for number, chunk in enumerate(chunks, start=1) for one in _found(chunk, number)]
        pages = tuple(chunk["text"] for chunk in chunks)
        seconds = time.perf_counter() - began
        return Parsed(pages, tuple(found), tuple(checked_tables(self.own, path, found, parser=self.name)), seconds)


def _found(chunk: Box, page: int) -> Iterator[Found]:
    boxes = chunk.get("page_boxes", ())
    captions = _captions(chunk, boxes)
    for number, box in enumerate(boxes):
        kind = _KINDS.get(box["class"])
        if kind == "table":
            cells = next(iter(tables(_text(chunk, box))), [])
            yield Found(kind, page, _bbox(box), cells=_even(cells))
        elif kind:
            yield Found(kind, page, _bbox(box), caption=captions.get(number, ""))


def _captions(chunk: Box, boxes: Sequence[Box]) -> dict[int, str]:
    """The caption of each picture, by its number: each caption goes to the picture nearest to it."""
    pictures = [number for number, box in enumerate(boxes) if box["class"] == "picture"]
    found: dict[int, str] = {}
    for box in boxes:
        text = _text(chunk, box)
        if pictures and box["class"] in ("caption", "text") and _FIGURE_LABEL.match(text):
            nearest = min(pictures, key=lambda number: _apart(_bbox(boxes[number]), _bbox(box)))
            found.setdefault(nearest, text)
    return found


def _text(chunk: Box, box: Box) -> str:
    start, end = box["pos"]
    return chunk["text"][start:end]


def _bbox(box: Box) -> BBox:
    x0, y0, x1, y1 = box["bbox"]
    return (float(x0), float(y0), float(x1), float(y1))


def _apart(a: BBox, b: BBox) -> float:
    return x_gap(a, b) + y_gap(a, b)


def _even(cells: Sequence[Sequence[str]]) -> list[list[str]]:
    width = max(map(len, cells), default=0)
    return [[*row, *[""] * (width - len(row))] for row in cells]
