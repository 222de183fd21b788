"""The text layer as PyMuPDF gives it: the least a parser can do."""

from __future__ import annotations

import time
from pathlib import Path

import pymupdf

from eval.parsers.records import TEXT, Parsed
from ingestion.elements import Element
from rag_app.errors import InputError


class PlainText:
    """`page.get_text()` in PyMuPDF's own order; it tells no tables, formulas or figures apart."""

    name = "pymupdf"
    gives = frozenset({TEXT})

    def elements(self, path: Path) -> list[Element]:
        return []

    def parse(self, path: Path) -> Parsed:
        began = time.perf_counter()
        try:
            with pymupdf.open(path) as document:
                pages = tuple(str(page.get_text()) for page in document)
        except (pymupdf.FileDataError, pymupdf.EmptyFileError, ValueError) as exc:
            raise InputError(f"{path} cannot be read by PyMuPDF: {exc}.") from exc
        return Parsed(pages, seconds=time.perf_counter() - began)
