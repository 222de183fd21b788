"""One command in a fresh process: its seconds, its peaks of resident memory, what it said."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil


class Failed(Exception):
    """The command ended with an error or was stopped at its time limit; the message says which and how."""


@dataclass(frozen=True)
class Run:
    """Wall and CPU seconds, child processes included, and peaks of resident memory in MiB (the process, its largest
    child, all together), sampled every 0.1 s. said: what it wrote to stdout."""

    wall_s: float
    cpu_s: float
    parent_mib: float
    worker_mib: float
    all_mib: float
    said: str


def run(command: Sequence[str], *, timeout_s: float | None = None, env: Mapping[str, str] | None = None) -> Run:
    """Run the command to its end; raises Failed when it fails or is still running after `timeout_s`."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=err, env=env, start_new_session=True)
        late = threading.Event()

        def stop() -> None:
            late.set()
            _end(process.pid)

        timer = threading.Timer(timeout_s, stop) if timeout_s else None
        if timer:
            timer.start()
        peaks = _Peaks(process.pid)
        try:
            _, status, usage = os.wait4(process.pid, 0)  # counts the children it waited for, too
        except BaseException:  # Ctrl-C does not reach a session of its own
            _end(process.pid)
            raise
        finally:
            if timer:
                timer.cancel()
            peaks.stop()
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        _end(process.pid)  # children that it left behind
        out.seek(0)
        err.seek(0)
        said, complained = out.read().decode(), err.read().decode(errors="replace").strip()
    if late.is_set():
        raise Failed(f"stopped after {timeout_s:.0f} s")
    if process.returncode:
        line = complained.splitlines()[-1] if complained else f"status {process.returncode}"
        raise Failed(f"{Path(command[0]).name} {' '.join(command[1:3])}: {line}")
    return Run(wall, usage.ru_utime + usage.ru_stime, peaks.parent, peaks.worker, peaks.together, said)


def _end(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


class _Peaks:
    """Samples the resident memory of a process and its children until stopped."""

    def __init__(self, pid: int) -> None:
        self.parent = self.worker = self.together = 0.0
        self._process = psutil.Process(pid)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            try:
                children = self._process.children(recursive=True)
                own = _mib(self._process)
                each = [_mib(child) for child in children]
            except psutil.NoSuchProcess:
                continue
            self.parent = max(self.parent, own)
            self.worker = max([self.worker, *each])
            self.together = max(self.together, own + sum(each))


def _mib(process: psutil.Process) -> float:
    return process.memory_info().rss / (1 << 20)
