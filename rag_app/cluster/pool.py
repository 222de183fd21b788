"""The driver's side of the work on a cluster: a queue of calls, as many of them on the nodes as there are processors.

Ray's own retries are off: a call whose worker or node was lost is sent again from here, before all others, and counted;
one that loses worker after worker is given up, as one is that crashes its parser.
"""

from __future__ import annotations

import collections
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self
from weakref import WeakValueDictionary

from ingestion.child import Outcome
from ingestion.crops import save_png
from ingestion.elements import Paper
from ingestion.files import check_file
from ingestion.limits import Limits
from rag_app.cluster.connection import Cluster, last_line, load_ray, node_failed
from rag_app.cluster.node import Ran, Recipe, Refused, make_call, on_node, run_call
from rag_app.cluster.sending import SentFile, packed
from rag_app.cluster.versions import versions
from rag_app.errors import ClusterError, InputError, ParserCrashed, RagAppError
from rag_app.making import Made
from rag_app.store.failures import os_errors
from rag_app.store.strangers import crop_file

MOST_LOSSES = 3  # workers that one call may lose before it is given up
_LOOK_S = 2.0  # how often the cluster is looked at: nodes that came or went, and whether it is there at all
_PATIENCE_S = 30.0  # with a cluster that has lost its head or its last processor; Ray has a minute


@dataclass(slots=True, eq=False)
class _Call:
    """send begins the task and gives its ObjectRef; given_up is the answer when it has lost too many workers."""

    send: Callable[[], Any]  # Any: Ray's class is generic only in its stubs
    given_up: Outcome | ClusterError
    future: Future[Any] = field(default_factory=Future)
    losses: int = 0
    sent: Any = None


