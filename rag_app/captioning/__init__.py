"""Captions of pictures in English and Persian, by several models side by side.

    from rag_app.captioning import caption, read_captions
    report = caption(["photos/"], ["gemma3:4b"], languages=("en", "fa"), out=Path("captions.jsonl"))
    for row in read_captions(Path("captions.jsonl")):
        if row.ok:
            print(row.image, row.language, row.short)

A part of its own: it knows language models and pictures, and nothing of papers or libraries. docs/captions.md has the
format of a row and the checks. Names are resolved at first use, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rag_app.captioning.captioner import CaptionReport, ModelReport, caption
    from rag_app.captioning.records import CaptionRow, picture_file, read_captions

_HOME = {
    "CaptionReport": "rag_app.captioning.captioner",
    "CaptionRow": "rag_app.captioning.records",
    "ModelReport": "rag_app.captioning.captioner",
    "caption": "rag_app.captioning.captioner",
    "picture_file": "rag_app.captioning.records",
    "read_captions": "rag_app.captioning.records",
}
__all__ = ["CaptionReport", "CaptionRow", "ModelReport", "caption", "picture_file", "read_captions"]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'rag_app.captioning' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
