"""A command of this program that goes on after the one that started it: detached, writing to a log in the library."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag_app.errors import RagAppError
from rag_app.store import Store
from rag_app.store.failures import os_errors

LOG = "describe.log"
_WAIT_S = 20.0  # until it holds the lock or has ended: loading the program takes about a second


@dataclass(frozen=True, slots=True)
class Started:
    """A detached process: its number, and the file it writes to."""

    pid: int
    log: Path

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return {"pid": self.pid, "log": str(self.log)}

    def text(self, library: Path) -> str:
        where = "" if str(library) == "rag_library" else f" --library {library}"
        return f"Describing goes on in the background (process {self.pid}): rag-app status{where} shows how far it is."


def start_describing(library: Path, arguments: Sequence[str]) -> Started:
    """Start `rag-app describe` with these arguments, detached, and see that it gets to work.

    Raises RagAppError with what it said when it ends at once.
    """
    log = library / LOG
    with os_errors(library), log.open("a", encoding="utf-8") as file:
        said_before = file.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", "rag_app", "describe", *arguments, "--library", str(library.resolve())],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,  # Ctrl-C and a closed terminal do not reach it
            creationflags=getattr(subprocess, "DETACHED_PROCESS", 0) if os.name == "nt" else 0,
        )
    end = time.monotonic() + _WAIT_S
    with Store.open(library, create=False) as store:
        while time.monotonic() < end:
            code = process.poll()
            if code:
                said = log.read_text(encoding="utf-8", errors="replace")[said_before:].strip()
                raise RagAppError((said.splitlines() or [f"It ended with code {code}."])[-1].removeprefix("Error: "))
            holder = store.describer()
            if code == 0 or (holder is not None and holder["pid"] == process.pid):
                break
            time.sleep(0.1)
    return Started(process.pid, log)
