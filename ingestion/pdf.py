"""Pages of a PDF or picture as pictures and words, for showing and for checking citations."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymupdf
from PIL import Image
from pymupdf.mupdf import FzErrorBase

from ingestion.elements import BBox
from ingestion.files import check_file
from ingestion.images import render_frame
from ingestion.limits import Limits
from ingestion.opening import ONE_AT_A_TIME, open_pdf
from rag_app.errors import CorruptPdf, InputError


@dataclass(frozen=True, slots=True)
class Word:
    """One word as the PDF draws it, in the order and with the characters of its text layer."""

    text: str
    bbox: BBox


def render_page(path: Path, page: int, *, dpi: int = 110, password: str | None = None) -> bytes:
    """PNG of one page (1-based) as shown; dpi drops where the picture would have over 30 million pixels.

    Raises:
        InputError: the file cannot be opened, or has no such page.
    """
    limits = Limits()
    if check_file(path, limits=limits) == "picture":
        return render_frame(path, page, dpi=dpi, limits=limits)
    with ONE_AT_A_TIME, open_pdf(path, password=password, limits=limits) as doc:
        shown = _page(doc, page, path)
        area = max(1.0, shown.rect.width * shown.rect.height)
        fitting = min(float(dpi), (limits.ocr_pixels / area) ** 0.5 * 72)
        try:
            pixmap = shown.get_pixmap(matrix=pymupdf.Matrix(fitting / 72, fitting / 72), alpha=False)
        except (RuntimeError, ValueError, FzErrorBase) as exc:
            raise CorruptPdf(f"Page {page} of {path.name} cannot be drawn ({exc}).") from exc
        return pixmap.tobytes("png")


def render_region(
    path: Path, page: int, bbox: BBox, *, dpi: int = 150, margin: float = 6.0, password: str | None = None
) -> bytes:
    """PNG of one box of a page (1-based) as shown, with `margin` points around it, kept on the page.

    bbox in points from the top left; dpi drops where the picture would have over 30 million pixels.

    Raises:
        InputError: the file cannot be opened, has no such page, or the box is not on it.
    """
    limits = Limits()
    if check_file(path, limits=limits) == "picture":
        return _picture_region(render_frame(path, page, dpi=72, limits=limits), bbox, margin, path)
    with ONE_AT_A_TIME, open_pdf(path, password=password, limits=limits) as doc:
        shown = _page(doc, page, path)
        left, top, right, bottom = bbox
        box = pymupdf.Rect(left - margin, top - margin, right + margin, bottom + margin)
        box &= pymupdf.Rect(0, 0, shown.rect.width, shown.rect.height)
        if box.is_empty or box.width < 1 or box.height < 1:
            raise InputError(f"The box {bbox} is not on page {page} of {path.name}.")
        zoom = min(dpi / 72, (limits.ocr_pixels / (box.width * box.height)) ** 0.5)
        try:
            pixmap = shown.get_pixmap(matrix=pymupdf.Matrix(zoom, zoom), clip=box, alpha=False)
        except (RuntimeError, ValueError, FzErrorBase) as exc:
            raise CorruptPdf(f"Page {page} of {path.name} cannot be drawn ({exc}).") from exc
        return pixmap.tobytes("png")


def _picture_region(png: bytes, bbox: BBox, margin: float, path: Path) -> bytes:
    """The box cut out of a picture, whose points are its pixels."""
    with Image.open(io.BytesIO(png)) as image:
        left, top = max(0, int(bbox[0] - margin)), max(0, int(bbox[1] - margin))
        right, bottom = min(image.width, int(bbox[2] + margin)), min(image.height, int(bbox[3] + margin))
        if right <= left or bottom <= top:
            raise InputError(f"The box {bbox} is not on {path.name}.")
        cut = io.BytesIO()
        image.crop((left, top, right, bottom)).save(cut, "PNG")
    return cut.getvalue()


def page_words(path: Path, page: int, *, password: str | None = None) -> list[Word]:
    """Words of one page (1-based) with their boxes as shown; empty for a scanned page or a picture."""
    if check_file(path, limits=Limits()) == "picture":
        return []
    with ONE_AT_A_TIME, open_pdf(path, password=password, limits=Limits()) as doc:
        shown = _page(doc, page, path)
        turn = shown.rotation_matrix
        found: Any = shown.get_text("words")  # Any: list of (x0, y0, x1, y1, text, block, line, word)
        return [Word(w[4], _shown(w, turn)) for w in found]


def _shown(word: Any, turn: pymupdf.Matrix) -> BBox:
    box = pymupdf.Rect(word[:4]) * turn
    return (box.x0, box.y0, box.x1, box.y1)


def _page(doc: pymupdf.Document, page: int, path: Path) -> pymupdf.Page:
    if not 1 <= page <= doc.page_count:
        raise InputError(f"{path.name} has pages 1 to {doc.page_count}, not {page}.")
    try:
        return doc.load_page(page - 1)
    except (RuntimeError, ValueError, FzErrorBase) as exc:
        raise CorruptPdf(f"Page {page} of {path.name} is damaged ({exc}).") from exc
