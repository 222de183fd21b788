"""One event loop for all requests of the process, on a thread of its own.

Every request runs there, whoever asks: plain code, threads, one or several event loops. So there is one client and one
limit of concurrency for a server, nothing is bound to a caller's loop, and giving up in the caller (Ctrl-C, a cancelled
task, a generator closed early) cancels the request there, which closes its connection.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import os
import queue
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

_guard = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_at_exit: list[Callable[[], Coroutine[Any, Any, None]]] = []  # Any: a coroutine's unused send and yield types
_CLOSING_S = 2.0


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None = None


def loop() -> asyncio.AbstractEventLoop:
    """The loop; started at first use."""
    global _loop  # noqa: PLW0603  # one a process, as the thread it runs on
    with _guard:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="ollama", daemon=True).start()
        return _loop


def at_exit(close: Callable[[], Coroutine[Any, Any, None]]) -> None:  # Any: as above
    """Have `close` run on the loop before the process ends."""
    _at_exit.append(close)


def run(work: Coroutine[Any, Any, T]) -> T:  # Any: as above
    """What `work` returns or raises; giving up waiting cancels it."""
    future = asyncio.run_coroutine_threadsafe(work, loop())
    try:
        return future.result()
    finally:
        future.cancel()


async def arun(work: Coroutine[Any, Any, T]) -> T:  # Any: as above
    """As `run`, awaited from any event loop."""
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop()))


def iterate(source: AsyncGenerator[T, None]) -> Generator[T, None, None]:
    """The items of `source` as they come; closing the generator cancels it."""
    items: queue.SimpleQueue[T | _End] = queue.SimpleQueue()
    future = asyncio.run_coroutine_threadsafe(_pump(source, items.put), loop())
    future.add_done_callback(lambda done: items.put(_end_of(done)))
    try:
        while not isinstance(item := items.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        future.cancel()


async def aiterate(source: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """As `iterate`, in any event loop."""
    here = asyncio.get_running_loop()
    items: asyncio.Queue[T | _End] = asyncio.Queue()

    def put(item: T | _End) -> None:
        here.call_soon_threadsafe(items.put_nowait, item)

    def finish(done: concurrent.futures.Future[None]) -> None:
        with contextlib.suppress(RuntimeError):  # the caller's loop is closed: nobody waits any more
            put(_end_of(done))

    future = asyncio.run_coroutine_threadsafe(_pump(source, put), loop())
    future.add_done_callback(finish)
    try:
        while not isinstance(item := await items.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        future.cancel()


async def _pump(source: AsyncIterator[T], put: Callable[[T], None]) -> None:
    async with contextlib.aclosing(source) as items:  # pyright: ignore[reportArgumentType]  # always a generator
        async for item in items:
            put(item)


def _end_of(done: concurrent.futures.Future[None]) -> _End:
    return _End(asyncio.CancelledError() if done.cancelled() else done.exception())


def _close() -> None:
    """Close what is open, so that no connection is left to the garbage collector."""
    if _loop is None or not _loop.is_running():
        return

    async def close_all() -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for close in _at_exit:
            await close()

    closing = asyncio.run_coroutine_threadsafe(close_all(), _loop)
    with contextlib.suppress(TimeoutError):
        closing.result(_CLOSING_S)
    _loop.call_soon_threadsafe(_loop.stop)


def _forget() -> None:
    """In a forked child: its parent's thread and loop are not there."""
    global _loop, _guard
    _loop, _guard = None, threading.Lock()


atexit.register(_close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
