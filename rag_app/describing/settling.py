"""Descriptions go into the library in a thread of their own, so that no model waits for an embedding."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from rag_app.errors import LibraryBusy
from rag_app.store import Reading, Store
from rag_app.store.store import Embed

_BATCH = 8
_PATIENCE_S = 600.0  # another process's transaction ends long before

T = TypeVar("T")


class Settling:
    """Takes readings and puts them into the library, several at once when they come faster than they are embedded.

    Use it as a context: leaving it settles what is left; leaving it by an exception leaves the rest in the ledger, kept
    for the next run.
    """

    def __init__(self, store: Store, embed: Embed | None, on_settled: Callable[[Sequence[Reading], int], None]) -> None:
        self._store = store
        self._embed = embed
        self._on_settled = on_settled
        self._queue: queue.SimpleQueue[Reading | None] = queue.SimpleQueue()
        self._given_up = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._serve, name="settling", daemon=True)

    def __enter__(self) -> Settling:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._given_up.set()
        self._queue.put(None)
        self._thread.join()
        if kind is None:
            self.check()

    def put(self, reading: Reading) -> None:
        """Settle this one, soon."""
        self._queue.put(reading)

    def check(self) -> None:
        """Raise what went wrong in the thread."""
        if self._error is not None:
            raise self._error

    def _serve(self) -> None:
        try:
            ended = False
            while not ended:
                batch, ended = self._batch()
                if batch and not self._given_up.is_set() and self._error is None:
                    count = patiently(lambda readings=batch: self._store.describe(readings, embed=self._embed))
                    self._on_settled(batch, count)
        except BaseException as exc:  # raised again in the thread that asks, see check
            self._error = exc
        finally:
            self._store.database.release()

    def _batch(self) -> tuple[list[Reading], bool]:
        """One reading, waited for, and what else is there; and whether it was the end."""
        found: list[Reading] = []
        reading = self._queue.get()
        while reading is not None:
            found.append(reading)
            if len(found) == _BATCH:
                return found, False
            try:
                reading = self._queue.get_nowait()
            except queue.Empty:
                return found, False
        return found, True


def patiently(change: Callable[[], T]) -> T:
    """What `change` gives, tried again while another process holds SQLite's lock; a reply must not be lost for that."""
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return change()
        except LibraryBusy:
            if time.monotonic() > end:
                raise
