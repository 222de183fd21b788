"""The judge's replies on disk: one JSON file each, found by everything that decides the reply."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rag_app.errors import DiskFull, UsageError

Json = Mapping[str, Any]  # Any: JSON


class ReplyCache:
    """A folder of replies. Several processes may use it; a damaged file counts as absent and is written anew."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: Json) -> str | None:
        """The reply to the question with this key; None where it was not asked yet."""
        try:
            kept = json.loads(self._path(key).read_text(encoding="utf-8"))
            return json.dumps(kept["reply"], ensure_ascii=False)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, key: Json, reply: str, *, about: Json) -> None:
        """Keep a reply, which is JSON. about: what a reader of the file wants to know; it decides nothing.

        Raises DiskFull, or UsageError where the folder cannot be written.
        """
        path = self._path(key)
        text = json.dumps({**about, "reply": json.loads(reply)}, ensure_ascii=False, indent=1)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, text)
        except OSError as exc:
            if exc.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFull(
                    f"The disk of {self.folder} is full, so the judge's replies cannot be kept. Make room and go on "
                    "with --resume."
                ) from exc
            raise UsageError(f"The judge's replies cannot be kept in {self.folder}: {exc}.") from exc

    def _path(self, key: Json) -> Path:
        whole = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
        return self.folder / whole[:2] / f"{whole[2:]}.json"


def _write(path: Path, text: str) -> None:
    """The whole text or nothing: a temporary file, then its name."""
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
