"""Which models are loaded, in what context, and who waits: as Ollama's scheduler does it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.ollama_server.errors import busy
from tests.ollama_server.models import Model
from tests.ollama_server.reading import FOR_EVER

DEFAULT_KEEP_ALIVE_S = 300.0


@dataclass(slots=True)
class Runner:
    """A loaded model. expires_at in time.time() seconds."""

    model: Model
    context: int
    keep_alive_s: float = DEFAULT_KEEP_ALIVE_S
    expires_at: float = 0.0
    active: int = 0
    used_at: float = 0.0


@dataclass(slots=True)
class Load:
    """One loading of a model; `reloaded` when it was loaded with another context before."""

    model: str
    context: int
    reloaded: bool
    at: float


@dataclass
class Scheduler:
    """Loads models, at most `max_loaded` of them; each serves `parallel` requests at a time, the others wait.

    At most `max_queue` requests wait for a load; those for a loaded model are not counted.
    """

    parallel: int = 1
    max_loaded: int = 3
    max_queue: int = 512
    loads: list[Load] = field(default_factory=list)
    runners: dict[str, Runner] = field(default_factory=dict)
    peak: int = 0  # most requests served at the same time
    _active: int = 0
    _pending: int = 0
    _loading: str | None = None
    _turn: threading.Condition = field(default_factory=threading.Condition)

    @contextmanager
    def slot(self, model: Model, context: int, keep_alive_s: float | None) -> Iterator[float]:
        """A place to run in; gives the seconds spent loading. Refusal 503 when too many wait for a load."""
        load_s = self._enter(model, context, keep_alive_s)
        try:
            yield load_s
        finally:
            self._leave(model)

    def loaded(self) -> list[Runner]:
        with self._turn:
            self._expire()
            return list(self.runners.values())

    def unload(self, model: Model) -> None:
        with self._turn:
            self.runners.pop(model.full_name, None)
            self._turn.notify_all()

    def _enter(self, model: Model, context: int, keep_alive_s: float | None) -> float:
        name = model.full_name
        load_s = 0.0
        with self._turn:
            while True:
                self._expire()
                runner = self.runners.get(name)
                if runner and runner.context == context and self._loading != name:
                    if runner.active < self.parallel:
                        break
                    self._turn.wait(0.5)
                    continue
                load_s += self._load(model, context)
            runner.active += 1
            self._active += 1
            self.peak = max(self.peak, self._active)
            if keep_alive_s is not None:
                runner.keep_alive_s = keep_alive_s
        return load_s

    def _load(self, model: Model, context: int) -> float:
        """Wait for a turn to load, then load, with the condition held on entry and exit; seconds it took."""
        name, started = model.full_name, time.monotonic()
        if self._pending >= self.max_queue:
            raise busy()
        self._pending += 1
        try:
            while self._loading is not None:
                self._turn.wait(0.5)
            runner = self.runners.get(name)
            if runner and runner.context == context:
                return 0.0  # another request loaded it meanwhile
            self._loading = name
        finally:
            self._pending -= 1
        try:
            while (runner := self.runners.get(name)) and runner.active:
                self._turn.wait(0.5)
            self.runners.pop(name, None)
            while len(self.runners) >= self.max_loaded:
                idle = [one for one in self.runners.values() if not one.active]
                if idle:
                    self.runners.pop(min(idle, key=lambda one: one.used_at).model.full_name)
                else:
                    self._turn.wait(0.5)
            self._turn.release()
            try:
                time.sleep(model.load_s)
            finally:
                self._turn.acquire()
            self.runners[name] = Runner(model, context, used_at=time.monotonic(), expires_at=FOR_EVER)
            self.loads.append(Load(name, context, runner is not None, time.monotonic()))
        finally:
            self._loading = None
            self._turn.notify_all()
        return time.monotonic() - started

    def _leave(self, model: Model) -> None:
        with self._turn:
            self._active -= 1
            runner = self.runners.get(model.full_name)
            if runner:
                runner.active -= 1
                runner.used_at = time.monotonic()
                runner.expires_at = time.time() + runner.keep_alive_s
            self._turn.notify_all()

    def _expire(self) -> None:
        now = time.time()
        for name, runner in list(self.runners.items()):
            if not runner.active and runner.expires_at <= now:
                del self.runners[name]
