"""Opens a PDF, or says in one sentence why not and what to do next.

Nothing in a PDF is run: MuPDF is used without its JavaScript, and launch actions and attachments are never followed.
"""

from __future__ import annotations

import threading
from pathlib import Path

import pymupdf
from pymupdf.mupdf import FzErrorBase

from ingestion.limits import Limits
from rag_app.errors import CorruptPdf, EncryptedPdf, TooLarge

ONE_AT_A_TIME = threading.RLock()  # MuPDF is not made for several threads: hold it from opening to the last use


def open_pdf(path: Path, *, password: str | None, limits: Limits) -> pymupdf.Document:
    """The opened document, with at least one page; `is_repaired` says that MuPDF had to mend it.

    Raises:
        EncryptedPdf: it needs a password, or the given one is wrong. An owner's password is not needed to read.
        CorruptPdf: no page of it can be found.
        TooLarge: more than `limits.pages` pages.
    """
    name = path.name
    try:
        doc = pymupdf.open(path, filetype="pdf")
        locked = bool(doc.needs_pass)
        if locked:
            if not password:
                raise EncryptedPdf(f"{name} needs a password: give it with --password-file.")
            if not doc.authenticate(password):
                raise EncryptedPdf(f"The password given does not open {name}: check it and try again.")
        count = doc.page_count
    except (RuntimeError, ValueError, IndexError, TypeError, FzErrorBase) as exc:
        raise CorruptPdf(f"{name} is damaged beyond repair: download or copy it again.") from exc
    if count == 0:
        lost = "damaged and no page of it is left" if doc.is_repaired else "a PDF without pages"
        raise CorruptPdf(f"{name} is {lost}: download or make it again.")
    if count > limits.pages:
        raise TooLarge(f"{name} has {count} pages, the limit is {limits.pages}: split the file.")
    return doc
