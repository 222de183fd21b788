"""Worker processes for work that may hang, crash or eat the memory: one pipe each, one thread here for each.

Why not multiprocessing, concurrent.futures or pebble: they start a child by running the caller's main script again, so
a user's five-line script without `if __name__ == "__main__"` (and any program read from standard input) breaks; and
their workers share one pipe, so that a worker killed while it sends can leave the others waiting for ever.
"""

from __future__ import annotations

import collections
import os
import pickle
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
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


@dataclass(slots=True)
class _Call:
    request: bytes  # pickled (function, args)
    fresh: bool
    future: Future[Outcome] = field(default_factory=Future)


class WorkerPool:
    """Runs generator functions in child processes, each item under the time and memory limits.

    Nothing is started before the first `submit`. A worker that crashes, hangs or outgrows its memory is replaced; the
    call it worked on ends with an error and the items it had given. Use as a context manager: leaving it, by whatever
    way, kills the workers.
    """

    def __init__(self, workers: int | None = None, *, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._most = max(1, workers or default_workers())
        self._calls: collections.deque[_Call] = collections.deque()
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._busy = 0
        self._workers: dict[int, _Worker] = {}
        self._closed = False

    def submit(
        self, function: Callable[..., Iterable[Any]], *args: Any, fresh: bool = False, first: bool = False
    ) -> Future[Outcome]:
        """Queue one call and return at once; the future never raises but by `cancel`, it holds an Outcome.

        Args:
            function: module-level function that yields picklable items; the limits hold for each item.
            args: picklable; the error of one that is not is raised here.
            fresh: run it in a process that has done nothing else.
            first: before what already waits.
        """
        call = _Call(pickle.dumps((function, args), protocol=pickle.HIGHEST_PROTOCOL), fresh)
        with self._changed:
            if self._closed:
                raise RuntimeError("the worker pool is closed")
            if first:
                self._calls.appendleft(call)
            else:
                self._calls.append(call)
            if len(self._threads) < self._most and self._busy + len(self._calls) > len(self._threads):
                thread = threading.Thread(target=self._serve, args=(len(self._threads),), daemon=True)
                self._threads.append(thread)
                thread.start()
            self._changed.notify()
        return call.future

    def close(self) -> None:
        """Kill the workers and cancel what waits; safe to call twice."""
        with self._changed:
            self._closed = True
            waiting, self._calls = list(self._calls), collections.deque()
            running = list(self._workers.values())
            self._changed.notify_all()
        for call in waiting:
            call.future.cancel()
        for worker in running:
            worker.kill()
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _serve(self, slot: int) -> None:
        """One thread: take a call, run it in this slot's worker, replace the worker when it is spent."""
        worker: _Worker | None = None
        try:
            while (call := self._next_call()) is not None:
                try:
                    if not call.future.set_running_or_notify_cancel():
                        continue
                    if worker is not None and (call.fresh or worker.spent):
                        worker.kill()
                        worker = None
                    if worker is None:
                        worker = _Worker(self._limits)
                        with self._changed:
                            self._workers[slot] = worker
                            if self._closed:
                                worker.kill()
                    call.future.set_result(worker.run(call.request))
                except BaseException as exc:  # no process could be started, say: whoever waits must hear of it
                    call.future.set_exception(exc)
                    raise
                finally:
                    with self._changed:
                        self._busy -= 1
        finally:
            if worker is not None:
                worker.kill()

    def _next_call(self) -> _Call | None:
        with self._changed:
            while not self._calls and not self._closed:
                self._changed.wait()
            if self._closed:
                return None
            self._busy += 1
            return self._calls.popleft()


def default_workers() -> int:
    """Processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Worker:
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
        self._send(pickle.dumps((limits.memory_bytes, limits.page_wall_s + 30)))

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
