"""Pictures decoded in threads ahead of the forward pass, a bounded number of them at a time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from rag_app.errors import InputError

T = TypeVar("T")
MAX_WORKERS = 8  # each may hold one unpacked picture, 270 MB at worst


@dataclass(frozen=True, slots=True)
class Batch(Generic[T]):
    """Prepared pictures with their indices in the input, the ones that could not be, and how many were seen so far."""

    indices: list[int]
    prepared: list[T]
    problems: dict[int, str]
    seen: int


def batches(
    images: Iterable[Path | bytes], prepare: Callable[[Path | bytes], T], *, size: int, workers: int = 0
) -> Iterator[Batch[T]]:
    """The pictures in order, `size` good ones at a time, the next being prepared while the caller works on these.

    At most two batches are prepared or waiting, however long `images` is. InputError of one picture is its problem;
    any other error ends it all.
    """
    workers = workers or min(os.cpu_count() or 1, MAX_WORKERS)
    source = enumerate(images)
    pending: deque[tuple[int, Future[T]]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="pictures")

    def top_up() -> None:
        while len(pending) < 2 * size:
            following = next(source, None)
            if following is None:
                return
            pending.append((following[0], pool.submit(prepare, following[1])))

    seen = 0
    try:
        batch: Batch[T] = Batch([], [], {}, 0)
        top_up()
        while pending:
            index, future = pending.popleft()
            try:
                prepared = future.result()
            except InputError as exc:
                batch.problems[index] = str(exc)
            else:
                batch.indices.append(index)
                batch.prepared.append(prepared)
            seen += 1
            top_up()
            if len(batch.indices) == size or not pending:
                yield Batch(batch.indices, batch.prepared, batch.problems, seen)
                batch = Batch([], [], {}, 0)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
