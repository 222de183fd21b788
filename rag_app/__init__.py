"""Ask your own scientific papers questions, on your own machine.

    from rag_app import Library
    with Library.open("my_library") as library:
        library.ingest("papers/")
        print(library.ask("Which learning rate was used?").answer)

Names are resolved at first use, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rag_app.answering.answer import Answer, Evidence
    from rag_app.citations import Citation
    from rag_app.errors import RagAppError
    from rag_app.library import Library
    from rag_app.settings import Settings

# ONNX Runtime 1.32 keeps a device id and a list of events in ~/.cache/Microsoft and posts them, unless this is set
# before it is first imported; its own disable_telemetry_events() comes too late.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_HOME = {
    "Answer": "rag_app.answering.answer",
    "Citation": "rag_app.citations",
    "Evidence": "rag_app.answering.answer",
    "Library": "rag_app.library",
    "RagAppError": "rag_app.errors",
    "Settings": "rag_app.settings",
}
__all__ = ["Answer", "Citation", "Evidence", "Library", "RagAppError", "Settings"]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'rag_app' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
