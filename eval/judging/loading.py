"""Ragas loaded: the right version, without its telemetry, and one sentence where it is not installed."""

from __future__ import annotations

import importlib
import os
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

from rag_app.errors import UsageError

VERSION = "0.4.3"  # its metrics are read and tested at this version; prompts and scores differ between versions
_INSTALL = "Run: pip install 'rag-app[eval]'."


def ragas_version() -> str:
    """The installed version; UsageError where there is none, or another than `VERSION`."""
    try:
        found = version("ragas")
    except PackageNotFoundError as exc:
        raise UsageError(f"Judging needs ragas, which is not installed. {_INSTALL}") from exc
    if found != VERSION:
        raise UsageError(f"Judging needs ragas {VERSION}, and {found} is installed. {_INSTALL}")
    return found


def load_bridge() -> ModuleType:
    """The module `eval.judging.bridge`; three seconds at first use. UsageError where Ragas cannot be loaded."""
    ragas_version()
    # Ragas posts what it is used for unless this is exactly "true" (0.4.3: "1" does nothing), and reads it once.
    os.environ["RAGAS_DO_NOT_TRACK"] = "true"
    try:
        return importlib.import_module("eval.judging.bridge")
    except ImportError as exc:  # langchain-community 0.4 lacks a module that ragas imports
        raise UsageError(f"Judging needs ragas, which cannot be loaded here ({exc}). {_INSTALL}") from exc
