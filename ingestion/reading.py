"""From files to Papers: pages are parsed in batches by worker processes, so one long paper uses every core.

`read_papers` is the entry; `ingestion.parsing` is what the workers run; `_File` takes one file from stop to stop:
look at it, parse its batches, join them.
"""

from __future__ import annotations

import errno
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestion.cache import BatchCache, Span, forget_cached
from ingestion.elements import Paper
from ingestion.files import find_files, sha256_of
from ingestion.limits import Limits
from ingestion.pool import Outcome, WorkerPool, default_workers
from rag_app.errors import DiskFull, ParsingError, RagAppError

if TYPE_CHECKING:
    from ingestion.parsing import FileFacts, PageJob, PageRecord

__all__ = ["ReadResult", "find_files", "forget_cached", "parser_name", "read_paper", "read_papers", "sha256_of"]

_REVISION = 1  # of our own part of the parser: raise it when the same PDF gives another Paper
_MOST_PAGES_A_BATCH = 8


@dataclass(frozen=True, slots=True)
class ReadResult:
    """One file read, or why not: exactly one of paper and error is set. seconds: from its first stop to its last."""

    path: Path
    paper: Paper | None
    error: RagAppError | None
    seconds: float


def parser_name() -> str:
    """Library, version and parameters that make a Paper; another name means: parse again."""
    return f"pymupdf4llm {version('pymupdf4llm')} layout; rag-app parser {_REVISION}"


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
) -> Generator[ReadResult]:
    """A ReadResult for each file, in the order they are finished.

    Parsing goes on in the background while the caller works on a result, a bounded number of files ahead. Closing the
    iterator, or Ctrl-C, kills the workers; what they had parsed of a file is in `cache` and is not parsed again.

    Args:
        paths: files, see `find_files`; not folders.
        crops: folder for the pictures of figures, tables and formulas; made if missing.
        workers: processes; as many as processors when None.
        password: tried on the files that need one.
        on_pages: called in the caller's thread with a path, its pages done, its pages in all.
        cache: folder for half-read files; None keeps nothing. See `forget_cached`.
    """
    crops.mkdir(parents=True, exist_ok=True)
    run = _Run(crops, password, limits or Limits(), cache, workers or default_workers())
    waiting = iter([Path(path) for path in paths])
    ahead = 2 * run.workers + 2
    open_files = 0
    with run.pool:
        while True:
            while open_files < ahead and (path := next(waiting, None)) is not None:
                _File(run, path).start()
                open_files += 1
            if not open_files:
                return
            event = run.events.get()
            if isinstance(event, ReadResult):
                open_files -= 1
                yield event
            elif isinstance(event, BaseException):
                raise event
            elif on_pages is not None:
                on_pages(*event)


class _Run:
    """What the files of one `read_papers` share."""

    def __init__(self, crops: Path, password: str | None, limits: Limits, cache: Path | None, workers: int) -> None:
        self.crops, self.password, self.limits, self.cache, self.workers = crops, password, limits, cache, workers
        self.pool = WorkerPool(workers, limits=limits)
        self.events: queue.SimpleQueue[ReadResult | BaseException | tuple[Path, int, int]] = queue.SimpleQueue()


