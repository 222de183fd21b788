"""One worker process seen from its parent: a pipe to it, its clocks, its memory, and why it ended."""

from __future__ import annotations

import pickle
import queue
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from typing import IO, Any

import psutil

from ingestion.limits import Limits
from rag_app.errors import ParserCrashed, ParsingMemory, ParsingTimeout, RagAppError

_LOOK_S = 0.25  # how often a busy worker's time and memory are looked at


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call gave: its items in order, and the error that ended it early, if one did."""

    items: list[Any]  # Any: whatever the called function yields
    error: RagAppError | None = None


def _address_space(memory_bytes: int) -> int:
    """What the system itself bounds: more than the memory we watch, as not all address space is memory in use."""
    return memory_bytes + memory_bytes // 2


class Child:
    """One child process and the pipe to it; used by one thread, killed by any."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._items = 0
        self._broken = False
        self._ready = False
        self._replies: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the worker
        path = [entry for entry in sys.path if entry]
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-c",
                f"import sys; sys.path[:] = {path!r}; from ingestion.worker import main; main()",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,  # Ctrl-C is for the parent
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._pipe = self._process.stdin
        threading.Thread(target=self._receive, args=(self._process.stdout,), daemon=True).start()
        self._send(pickle.dumps((_address_space(limits.memory_bytes), limits.page_wall_s + 30)))

    @property
    def spent(self) -> bool:
        """It should not be given another call."""
        return self._broken or self._items >= self._limits.worker_pages

    def run(self, request: bytes) -> Outcome:
        """Have the child make one call; the clocks start again at each item."""
        items: list[Any] = []
        if not self._ready:
            kind, _, error = self._await(cpu_s=self._limits.start_s, wall_s=self._limits.start_s)
            if kind != "ready":
                return Outcome(items, error)
            self._ready = True
        self._send(request)
        while True:
            kind, value, error = self._await(cpu_s=self._limits.page_cpu_s, wall_s=self._limits.page_wall_s)
            if kind == "item":
                items.append(value)
                self._items += 1
            else:
                return Outcome(items, error)

    def kill(self) -> None:
        """End the process now and reap it; safe to call twice, and from another thread."""
        self._broken = True
        self._process.kill()
        self._process.wait()

    def _await(self, *, cpu_s: float, wall_s: float) -> tuple[str, Any, RagAppError | None]:
        """Next reply, or kind "ended" with the reason the worker had to be given up."""
        started, cpu = time.monotonic(), self._cpu_s()
        while True:
            try:
                kind, value = self._replies.get(timeout=_LOOK_S)
            except queue.Empty:
                error = self._over_limit(time.monotonic() - started, self._cpu_s() - cpu, cpu_s=cpu_s, wall_s=wall_s)
                if error is not None:
                    self.kill()
                    return "ended", None, error
                continue
            if kind == "ended":
                self._broken = True
                return kind, None, self._why_ended()
            if kind == "failed":
                self._broken = isinstance(value, ParsingMemory)
                return kind, None, value
            return kind, value, None

    def _over_limit(self, wall: float, cpu: float, *, cpu_s: float, wall_s: float) -> RagAppError | None:
        if cpu > cpu_s:
            return ParsingTimeout(f"it took more than {cpu_s:g} seconds of processor time")
        if wall > wall_s:
            return ParsingTimeout(f"it took more than {wall_s:g} seconds")
        try:
            resident = psutil.Process(self._process.pid).memory_info().rss
        except psutil.NoSuchProcess:
            return None  # its end is on the way through the queue
        return self._too_much_memory() if resident > self._limits.memory_bytes else None

    def _too_much_memory(self) -> ParsingMemory:
        return ParsingMemory(f"it needs more than {self._limits.memory_bytes / (1 << 30):.3g} GiB of memory")

    def _why_ended(self) -> RagAppError:
        code = self._process.wait()
        self._errors.seek(0)
        said = self._errors.read()[-2000:].decode(errors="replace").strip()
        if code == -9:
            return ParsingMemory("its worker was killed by the system, most likely because memory ran out")
        if "bad_alloc" in said or "MemoryError" in said:
            return self._too_much_memory()
        last = f": {said.splitlines()[-1][:200]}" if said else ""
        return ParserCrashed(f"its worker process ended with code {code}{last}")

    def _cpu_s(self) -> float:
        try:
            used = psutil.Process(self._process.pid).cpu_times()
        except psutil.NoSuchProcess:
            return 0.0
        return used.user + used.system

    def _send(self, request: bytes) -> None:
        """Hand over a request; a worker that is already gone shows as "ended" in the replies."""
        try:
            self._pipe.write(request)
            self._pipe.flush()
        except BrokenPipeError:
            return

    def _receive(self, pipe: IO[bytes]) -> None:
        """Read replies until the process ends, perhaps in the middle of one."""
        with pipe:
            while True:
                try:
                    self._replies.put(pickle.load(pipe))
                except (EOFError, pickle.UnpicklingError):
                    self._replies.put(("ended", None))
                    return
