"""Rows of captions in a JSON Lines file: one for each picture, model and language; written so that a kill loses none.

Each row is appended and flushed to the disk by itself. A last line that was torn by a kill is dropped when the file is
opened again; nothing else in it is ever changed.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from filelock import FileLock, Timeout

from rag_app.captioning.checks import Check
from rag_app.errors import DiskFull, InputError, LibraryBusy, UsageError
from rag_app.outside import json_value


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of all attempts together; None where the server does not count."""

    prompt: int | None = None
    reply: int | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The last pair of captions that failed its checks, kept to be looked at; it is no caption."""

    short: str
    detailed: str


@dataclass(frozen=True, slots=True)
class CaptionRow:
    """One picture's captions by one model in one language, or why there are none.

    image           path with forward slashes, relative to the folder of the JSON Lines file where it can be
    sha256          of the picture file; "" where it could not be read
    model           full name of the model, "ollama:qwen2.5vl:7b"
    language        "en" or "fa"
    prompt_version  of the prompt that was used
    translated_from "en" where it is a translation of that model's English captions, else None: asked in the language
    short, detailed the captions; both "" where `error` says why
    seconds         on the clock for all attempts
    attempts        times the model was asked; 0 for a copy of the captions of an identical file
    checks          those of the last attempt, in order
    failed          None; or "picture", "model", "unreachable", "unusable" (the model is gone), "english" (there is none
                    to translate), or the name of the first check that failed
    error           None, or a sentence
    """

    image: str
    sha256: str
    model: str
    language: str
    prompt_version: str
    translated_from: str | None = None
    short: str = ""
    detailed: str = ""
    seconds: float = 0.0
    tokens: Tokens = Tokens()
    attempts: int = 0
    checks: tuple[Check, ...] = ()
    failed: str | None = None
    error: str | None = None
    rejected: Rejected | None = None

    @property
    def ok(self) -> bool:
        """Whether it holds captions that passed every check."""
        return self.error is None

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        """As it stands in the file."""
        return {
            **dataclasses.asdict(self),
            "seconds": round(self.seconds, 3),
            "checks": {check.name: {"ok": check.ok, "note": check.note} for check in self.checks},
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:  # Any: JSON
        """The row that `to_dict` gave. Raises KeyError, TypeError or ValueError where it is no such row."""
        known = {field.name for field in dataclasses.fields(cls)}
        if missing := {"image", "sha256", "model", "language", "prompt_version", "short", "detailed"} - data.keys():
            raise ValueError(f"it has no {', '.join(sorted(missing))}")
        values = {name: value for name, value in data.items() if name in known}
        for name in ("image", "sha256", "model", "language", "prompt_version", "short", "detailed"):
            if not isinstance(values[name], str) or (name == "image" and "\0" in values[name]):
                raise ValueError(f"{name} is {ascii(values[name])[:80]}, not text")
        if not all(isinstance(values.get(name), str | None) for name in ("translated_from", "failed", "error")):
            raise ValueError("translated_from, failed or error is neither text nor null")
        values["tokens"] = Tokens(**data.get("tokens", {}))
        values["checks"] = tuple(Check(name, **result) for name, result in data.get("checks", {}).items())
        values["rejected"] = Rejected(**data["rejected"]) if data.get("rejected") else None
        return cls(**values)


Key = tuple[str, str, str, str | None]


def latest(rows: Iterable[CaptionRow]) -> list[CaptionRow]:
    """One row for each picture, model, language and way (asked or translated), in order of first appearance.

    The last good row counts; where there is none, the last failed one.
    """
    kept: dict[Key, CaptionRow] = {}
    for row in rows:
        key = (row.image, row.model, row.language, row.translated_from)
        if key not in kept or row.ok or not kept[key].ok or kept[key].sha256 != row.sha256:
            kept[key] = row
    return list(kept.values())


def read_captions(path: Path, *, failed: bool = False) -> list[CaptionRow]:
    """The captions in `path`: one row for each picture, model and language, the last good one, in order.

    Args:
        failed: also give a row for what has no caption; its `error` says why.

    Raises InputError when the file is missing or a line (other than a torn last one) is no caption row.
    """
    try:
        rows = _parse(path.read_bytes(), path)[0]
    except OSError as exc:
        raise InputError(f"{path} cannot be read: {exc.strerror}. Make it with: rag-app caption --out {path}") from exc
    return [row for row in latest(rows) if failed or row.ok]


def picture_file(row: CaptionRow, path: Path) -> Path:
    """Where the picture of a row of the file `path` is."""
    return Path(os.path.normpath(path.parent / row.image))


def _parse(content: bytes, path: Path) -> tuple[list[CaptionRow], int]:
    """The rows of a file and the length of its sound part: a last line without its end that is no row is torn."""
    rows: list[CaptionRow] = []
    sound = 0
    for number, line in enumerate(content.splitlines(keepends=True), start=1):
        whole = line.endswith(b"\n")
        if line.strip():
            try:
                rows.append(CaptionRow.from_dict(json_value(line)))
            except (ValueError, TypeError, KeyError, AttributeError) as exc:
                if not whole:
                    break
                raise InputError(
                    f"Line {number} of {path} is no row of captions ({exc}). Choose another file with --out."
                ) from exc
        sound += len(line)
    return rows, sound


class CaptionFile:
    """A file of rows, open to append; one process at a time; made with its first row. A context.

    Raises InputError when the file holds something else, LibraryBusy when another process appends to it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[CaptionRow] = []
        self._lock = FileLock(path.with_name(f".{path.name}.lock"), thread_local=False)
        self._handle = -1

    def __enter__(self) -> Self:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout as exc:
            raise LibraryBusy(
                f"{self.path} is being written by another rag-app caption. Wait for it, or choose another --out."
            ) from exc
        except OSError as exc:
            raise _unwritable(self.path, exc) from exc
        try:
            self._open()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle >= 0:
            os.close(self._handle)
        self._lock.release()

    def _open(self) -> None:
        try:
            if not self.path.exists():
                return
            content = self.path.read_bytes()
            self.rows, sound = _parse(content, self.path)
            self._handle = os.open(self.path, os.O_WRONLY | os.O_APPEND)
            if sound < len(content):
                os.ftruncate(self._handle, sound)
            elif content and not content.endswith(b"\n"):  # a whole row whose line end alone was lost
                os.write(self._handle, b"\n")
        except OSError as exc:
            raise _unwritable(self.path, exc) from exc

    def append(self, row: CaptionRow) -> None:
        """Add one row; it is on the disk when this returns. Raises DiskFull, UsageError."""
        line = json.dumps(row.to_dict(), ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        try:
            if self._handle < 0:
                self._handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            while line:
                line = line[os.write(self._handle, line) :]
            os.fsync(self._handle)
        except OSError as exc:
            raise _unwritable(self.path, exc) from exc
        self.rows.append(row)


def _unwritable(path: Path, exc: OSError) -> DiskFull | UsageError:
    if exc.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"The disk under {path} is full; the rows before are kept. Free some space and run it again.")
    return UsageError(f"{path} cannot be written ({exc.strerror}). Choose another file with --out.")
