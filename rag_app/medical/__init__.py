"""Medical images: a dataset made ready, questions on an image answered, a diagnosis measured; for study only.

Assistant and MedicalAnswer are resolved at first use, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rag_app.medical.asking import Assistant, MedicalAnswer

DISCLAIMER = {
    "en": "For study and research. Not for the diagnosis or treatment of patients.",
    "fa": "فقط برای مطالعه و پژوهش؛ نه برای تشخیص یا درمان بیماران.",
}
__all__ = ["DISCLAIMER", "Assistant", "MedicalAnswer"]


def __getattr__(name: str) -> object:
    if name not in ("Assistant", "MedicalAnswer"):
        raise AttributeError(f"module 'rag_app.medical' has no attribute {name!r}")
    return getattr(importlib.import_module("rag_app.medical.asking"), name)