class _File:
    """One file on its way. Its methods run in the pool's threads, one at a time (`_lock`)."""

    def __init__(self, run: _Run, path: Path) -> None:
        self._run = run
        self._path = path
        self._lock = threading.RLock()  # again by the same thread when a call is over at once
        self._started = time.monotonic()
        self._records: dict[int, PageRecord] = {}
        self._spans: list[Span] = []
        self._bad_pages = 0
        self._joining = False
        self._over = False
        self._facts: FileFacts
        self._job: PageJob
        self._cached: BatchCache

    def start(self) -> None:
        from ingestion.parsing import inspect_file

        self._call(self._looked_at, inspect_file, self._path, self._run.password, self._run.limits)

    def _call(
        self,
        then: Callable[[Outcome], None],
        function: Callable[..., Iterable[Any]],
        *args: Any,
        fresh: bool = False,
        first: bool = False,
    ) -> None:
        """Have a worker run function(*args), then go on with its outcome."""

        def go_on(future: Future[Outcome]) -> None:
            try:
                outcome = future.result()
                with self._lock:
                    if not self._over:
                        then(outcome)
            except CancelledError:
                return  # the pool was closed
            except RagAppError as exc:
                self._end(error=exc)
            except BaseException as exc:  # a thread has nobody to raise to: the caller's thread raises it
                self._run.events.put(exc)

        self._run.pool.submit(function, *args, fresh=fresh, first=first).add_done_callback(go_on)

    def _looked_at(self, outcome: Outcome) -> None:
        from ingestion.parsing import PageJob, PageRecord

        if outcome.error is not None:
            raise _about_file(outcome.error, self._path)
        run, facts = self._run, outcome.items[0]
        self._facts = facts
        self._job = PageJob(self._path, facts.stamp, run.crops, run.password, run.limits)
        self._cached = BatchCache(run.cache, sha256=facts.sha256, parser=parser_name(), crops=run.crops)
        size = min(_MOST_PAGES_A_BATCH, max(1, facts.pages // 8))
        self._spans = [(n, min(n + size - 1, facts.pages)) for n in range(1, facts.pages + 1, size)]
        for span in self._spans:
            if (records := self._cached.load(span)) is not None:
                for number, data in enumerate(records, start=span[0]):
                    self._records[number] = PageRecord(False, data)
        for span in self._spans:
            if span[0] not in self._records:
                self._parse(list(range(span[0], span[1] + 1)), span)
        self._took_pages()

    def _parse(self, numbers: list[int], span: Span, *, alone: bool = False) -> None:
        from ingestion.parsing import parse_pages

        def parsed(outcome: Outcome) -> None:
            self._records.update(zip(numbers, outcome.items, strict=False))
            left = numbers[len(outcome.items) :]
            if outcome.error is not None and left:
                self._failed(left, span, outcome.error, alone=alone)
            self._save(span)
            self._took_pages()

        self._call(parsed, parse_pages, self._job, numbers, fresh=alone, first=alone)

    def _failed(self, left: list[int], span: Span, error: RagAppError, *, alone: bool) -> None:
        """The first page left is the one that broke: try it once more alone in a new process, then give it up."""
        from ingestion.parsing import failed_page

        if not isinstance(error, ParsingError):
            raise error
        if self._bad_pages >= self._run.limits.bad_pages:
            for number in left:
                self._records[number] = failed_page(number, f"not tried, as {self._bad_pages} pages before it failed")
        elif alone:
            self._records[left[0]] = failed_page(left[0], str(error))
            self._bad_pages += 1
        else:
            self._parse(left[:1], span, alone=True)
            if left[1:]:
                self._parse(left[1:], span)

    def _save(self, span: Span) -> None:
        """Keep a whole batch, unless a page of it failed: that may have been the machine's bad moment."""
        records = [self._records.get(number) for number in range(span[0], span[1] + 1)]
        good = [record.data for record in records if record is not None and not record.failed]
        if len(good) < len(records):
            return
        try:
            self._cached.save(span, good)
        except OSError as exc:
            if exc.errno == errno.ENOSPC:
                raise DiskFull(f"No space left in {self._run.cache}: free some and run the command again.") from exc
            raise

    def _took_pages(self) -> None:
        done, total = len(self._records), self._facts.pages
        self._run.events.put((self._path, done, total))
        if done < total or self._joining:
            return
        self._joining = True
        from ingestion.parsing import assemble_paper

        pages = [self._records[number].data for number in range(1, total + 1)]
        self._call(self._assembled, assemble_paper, self._facts, self._path.name, parser_name(), pages, first=True)

    def _assembled(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            raise _about_file(outcome.error, self._path)
        self._end(paper=Paper.from_json(outcome.items[0]))

    def _end(self, *, paper: Paper | None = None, error: RagAppError | None = None) -> None:
        if not self._over:
            self._over = True
            self._run.events.put(ReadResult(self._path, paper, error, time.monotonic() - self._started))


def _about_file(error: RagAppError, path: Path) -> RagAppError:
    """A parser's failure on the whole file, with the file's name; our input errors name it already."""
    if isinstance(error, ParsingError) and path.name not in str(error):
        return type(error)(f"{path.name} could not be read: {error}.")
    return error
