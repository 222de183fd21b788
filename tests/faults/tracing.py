"""Runs a process under strace: to see what it does to its files, or to strike it at a chosen system call."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

WRITES = (
    "openat,mkdir,mkdirat,write,pwrite64,writev,pwritev,ftruncate,truncate,fallocate,fsync,fdatasync,rename,renameat,"
    "renameat2,unlink,unlinkat,link,linkat,rmdir,sendfile,copy_file_range"
)
_CALL = re.compile(r"^(\d+\.\d+) (\w+)\((.*)\)\s+= (-?\d+|\?)")
_ESCAPED = re.compile(r"\\x([0-9a-f]{2})")


@dataclass(frozen=True, slots=True)
class Call:
    """A system call that ended. number: the how manyth of its name in its thread, from 1, as strace counts."""

    at: float
    thread: int
    name: str
    number: int
    arguments: str
    result: int


@functools.cache
def missing() -> str | None:
    """Why nothing can be traced here; None when it can."""
    if shutil.which("strace") is None:
        return "strace is not installed: sudo apt install strace"
    tried = subprocess.run(["strace", "-f", "--seccomp-bpf", "true"], capture_output=True, check=False)
    return None if tried.returncode == 0 else f"strace may not trace here: {tried.stderr.decode()[-200:]}"


needs_strace = pytest.mark.skipif(missing() is not None, reason=str(missing()))


def traced(command: Sequence[str | Path], log: Path, *, data: bool = False) -> list[str]:
    """The command line that runs `command` and writes its calls to `log.PID`; with the bytes written if `data`."""
    shown = ["-s", "100000000" if data else "0"]
    return [
        *("strace", "-ff", "--seccomp-bpf", "-qq", "-y", "-xx", *shown, "-e", "signal=none", "-e", f"trace={WRITES}"),
        *("--absolute-timestamps=format:unix,precision:ns", "-o", str(log), *map(str, command)),
    ]


def struck(command: Sequence[str | Path], call: str, how: str) -> list[str]:
    """The command line that runs `command` and strikes at a call.

    how: as strace has it, such as "signal=KILL:when=3" or "error=ENOSPC:when=2+".
    """
    return ["strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", f"inject={call}:{how}", *map(str, command)]


def calls(log: Path) -> list[Call]:
    """All calls of all threads, in the order they began."""
    found: list[Call] = []
    for path in log.parent.glob(f"{log.name}.*"):
        counts: dict[str, int] = {}
        thread = int(path.suffix[1:])
        with path.open(encoding="ascii", errors="replace") as lines:
            for line in lines:
                matched = _CALL.match(line)
                if matched:
                    at, name, arguments, result = matched.groups()
                    counts[name] = counts.get(name, 0) + 1
                    number = 0 if result == "?" else int(result)
                    found.append(Call(float(at), thread, name, counts[name], arguments, number))
    return sorted(found, key=lambda call: call.at)


def plain(text: str) -> str:
    """Text with strace's hexadecimal escapes undone."""
    return _ESCAPED.sub(lambda m: chr(int(m[1], 16)), text).encode("latin-1").decode("utf-8", "replace")


def touching(folder: Path, found: Sequence[Call]) -> Iterator[Call]:
    """The calls that name a file in the folder, by path or by handle, and change something."""
    wanted = str(folder.resolve())
    for call in found:
        if call.name == "openat" and "O_CREAT" not in call.arguments and "O_TRUNC" not in call.arguments:
            continue
        if call.result >= 0 and wanted in plain(call.arguments):
            yield call


def scratch() -> Path:
    """A folder for logs, to be removed by its user."""
    return Path(tempfile.mkdtemp(prefix="rag_app_trace_"))
