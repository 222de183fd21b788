"""Reads scanned pages and pictures with Tesseract, which MuPDF has built in; only its language files must be installed.

A page is read as English first. Where that gives hardly an English word it is read again in all languages at once, and
the second reading counts when it is mostly in another script: read so at first, English pages get Persian digits in
their footnote marks, while a Persian page read as Persian alone loses its English words.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import pymupdf

from ingestion.limits import Limits

DPI = 300  # 150 loses 4 % of the precision, and more on small print; the time hardly differs
_WANTED = (("eng",), ("fas", "ara"))  # of each group the first that is installed
INSTALL = (
    "install Tesseract's language files (Debian: apt install tesseract-ocr tesseract-ocr-fas; macOS: brew install \
tesseract tesseract-lang), or set TESSDATA_PREFIX to the folder that has them"
)
_FOLDERS = (
    "/usr/share/tesseract-ocr/*/tessdata",
    "/usr/share/tesseract-ocr/tessdata",
    "/usr/share/tessdata",
    "/usr/share/tesseract/tessdata",
    "/usr/local/share/tessdata",
    "/opt/homebrew/share/tessdata",
    "/opt/local/share/tessdata",
)
_COMMON = frozenset("the of and in to is for that with are as we by on this from be it at or".split())
_FEW_CHARACTERS = 20
_MANY_OUTLINES = 300  # painted shapes on a page without text: letters turned into outlines


@dataclass(frozen=True, slots=True)
class OcrStatus:
    """Whether scanned pages can be read here.

    tessdata   folder with the language files, or None
    languages  those that will be used: ("eng", "fas")
    message    one sentence for `rag-app doctor`, with the next step when something is missing
    """

    tessdata: Path | None
    languages: tuple[str, ...]
    message: str

    @property
    def ready(self) -> bool:
        return bool(self.languages)


def available() -> OcrStatus:
    """Look for Tesseract's language files: TESSDATA_PREFIX first, then the usual folders."""
    for folder in _tessdata_folders():
        installed = {file.stem for file in folder.glob("*.traineddata")}
        chosen = tuple(next((code for code in group if code in installed), "") for group in _WANTED)
        languages = tuple(code for code in chosen if code)
        if languages:
            lacking = "" if len(languages) == len(_WANTED) else f"; for other scripts {INSTALL}"
            return OcrStatus(folder, languages, f"Scanned pages are read in {' and '.join(languages)}{lacking}.")
    return OcrStatus(None, (), f"Scanned pages cannot be read: {INSTALL}.")


def needs_ocr(page: pymupdf.Page) -> bool:
    """The page is a scan, its letters are outlines, or its text layer is not text: 1 to 5 ms."""
    # Any: PyMuPDF gives a str for "text"
    text = "".join(str(page.get_text("text")).split())
    if len(text) >= _FEW_CHARACTERS:
        return _is_garbage(text)
    page_area = max(1.0, page.rect.width * page.rect.height)
    covered, outlines = 0.0, 0
    for kind, box in page.get_bboxlog():
        if kind.startswith("fill-image"):
            shown = pymupdf.Rect(box) & page.rect
            covered += max(0.0, shown.width) * max(0.0, shown.height)
        elif kind == "fill-path":
            outlines += 1
    return covered > 0.5 * page_area or outlines >= _MANY_OUTLINES


def ocr_page(page: pymupdf.Page, status: OcrStatus, *, limits: Limits) -> pymupdf.Document:
    """A one-page PDF that looks like the page (same size in points) and has a text layer.

    2 to 5 CPU seconds for a page of English print, 4 to 10 for one in another script.
    """
    zoom = min(DPI / 72, (limits.ocr_pixels / max(1.0, page.rect.width * page.rect.height)) ** 0.5)
    # In colour: of a grey pixmap MuPDF 1.28 reads nothing, without a word.
    pixmap = page.get_pixmap(matrix=pymupdf.Matrix(zoom, zoom), colorspace=pymupdf.csRGB, alpha=False)
    resolution = round(72 * zoom)
    pixmap.set_dpi(resolution, resolution)
    return _read(pixmap, status)


def ocr_text(pixmap: pymupdf.Pixmap, status: OcrStatus) -> str:
    """The text in an RGB picture, line by line; empty when there is none."""
    with _read(pixmap, status) as doc:
        lines = (" ".join(line.split()) for line in _text_of(doc).splitlines())
        return "\n".join(line for line in lines if line)


def _read(pixmap: pymupdf.Pixmap, status: OcrStatus) -> pymupdf.Document:
    """A one-page PDF of the picture and the text in it."""
    first = _recognised(pixmap, status.languages[:1], status)
    if status.languages[0] != "eng" or len(status.languages) == 1 or _is_english(_text_of(first)):
        return first
    second = _recognised(pixmap, status.languages, status)
    letters = [c for c in _text_of(second) if c.isalpha()]
    other = sum("\u0600" <= c <= "\u06ff" or "\ufb50" <= c <= "\ufeff" for c in letters)
    return second if other > 0.3 * len(letters) else first


def _recognised(pixmap: pymupdf.Pixmap, languages: tuple[str, ...], status: OcrStatus) -> pymupdf.Document:
    return pymupdf.open("pdf", pixmap.pdfocr_tobytes(language="+".join(languages), tessdata=str(status.tessdata)))


def _text_of(doc: pymupdf.Document) -> str:
    return str(doc[0].get_text("text", sort=True))


def _is_english(text: str) -> bool:
    """One word in twelve is one of the commonest; in print it is one in four."""
    words = re.findall("[a-z]+", text.lower())
    return bool(words) and sum(word in _COMMON for word in words) >= len(words) / 12


def _tessdata_folders() -> list[Path]:
    named = os.environ.get("TESSDATA_PREFIX")
    if named:
        return [Path(named), Path(named, "tessdata")]  # it alone counts, as for Tesseract itself
    found = [folder for pattern in _FOLDERS for folder in sorted(Path("/").glob(pattern.lstrip("/")), reverse=True)]
    if sys.platform == "win32":
        found += [
            Path(os.environ[key], "Tesseract-OCR", "tessdata")
            for key in ("ProgramFiles", "LOCALAPPDATA")
            if key in os.environ
        ]
    return found


def _is_garbage(text: str) -> bool:
    """Three in ten characters are replacement, private-use or control characters: the font does not say its letters."""
    bad = sum(c == "\ufffd" or "\ue000" <= c <= "\uf8ff" or ord(c) < 32 for c in text)
    return bad > 0.3 * len(text)