class ClusterPool:
    """An `ingestion.pool.Pool` on a cluster; `crops` and the files that calls name are on this machine.

    workers: calls at the same time. repeated: calls that were sent again because their worker was lost.
    """

    def __init__(self, cluster: Cluster, crops: Path, *, limits: Limits | None = None) -> None:
        ray = load_ray()
        self._task, self._errors = ray.remote(num_cpus=1, max_retries=0)(on_node), ray.exceptions
        self._cluster = cluster
        self._crops = crops
        self._limits = limits or Limits()
        self._versions = versions()
        self.workers = cluster.cpus()
        self.repeated = 0
        self._guard = threading.RLock()
        self._waiting: collections.deque[_Call] = collections.deque()
        self._running: set[_Call] = set()
        self._files: WeakValueDictionary[Path, SentFile] = WeakValueDictionary()  # alive as long as a call needs them
        self._replies: queue.SimpleQueue[tuple[_Call, Future[Any]] | None] = queue.SimpleQueue()
        self._failed: BaseException | None = None
        self._alive_at = time.monotonic()
        self._thread = threading.Thread(target=self._serve, name="cluster", daemon=True)
        self._thread.start()

    def submit(
        self, function: Callable[..., Iterable[Any]], *args: Any, fresh: bool = False, first: bool = False
    ) -> Future[Outcome]:
        """See `WorkerPool.submit`. A file that an argument names is sent along once, as long as calls need it."""
        request, paths = packed((function, args), self._crops)
        try:
            files = [self._sent(path) for path in paths]
        except InputError as exc:
            return _done(Outcome([], exc))
        send = partial(self._task.remote, self._versions, run_call, request, files, self._limits, fresh)
        lost = ParserCrashed(f"{MOST_LOSSES} workers of the cluster were lost at it")
        return self._put(_Call(send, Outcome([], lost)), first=first)

    def make(self, paper: Paper, recipe: Recipe, descriptions: Mapping[str, Any]) -> Future[Made]:
        """Have a node make what is committed of a paper whose crops are here; before what waits to be parsed."""
        figures = [element.image for element in paper.elements if element.kind == "figure" and element.image]
        pictures = {name: crop_file(self._crops, name).read_bytes() for name in figures}
        send = partial(self._task.remote, self._versions, make_call, paper.to_json(), recipe, pictures, descriptions)
        lost = ClusterError(
            f"{MOST_LOSSES} workers of the cluster were lost while they embedded {paper.name}: look into Ray's log, "
            "most likely memory ran out."
        )
        return self._put(_Call(send, lost), first=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the calls that run; cancel those that wait."""
        with self._guard:
            self._failed = self._failed or ClusterError("The work on the cluster is over.")
            waiting, self._waiting = list(self._waiting), collections.deque()
            running, self._running = list(self._running), set()
        for call in waiting:
            call.future.cancel()
        for call in running:
            load_ray().cancel(call.sent, force=True)
        self._replies.put(None)
        self._thread.join()

    def _sent(self, path: Path) -> SentFile:
        """The file in Ray's object store; raises InputError as its inspection on a node would."""
        sent = self._files.get(path)
        if sent is None:
            check_file(path, limits=self._limits)
            try:
                found, data = path.stat(), path.read_bytes()
            except OSError as exc:
                raise InputError(f"{path.name} cannot be read ({exc.strerror}): copy it again.") from exc
            sent = SentFile(path.name, found.st_size, found.st_mtime_ns, load_ray().put(data))
            self._files[path] = sent
        return sent

    def _put(self, call: _Call, *, first: bool) -> Future[Any]:
        with self._guard:
            if self._failed is not None:
                call.future.set_exception(self._failed)
            elif first:
                self._waiting.appendleft(call)
            else:
                self._waiting.append(call)
        self._fill()
        return call.future

    def _fill(self) -> None:
        """Begin as many calls as there are processors."""
        with self._guard:
            while self._waiting and len(self._running) < self.workers:
                call = self._waiting.popleft()
                if not call.losses and not call.future.set_running_or_notify_cancel():
                    continue
                call.sent = call.send()
                self._running.add(call)
                call.sent.future().add_done_callback(lambda future, call=call: self._replies.put((call, future)))

    def _serve(self) -> None:
        """One thread: hear of calls that ended, answer them, begin others, and look after the cluster."""
        looked = time.monotonic()
        while True:
            try:
                reply = self._replies.get(timeout=_LOOK_S)
                if reply is None:
                    return
                self._hear(*reply)
            except queue.Empty:
                pass
            except Exception as exc:  # a thread has nobody to raise to: whoever waits for a call hears it
                self._fail(exc)
            if time.monotonic() - looked > _LOOK_S and self._failed is None:
                try:
                    self._look()
                    self._fill()
                except Exception as exc:  # as above
                    self._fail(exc)
                looked = time.monotonic()

    def _hear(self, call: _Call, future: Future[Any]) -> None:
        with self._guard:
            if call not in self._running:
                return  # the pool was left, or has failed
            self._running.remove(call)
        errors = self._errors
        try:
            reply = future.result()
        except (errors.WorkerCrashedError, errors.NodeDiedError, errors.OutOfMemoryError, errors.ObjectLostError):
            self._again(call)
        except errors.RayTaskError as exc:
            if not isinstance(exc.cause, RagAppError):
                raise node_failed(exc) from exc
            call.future.set_exception(exc.cause)
        except errors.RayError as exc:
            raise ClusterError(f"The cluster failed ({last_line(exc)}); the same command goes on.") from exc
        else:
            self._answer(call, reply)
        self._fill()

    def _again(self, call: _Call) -> None:
        call.losses += 1
        if call.losses < MOST_LOSSES:
            with self._guard:
                self.repeated += 1
                self._waiting.appendleft(call)
        elif isinstance(call.given_up, Outcome):
            call.future.set_result(call.given_up)
        else:
            call.future.set_exception(call.given_up)

    def _answer(self, call: _Call, reply: Ran | Made | Refused) -> None:
        """Hand over what a node gave; the crops lie in their folder before anybody hears of them."""
        if isinstance(reply, Refused):
            raise reply.error
        if isinstance(reply, Made):
            call.future.set_result(reply)
            return
        try:
            with os_errors(self._crops.parent):
                for data in reply.crops:
                    save_png(data, self._crops)
        except RagAppError as exc:
            call.future.set_exception(exc)
        else:
            call.future.set_result(reply.outcome)

    def _look(self) -> None:
        """Count the processors anew; raises ClusterError when there have been none for a while."""
        patient = time.monotonic() - self._alive_at < _PATIENCE_S
        try:
            cpus = self._cluster.cpus()
        except ClusterError:
            if patient:
                return
            raise
        if cpus:
            self.workers, self._alive_at = cpus, time.monotonic()
        elif not patient:
            raise ClusterError(
                "The cluster has lost all its nodes with processors; what was finished is kept in the library: run the "
                "same command again once they are back."
            )

    def _fail(self, error: BaseException) -> None:
        """Nothing more can be had from the cluster: whoever waits for it hears why."""
        with self._guard:
            self._failed = self._failed or error
            calls = [*self._running, *self._waiting]
            self._running.clear()
            self._waiting.clear()
        for call in calls:
            if not call.future.done():
                call.future.set_exception(error)


def _done(outcome: Outcome) -> Future[Outcome]:
    future: Future[Outcome] = Future()
    future.set_result(outcome)
    return future
