"""Threads that ask a model, each one question at a time; what comes of it waits in a queue."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")

_WAKE_S = 0.5  # so often the waiting thread looks for Ctrl-C, where the system does not wake it


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Job, Result]):
    """What came of a job: a result, or the exception that was raised; seconds it took."""

    job: Job
    result: Result | None
    error: Exception | None
    seconds: float


class Askers(Generic[Job, Result]):
    """`count` daemon threads that call `work` on what is put in.

    Daemons, and queues without an end, so that nobody has to wait for a model that is slow when the run is over: what
    still comes then is dropped.
    """

    def __init__(self, count: int, work: Callable[[Job], Result]) -> None:
        self._work = work
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._outcomes: queue.SimpleQueue[Outcome[Job, Result]] = queue.SimpleQueue()
        self._count = count
        for number in range(count):
            threading.Thread(target=self._serve, name=f"asker {number}", daemon=True).start()

    def put(self, job: Job) -> None:
        """Hand in one more job."""
        self._jobs.put(job)

    def take(self) -> Outcome[Job, Result]:
        """The next outcome, whichever job it is of; waits for it."""
        while True:
            try:
                return self._outcomes.get(timeout=_WAKE_S)
            except queue.Empty:
                continue

    def dismiss(self) -> None:
        """Let the threads end after what they are at; what is not begun is not begun any more."""
        while not self._jobs.empty():
            try:
                self._jobs.get_nowait()
            except queue.Empty:
                break
        for _ in range(self._count):
            self._jobs.put(None)

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._outcomes.put(answer(self._work, job))


def answer(work: Callable[[Job], Result], job: Job) -> Outcome[Job, Result]:
    """What comes of one job; an exception is handed on whole, whoever takes the outcome knows what it means."""
    began = time.perf_counter()
    result, error = None, None
    try:
        result = work(job)
    except Exception as exc:
        error = exc
    return Outcome(job, result, error, time.perf_counter() - began)
