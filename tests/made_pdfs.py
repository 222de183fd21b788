"""PDFs and damaged files, built by the tests that need them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pymupdf

WORDS = "vision language model encoder image patch token layer attention score loss training figure table".split()


def prose(seed: int, words: int = 90) -> str:
    """Sentences without meaning that look like text to a layout model."""
    pick = random.Random(seed)
    sentences = []
    while words > 0:
        n = pick.randint(8, 14)
        words -= n
        sentences.append(" ".join(pick.choice(WORDS) for _ in range(n)).capitalize() + ".")
    return " ".join(sentences)


def add_page(doc: pymupdf.Document, seed: int) -> pymupdf.Page:
    """A page with a heading and three paragraphs."""
    page = doc.new_page(width=595, height=842)
    page.insert_text((72, 90), f"{seed} Section number {seed}", fontsize=14, fontname="hebo")
    for i in range(3):
        box = pymupdf.Rect(72, 110 + i * 150, 523, 250 + i * 150)
        assert page.insert_textbox(box, prose(seed * 10 + i), fontsize=10) > 0
    return page


def document(pages: int) -> pymupdf.Document:
    doc = pymupdf.open()
    for i in range(pages):
        add_page(doc, i + 1)
    return doc


def save(doc: pymupdf.Document, path: Path, **options: object) -> Path:
    doc.save(path, **options)  # pyright: ignore[reportArgumentType]
    doc.close()
    return path


def content_first(doc: pymupdf.Document) -> bytes:
    """The bytes of the document with its catalogue and page tree before the pages' content, as a web-ready file has.

    Cut in the middle such a file opens with all its pages, the later ones empty.
    """
    stream_xrefs = [x for x in range(1, doc.xref_length()) if doc.xref_is_stream(x)]
    other_xrefs = [x for x in range(1, doc.xref_length()) if not doc.xref_is_stream(x)]
    trailer = f"<< /Size {doc.xref_length()} /Root {doc.pdf_catalog()} 0 R >>"
    out = bytearray(b"%PDF-1.7\n")
    offsets: dict[int, int] = {}
    for xref in [*other_xrefs, *stream_xrefs]:
        offsets[xref] = len(out)
        out += f"{xref} 0 obj\n".encode()
        if xref in stream_xrefs:
            data = doc.xref_stream(xref) or b""
            out += f"<< /Length {len(data)} >>\nstream\n".encode() + data + b"\nendstream"
        else:
            out += doc.xref_object(xref, compressed=True).encode("latin-1", "replace")
        out += b"\nendobj\n"
    start = len(out)
    out += f"xref\n0 {doc.xref_length()}\n0000000000 65535 f \n".encode()
    for xref in range(1, doc.xref_length()):
        out += f"{offsets[xref]:010} 00000 n \n".encode()
    out += f"trailer\n{trailer}\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(out)


def flipped(data: bytes, count: int, *, seed: int = 1) -> bytes:
    """The data with `count` random bytes changed."""
    pick = random.Random(seed)
    out = bytearray(data)
    for _ in range(count):
        out[pick.randrange(20, len(out))] = pick.randrange(256)
    return bytes(out)


def as_scan(doc: pymupdf.Document, pages: Sequence[int] | None = None, *, dpi: int = 200) -> pymupdf.Document:
    """The document with these pages (0-based; all when None) replaced by pictures of themselves."""
    out = pymupdf.open()
    for page in doc:
        if pages is not None and page.number not in pages:
            out.insert_pdf(doc, from_page=page.number, to_page=page.number)
            continue
        copy = out.new_page(width=page.rect.width, height=page.rect.height)
        copy.insert_image(copy.rect, pixmap=page.get_pixmap(dpi=dpi))
    return out
