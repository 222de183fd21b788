"""One writer at a time. The operating system holds the lock, so it ends with its process, however that ends."""

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


class WriterLock:
    """The library's writer lock: re-entrant in a thread, waits for other threads, refuses other processes.

    `writer.lock` is the lock itself; `writer.json` only says who holds it and means nothing while the lock is free.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._note = folder / "writer.json"
        self._file = FileLock(folder / "writer.lock", thread_local=False)
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
        try:
            holder = json.loads(self._note.read_text(encoding="utf-8"))
            return (
                f"The library {self._folder} is being written by process {holder['pid']} ({holder['command']}) on "
                f"{holder['host']} since {holder['since']}. {end}"
            )
        except (OSError, ValueError, KeyError):  # the holder is just starting or ending: its note is not whole
            return f"The library {self._folder} is being written by another process. {end}"


def _holder() -> dict[str, str | int]:
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": Path(sys.argv[0] or "python").name,
    }
