"""Long work behind the page, one after the other: papers to be read, pictures to be captioned."""

from __future__ import annotations

import queue
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from rag_app.errors import RagAppError

State = Literal["waiting", "running", "done", "failed", "stopped"]
Progress = Callable[[int, int], None]
_KEPT = 20  # jobs that are shown after they have ended


class Stopped(Exception):
    """The page is being closed: the work in hand is left where it is, which every piece of work here allows."""


@dataclass(slots=True)
class Job:
    """One piece of work. name: what it is done to; done and total in `unit`, "pages" or "captions".

    said: what came of it, a line each. problems: what of it failed, a sentence each.
    """

    id: int
    name: str
    unit: str
    state: State = "waiting"
    done: int = 0
    total: int = 0
    said: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def over(self) -> bool:
        return self.state not in ("waiting", "running")

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        """As the page's script reads it."""
        return {
            "id": self.id,
            "name": self.name,
            "unit": self.unit,
            "state": self.state,
            "done": self.done,
            "total": self.total,
            "over": self.over,
        }


Work = Callable[[Job, Progress], None]  # writes what came of it into the job


class Jobs:
    """A queue of work with one thread. `stop` ends it; call it once."""

    def __init__(self) -> None:
        self._listed: list[Job] = []
        self._guard = threading.Lock()
        self._queue: queue.SimpleQueue[tuple[Job, Work] | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._made = 0
        # A daemon: a model's server that does not answer must not keep the program from ending.
        self._thread = threading.Thread(target=self._run, name="work", daemon=True)
        self._thread.start()

    def add(self, name: str, unit: str, work: Work) -> Job:
        """Do `work` when what was added before is done."""
        with self._guard:
            self._made += 1
            job = Job(self._made, name, unit)
            over = [one for one in self._listed if one.over]
            for old in over[: max(0, len(self._listed) - _KEPT)]:
                self._listed.remove(old)
            self._listed.append(job)
        self._queue.put((job, work))
        return job

    def all(self) -> list[Job]:
        """The newest first."""
        with self._guard:
            return self._listed[::-1]

    def stop(self, wait_s: float = 10.0) -> bool:
        """Stop at the next step of the work in hand and wait for that; whether it has stopped."""
        self._stopping.set()
        self._queue.put(None)
        self._thread.join(wait_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (taken := self._queue.get()) is not None and not self._stopping.is_set():
            self._do(*taken)

    def _do(self, job: Job, work: Work) -> None:
        def progress(done: int, total: int) -> None:
            if self._stopping.is_set():
                raise Stopped
            job.done, job.total = done, total

        job.state = "running"
        try:
            work(job, progress)
        except Stopped:
            job.state = "stopped"
        except RagAppError as exc:
            job.problems.append(str(exc))
            job.state = "failed"
        except Exception as exc:  # the last stop of this thread: said in the job, and the next job is done
            traceback.print_exc()
            job.problems.append(f"Unexpected {type(exc).__name__}: {exc}. This is a defect.")
            job.state = "failed"
        else:
            job.state = "done"
