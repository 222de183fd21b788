"""Pages of a PDF or picture as pictures and words, for showing and for checking citations."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymupdf
from pymupdf.mupdf import FzErrorBase

from ingestion.elements import BBox
from ingestion.files import check_file
from ingestion.images import render_frame
from ingestion.limits import Limits
from ingestion.opening import open_pdf
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
    with open_pdf(path, password=password, limits=limits) as doc:
        shown = _page(doc, page, path)
        area = max(1.0, shown.rect.width * shown.rect.height)
        fitting = min(float(dpi), (limits.ocr_pixels / area) ** 0.5 * 72)
        try:
            pixmap = shown.get_pixmap(matrix=pymupdf.Matrix(fitting / 72, fitting / 72), alpha=False)
        except (RuntimeError, ValueError, FzErrorBase) as exc:
            raise CorruptPdf(f"Page {page} of {path.name} cannot be drawn ({exc}).") from exc
        return pixmap.tobytes("png")


def page_words(path: Path, page: int, *, password: str | None = None) -> list[Word]:
    """Words of one page (1-based) with their boxes as shown; empty for a scanned page or a picture."""
    if check_file(path, limits=Limits()) == "picture":
        return []
    with open_pdf(path, password=password, limits=Limits()) as doc:
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
