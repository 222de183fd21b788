"""Worker processes for work that may hang, crash or eat the memory: one pipe each, one thread here for each.

Why not multiprocessing, concurrent.futures or pebble: they start a child by running the caller's main script again, so
a user's five-line script without `if __name__ == "__main__"` (and any program read from standard input) breaks; and
their workers share one pipe, so that a worker killed while it sends can leave the others waiting for ever.
"""

from __future__ import annotations

import collections
import os
import pickle
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from ingestion.child import Child, Outcome
from ingestion.limits import Limits


@dataclass(slots=True)
class _Call:
    request: bytes  # pickled (function, args)
    fresh: bool
    future: Future[Outcome] = field(default_factory=Future)


class Pool(Protocol):
    """Where calls run: `WorkerPool`, or processes on other machines. The file and the folder of crops that a call
    names may be elsewhere there; what comes back is as if they were not.
    """

    def submit(
        self, function: Callable[..., Iterable[Any]], *args: Any, fresh: bool = False, first: bool = False
    ) -> Future[Outcome]:
        """See `WorkerPool.submit`."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None:
        """End the calls; what waits is cancelled."""
        ...


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
        self._workers: dict[int, Child] = {}
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
        worker: Child | None = None
        try:
            while (call := self._next_call()) is not None:
                try:
                    if not call.future.set_running_or_notify_cancel():
                        continue
                    if worker is not None and (call.fresh or worker.spent):
                        worker.kill()
                        worker = None
                    if worker is None:
                        worker = Child(self._limits)
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
