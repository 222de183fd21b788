"""Where the mishaps take place: a library, the papers beside it, and the command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RAG_APP = str(Path(sys.executable).with_name("rag-app"))
ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True, slots=True)
class Stage:
    """library: a folder to be copied, not changed. papers: where its papers came from; one has changed, one is new."""

    library: Path
    papers: Path


def command(words: Sequence[object], library: Path) -> list[str]:
    return [RAG_APP, *map(str, words), "--library", str(library)]


def start(line: Sequence[str], **how: Any) -> subprocess.Popen[str]:  # Any: options of Popen
    """Start a command line in a process group of its own."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(list(line), text=True, start_new_session=True, cwd=ROOT, **{**pipes, **how})


def end(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for it, and kill what it has left running; its code, and what it said."""
    try:
        out, err = process.communicate(timeout=180)
    finally:
        kill(process)
    return process.returncode, out, err


def kill(process: subprocess.Popen[str]) -> None:
    """kill -9 of the whole process group."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def run(*words: object, library: Path, **how: Any) -> subprocess.CompletedProcess[str]:  # Any: options of Popen
    """Run `rag-app` to its end."""
    code, out, err = end(start(command(words, library), **how))
    return subprocess.CompletedProcess([str(word) for word in words], code, out, err)
