"""One process at a time. The operating system holds the lock, so it ends with its process, however that ends."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from rag_app.errors import LibraryBusy
from rag_app.store.failures import os_errors


class ProcessLock:
    """A lock of a library folder: re-entrant in a thread, waits for other threads, refuses other processes.

    `<name>.lock` is the lock itself; `<name>.json` only says who holds it and means nothing while the lock is free.
    doing: what its holder does to the library: "written".
    """

    def __init__(self, folder: Path, name: str, *, doing: str) -> None:
        self._folder = folder
        self._doing = doing
        self._note = folder / f"{name}.json"
        self._file = FileLock(folder / f"{name}.lock", thread_local=False)
        self._threads = threading.RLock()
        self._depth = 0

    @contextmanager
    def hold(self, *, wait_s: float = 0.0) -> Iterator[None]:
        """Hold the lock for the block.

        Raises LibraryBusy when another process has it for longer than `wait_s` seconds, LibraryReadOnly or DiskFull
        when the lock file cannot be written.
        """
        with self._threads:
            if self._depth == 0:
                self._take(wait_s)
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if self._depth == 0:
                    self._note.unlink(missing_ok=True)
                    self._file.release()

    def holder(self) -> dict[str, str | int] | None:
        """Who holds it now: pid, host, since (UTC, ISO 8601) and command; None when nobody does."""
        if self._depth > 0:
            return _holder()
        if not Path(self._file.lock_file).exists() or not os.access(self._file.lock_file, os.W_OK):
            return None
        try:
            self._file.acquire(timeout=0)
        except Timeout:
            return self._read_note() or {"pid": 0, "host": "", "since": "", "command": ""}
        self._file.release()
        return None

    def _take(self, wait_s: float) -> None:
        with os_errors(self._folder):
            try:
                self._file.acquire(timeout=wait_s, poll_interval=0.05)
            except Timeout as exc:
                raise LibraryBusy(self._busy()) from exc
            try:
                self._note.write_text(json.dumps(_holder()), encoding="utf-8")
            except BaseException:
                self._file.release()
                raise

    def _busy(self) -> str:
        end = "Wait until it is done, or stop it; reading works meanwhile."
        holder = self._read_note()
        if holder is None:  # it is just starting or ending: its note is not whole
            return f"The library {self._folder} is being {self._doing} by another process. {end}"
        return (
            f"The library {self._folder} is being {self._doing} by process {holder['pid']} ({holder['command']}) on "
            f"{holder['host']} since {holder['since']}. {end}"
        )

    def _read_note(self) -> dict[str, str | int] | None:
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return note if isinstance(note, dict) and {"pid", "host", "since", "command"} <= note.keys() else None


def writer_lock(folder: Path) -> ProcessLock:
    """Who takes papers in or out."""
    return ProcessLock(folder, "writer", doing="written")


def describer_lock(folder: Path) -> ProcessLock:
    """Who asks models about the library's figures, tables and formulas."""
    return ProcessLock(folder, "describer", doing="described")


def _holder() -> dict[str, str | int]:
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": _command(),
    }


def _command() -> str:
    """The name of this program: of its package, where it runs as `python -m`."""
    path = Path(sys.argv[0] or "python")
    return path.parent.name if path.name == "__main__.py" else path.name
