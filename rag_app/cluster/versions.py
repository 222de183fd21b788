"""What has to be the same on the driver and on every node, so that a paper is the same wherever it was read."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

_DISTRIBUTIONS = (
    "rag-app",
    "pymupdf",
    "pymupdf-layout",
    "pymupdf4llm",
    "llama-index-core",
    "onnxruntime",
    "tokenizers",
    "numpy",
    "opencv-python-headless",
    "pillow",
)
_ROOT = Path(__file__).parent.parent.parent
_CODE = (  # what makes a paper, and what passes between driver and nodes
    "ingestion/**/*.py",
    "adapters/*.py",
    "adapters/builtin/*.py",
    "rag_app/cluster/*.py",
    "rag_app/embeddings.py",
    "rag_app/errors.py",
    "rag_app/imaging/filling.py",
    "rag_app/making.py",
    "rag_app/settings.py",
)


@lru_cache(maxsize=1)
def versions() -> Mapping[str, str]:
    """By name, versions of Python and of the libraries that make a paper; and a digest of our own code for it."""
    from ingestion.ocr import available

    found = {"Python": platform.python_version()}
    found |= {name: version(name) for name in _DISTRIBUTIONS}
    found["the code of rag-app"] = _digest()
    found["OCR"] = "+".join(available().languages) or "none"
    return found


def difference(there: Mapping[str, str], here: Mapping[str, str]) -> str | None:
    """The first thing that differs, as "pymupdf 1.27 and not 1.28"; None when all is equal."""
    for name, wanted in there.items():
        if here.get(name) != wanted:
            return f"{name} {here.get(name, 'not at all')} and not {wanted}"
    return None


def _digest() -> str:
    digest = hashlib.sha256()
    for pattern in _CODE:
        for file in sorted(_ROOT.glob(pattern)):
            digest.update(f"{file.relative_to(_ROOT).as_posix()}\0".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]
