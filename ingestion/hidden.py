"""Finds text that a reader of the page does not see, so that it stays out of the index.

White on white, covered, transparent, tiny, off the page, or drawn in the invisible mode without a scan behind it: the
ways in which words for machines are put into papers. What could be visible is checked on a small rendering of the
page, so white letters in a dark table header stay.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymupdf
from pymupdf.mupdf import FZ_STEXT_CLIPPED, FZ_STEXT_FILLED, FZ_STEXT_STROKED

from ingestion.elements import BBox
from ingestion.geometry import area, overlap

_TINY_PT = 1.0  # below it no letter can be told from another in print
_PALE = 0.85  # luminance from which a letter may be lost on paper
_TRANSPARENT = 5  # of 255: opacity up to which nothing is seen
_CONTRAST = 12  # of 255: the least difference between the lightest and darkest part of a letter's surroundings
_RENDER_DPI = 100
_BLOCK = 1000
_FLAGS = pymupdf.TEXT_PRESERVE_WHITESPACE | pymupdf.TEXT_PRESERVE_LIGATURES
_DRAWN = FZ_STEXT_FILLED | FZ_STEXT_STROKED | FZ_STEXT_CLIPPED  # clipped: a picture shows through the letters


@dataclass(frozen=True, slots=True)
class HiddenText:
    """What of a page's text is not for its readers.

    boxes       of the spans to leave out, as `get_text` gives them
    characters  how many they hold, blanks not counted
    ocr_layer   most of the other text is an invisible layer over a picture: somebody's OCR
    """

    boxes: tuple[BBox, ...] = ()
    characters: int = 0
    ocr_layer: bool = False


def find_hidden_text(page: pymupdf.Page) -> HiddenText:
    """The hidden spans of an unrotated page; 3 to 8 ms, some 20 more when it has to look at the rendered page."""
    page_box: BBox = (0.0, 0.0, float(page.rect.width), float(page.rect.height))
    images: list[BBox] = []
    patches: list[BBox] = []
    for kind, box in page.get_bboxlog():
        if kind.startswith("fill-image"):
            images.append(box)
        if kind in {"fill-path", "fill-image", "fill-shade"} and min(box[2] - box[0], box[3] - box[1]) > 4:
            patches.append(box)
    hidden: list[tuple[BBox, int]] = []
    drawn_spans: list[tuple[BBox, int, bool]] = []
    layered = 0
    for span in _spans(page):
        box, letters = span["bbox"], sum(unicodedata.category(c)[0] not in "CZ" for c in span["text"])
        if not letters:
            continue
        if _surely_hidden(span, page_box, images):
            hidden.append((box, letters))
            continue
        if not span["char_flags"] & _DRAWN:
            layered += letters
            continue
        drawn_spans.append((box, letters, _pale(span["color"])))
    under = _under_a_patch([box for box, _, _ in drawn_spans], patches)
    doubtful = [(box, n) for (box, n, pale), covered in zip(drawn_spans, under, strict=True) if pale or covered]
    if doubtful:
        hidden += _not_seen(page, doubtful)
    return HiddenText(
        boxes=tuple(box for box, _ in hidden),
        characters=sum(letters for _, letters in hidden),
        ocr_layer=layered > sum(letters for _, letters, _ in drawn_spans),
    )


def _spans(page: pymupdf.Page) -> Iterator[dict[str, Any]]:  # Any: PyMuPDF's span, see get_text("dict")
    content: Any = page.get_text("dict", flags=_FLAGS, clip=pymupdf.INFINITE_RECT())
    for block in content["blocks"]:
        for line in block.get("lines", ()):
            # A glyph without width is an accent or a piece of a drawn sign: nobody hides words in it.
            yield from (span for span in line["spans"] if span["bbox"][2] - span["bbox"][0] > 0.3)


def _surely_hidden(span: dict[str, Any], page_box: BBox, images: list[BBox]) -> bool:
    box: BBox = span["bbox"]
    drawn = span["char_flags"] & _DRAWN
    if not drawn and any(overlap(box, image) >= 0.5 * area(box) for image in images):
        return False  # the text layer of a scan
    if overlap(box, page_box) <= 0.1 * area(box) or span["size"] < _TINY_PT:
        return True
    return not drawn or span["alpha"] <= _TRANSPARENT


def _pale(color: int) -> bool:
    red, green, blue = color >> 16 & 255, color >> 8 & 255, color & 255
    return (0.299 * red + 0.587 * green + 0.114 * blue) / 255 >= _PALE


def _under_a_patch(boxes: list[BBox], patches: list[BBox]) -> list[bool]:
    """For each box whether its centre lies in a patch; a plot may have 10,000 patches, so in blocks of arrays."""
    if not boxes or not patches:
        return [False] * len(boxes)
    spans = np.asarray(boxes)
    x, y = (spans[:, 0] + spans[:, 2]) / 2, (spans[:, 1] + spans[:, 3]) / 2
    found = np.zeros(len(boxes), dtype=bool)
    for start in range(0, len(patches), _BLOCK):
        x0, y0, x1, y1 = np.asarray(patches[start : start + _BLOCK]).T[:, :, None]
        found |= ((x0 <= x) & (x <= x1) & (y0 <= y) & (y <= y1)).any(axis=0)
    return found.tolist()


def _not_seen(page: pymupdf.Page, spans: list[tuple[BBox, int]]) -> list[tuple[BBox, int]]:
    """Those of the spans in whose box the rendered page is of one colour."""
    zoom = min(_RENDER_DPI / 72, 4000 / max(page.rect.width, page.rect.height))
    pixmap = page.get_pixmap(matrix=pymupdf.Matrix(zoom, zoom), alpha=False)
    pixels = np.frombuffer(pixmap.samples_mv, dtype=np.uint8).reshape(pixmap.height, pixmap.stride)
    pixels = pixels[:, : pixmap.width * pixmap.n].reshape(pixmap.height, pixmap.width, pixmap.n)
    unseen: list[tuple[BBox, int]] = []
    for box, letters in spans:
        inset = 0.15 * (box[3] - box[1])  # the box is higher than its letters: keep rules above and below out
        x0, x1 = sorted((int(box[0] * zoom), int(box[2] * zoom) + 1))
        y0, y1 = int((box[1] + inset) * zoom), int((box[3] - inset) * zoom) + 1
        seen = pixels[max(0, y0) : y1, max(0, x0) : x1].reshape(-1, pixmap.n)
        if seen.size and int((seen.max(axis=0) - seen.min(axis=0)).max()) < _CONTRAST:
            unseen.append((box, letters))
    return unseen
