"""Pictures cut from a page: PNG files named by their content."""

from __future__ import annotations

import hashlib
import math
import os
import tempfile
from pathlib import Path

import pymupdf

from ingestion.elements import BBox

CROP_DPI = 200
MAX_PIXELS = 4_000_000  # a larger crop is drawn at a lower resolution


class Cropper:
    """Cuts boxes out of one page; the page is interpreted once, at the first cut."""

    def __init__(self, page: pymupdf.Page, folder: Path) -> None:
        self._page = page
        self._folder = folder
        self._list: pymupdf.DisplayList | None = None

    def cut(self, box: BBox) -> str | None:
        """File name of the PNG of the box, "<sha256>.png" in the folder; None for a box without area."""
        rect = pymupdf.Rect(box) & self._page.rect
        if rect.is_empty or rect.width < 1 or rect.height < 1:
            return None
        if self._list is None:
            self._list = self._page.get_displaylist()
        zoom = min(CROP_DPI / 72, math.sqrt(MAX_PIXELS / (rect.width * rect.height)))
        pixmap = self._list.get_pixmap(matrix=pymupdf.Matrix(zoom, zoom), clip=rect, alpha=False)
        if pixmap.width < 1 or pixmap.height < 1:
            return None
        data = pixmap.tobytes("png")
        return save_png(data, self._folder)


def save_png(data: bytes, folder: Path) -> str:
    """Write PNG bytes under the name of their sha256, complete or not at all; returns the file name.

    The content is flushed to the disk; who needs the name to be there after a power cut flushes the folder.
    """
    name = f"{hashlib.sha256(data).hexdigest()}.png"
    target = folder / name
    if target.exists() and target.read_bytes() == data:  # a broken disk may have left something else
        return name
    folder.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".crop-", suffix=".tmp", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return name
