"""Parsed page batches on disk, so that an interrupted ingestion goes on inside a large file.

`<cache>/<sha256>-<parser key>/pages-0001-0008.json`: one page record a line. Written to a temporary name and renamed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Span = tuple[int, int]  # first and last page, 1-based, both included


class BatchCache:
    """The batches of one file; `folder` None keeps nothing."""

    def __init__(self, folder: Path | None, *, sha256: str, parser: str, crops: Path) -> None:
        key = hashlib.sha256(parser.encode()).hexdigest()[:12]
        self._folder = folder / f"{sha256}-{key}" if folder is not None else None
        self._crops = crops

    def load(self, span: Span) -> list[bytes] | None:
        """The records of a batch, or None when it is not there, not whole, or a crop it names is gone."""
        if self._folder is None:
            return None
        try:
            records = self._file(self._folder, span).read_bytes().splitlines()
        except FileNotFoundError:
            return None
        try:
            pages = [json.loads(record)["page"] for record in records]
        except (ValueError, KeyError, TypeError):
            return None
        whole = [page["number"] for page in pages] == list(range(span[0], span[1] + 1))
        return records if whole and all((self._crops / name).is_file() for name in _crops_in(pages)) else None

    def save(self, span: Span, records: Sequence[bytes]) -> None:
        """Keep a batch; raises OSError, for one when the disk is full."""
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        target = self._file(self._folder, span)
        temporary = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            with temporary.open("wb") as file:
                file.write(b"\n".join(records))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise

    @staticmethod
    def _file(folder: Path, span: Span) -> Path:
        return folder / f"pages-{span[0]:04}-{span[1]:04}.json"


def forget_cached(cache: Path, sha256: str) -> None:
    """Remove what is kept of this file, by whatever parser; to be called once its paper is committed."""
    for folder in cache.glob(f"{sha256}-*"):
        shutil.rmtree(folder)


def _crops_in(value: Any) -> list[str]:  # Any: JSON
    """Every crop file name under a key "image"."""
    if isinstance(value, list):
        return [name for item in value for name in _crops_in(item)]
    if not isinstance(value, dict):
        return []
    own = [value["image"]] if isinstance(value.get("image"), str) else []
    return own + [name for key, item in value.items() if key in {"page", "blocks"} for name in _crops_in(item)]
