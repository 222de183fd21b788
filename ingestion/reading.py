"""From files to Papers: pages are parsed in batches by worker processes, so one long paper uses every core.

`ingestion.in_flight` takes each file from stop to stop, `ingestion.pool` keeps the workers, `ingestion.parsing` is what
they run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from ingestion.cache import forget_cached
from ingestion.elements import Paper, Problem
from ingestion.files import find_files, sha256_of
from ingestion.in_flight import FileInFlight, Made, ReadResult, Run, parser_name
from ingestion.limits import Limits
from ingestion.pool import Pool, default_workers

__all__ = [
    "ReadResult",
    "find_files",
    "forget_cached",
    "parser_name",
    "read_paper",
    "read_papers",
    "scans_can_be_read_now",
    "sha256_of",
]


def read_paper(
    path: str | Path,
    *,
    crops: Path,
    password: str | None = None,
    limits: Limits | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    cache: Path | None = None,
) -> Paper:
    """The Paper of one file, its pages parsed in worker processes.

    Args:
        crops: folder for the pictures of figures, tables and formulas; made if missing.
        progress: called with pages done and pages in all.

    Raises:
        InputError: the file is not one we can read.
        ParsingError: no page of it could be parsed.
    """
    heard = progress

    def on_pages(_: Path, done: int, total: int) -> None:
        if heard is not None:
            heard(done, total)

    (result,) = read_papers(
        [path], crops=crops, workers=workers, password=password, limits=limits, on_pages=on_pages, cache=cache
    )
    if result.paper is None:
        assert result.error is not None
        raise result.error
    return result.paper


def read_papers(
    paths: Iterable[str | Path],
    *,
    crops: Path,
    workers: int | None = None,
    password: str | None = None,
    limits: Limits | None = None,
    on_pages: Callable[[Path, int, int], None] | None = None,
    cache: Path | None = None,
    pool: Pool | None = None,
    then: Callable[[Paper], Future[Any]] | None = None,
) -> Generator[ReadResult]:
    """A ReadResult for each file, in the order they are finished.

    Parsing goes on in the background while the caller works on a result, a bounded number of files ahead. Closing the
    iterator, or Ctrl-C, kills the workers; what they had parsed of a file is in `cache` and is not parsed again.

    Args:
        paths: files, see `find_files`; not folders.
        crops: folder for the pictures of figures, tables and formulas; made if missing; one reading at a time.
        workers: processes; as many as processors when None.
        password: tried on the files that need one.
        on_pages: called in the caller's thread with a path, its pages done, its pages in all.
        cache: folder for half-read files; None keeps nothing. See `forget_cached`.
        pool: where to parse instead of in processes of this machine; it is left when the iterator ends.
        then: called in the caller's thread with each paper; its result is given once what it began is done.

    Raises what `then` and what it began raise, and ClusterError when the pool is lost.
    """
    crops.mkdir(parents=True, exist_ok=True)
    run = Run(crops, password, limits or Limits(), cache, workers or default_workers(), pool=pool)
    try:
        _drop_unfinished(crops)
        with run.pool:
            yield from _results(run, iter([Path(path) for path in paths]), on_pages, then)
    finally:
        _drop_unfinished(crops)


def _results(
    run: Run,
    waiting: Iterator[Path],
    on_pages: Callable[[Path, int, int], None] | None,
    then: Callable[[Paper], Future[Any]] | None,
) -> Iterator[ReadResult]:
    """Keep so many files in flight that the workers never wait for the caller; memory grows with that, not with all."""
    ahead = 2 * run.workers + 2
    open_files = 0
    while True:
        while open_files < ahead and (path := next(waiting, None)) is not None:
            FileInFlight(run, path).start()
            open_files += 1
        if not open_files:
            return
        event = run.events.get()
        if isinstance(event, ReadResult) and event.paper is not None and then is not None:
            made = Made(event, then(event.paper), time.monotonic())
            made.future.add_done_callback(lambda _, made=made: run.events.put(made))
        elif isinstance(event, ReadResult | Made):
            open_files -= 1
            yield event if isinstance(event, ReadResult) else event.whole()
        elif isinstance(event, BaseException):
            raise event
        elif on_pages is not None:
            on_pages(*event)


def _drop_unfinished(crops: Path) -> None:
    """Remove what workers that were killed had not written to the end; no other reading may use the folder."""
    for file in crops.glob(".crop-*.tmp"):
        file.unlink(missing_ok=True)


def scans_can_be_read_now(problems: Sequence[Problem]) -> bool:
    """Whether a paper has pages that were not read for want of OCR, and OCR has been installed since."""
    unread = [problem for problem in problems if problem.stage == "ocr"]
    if not unread:
        return False
    from ingestion.ocr import INSTALL, available

    return available().ready and any(INSTALL in problem.message for problem in unread)
