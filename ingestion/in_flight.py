"""The files being read: each is looked at, its batches of pages parsed, and joined, all in the workers."""

from __future__ import annotations

import dataclasses
import errno
import queue
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestion.cache import BatchCache, Span
from ingestion.child import Outcome
from ingestion.elements import Paper
from ingestion.limits import Limits
from ingestion.pool import Pool, WorkerPool
from rag_app.errors import ClusterError, DiskFull, ParsingError, ParsingTimeout, RagAppError

if TYPE_CHECKING:
    from ingestion.records import FileFacts, PageJob, PageRecord

_REVISION = 3  # raise it when the same PDF gives another Paper
_MOST_PAGES_A_BATCH = 8


@dataclass(frozen=True, slots=True)
class ReadResult:
    """One file read, or why not: exactly one of paper and error is set.

    seconds: from its first stop to its last. made: what `then` of `read_papers` made of the paper.
    """

    path: Path
    paper: Paper | None
    error: RagAppError | None
    seconds: float
    made: Any = None  # Any: whatever `then` gives


@dataclass(frozen=True, slots=True)
class Made:
    """The paper of `result` was read at `since` (time.monotonic()), and what is to be made of it now is."""

    result: ReadResult
    future: Future[Any]
    since: float

    def whole(self) -> ReadResult:
        """The result with what was made of it; raises what went wrong."""
        seconds = self.result.seconds + time.monotonic() - self.since
        return dataclasses.replace(self.result, made=self.future.result(), seconds=seconds)


def parser_name() -> str:
    """Library, version and parameters that make a Paper; another name means: parse again."""
    return f"pymupdf-layout {version('pymupdf-layout')}, rag-app blocks {_REVISION}"


class Run:
    """What the files of one `read_papers` share."""

    def __init__(
        self,
        crops: Path,
        password: str | None,
        limits: Limits,
        cache: Path | None,
        workers: int,
        *,
        pool: Pool | None = None,
    ) -> None:
        self.crops, self.password, self.limits, self.cache, self.workers = crops, password, limits, cache, workers
        self.pool = pool or WorkerPool(workers, limits=limits)
        self.events: queue.SimpleQueue[ReadResult | Made | BaseException | tuple[Path, int, int]] = queue.SimpleQueue()


class FileInFlight:
    """One file on its way. Its methods run in the pool's threads, one at a time (`_lock`)."""

    def __init__(self, run: Run, path: Path) -> None:
        self._run = run
        self._path = path
        self._lock = threading.RLock()  # again by the same thread when a call is over at once
        self._started = time.monotonic()
        self._records: dict[int, PageRecord] = {}
        self._spans: list[Span] = []
        self._bad_pages = 0  # given up by the layout model
        self._lost_pages = 0  # not even read as plain text
        self._with_layout: dict[Future[Outcome], tuple[list[int], Span]] = {}
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
    ) -> Future[Outcome]:
        """Have a worker run function(*args), then go on with its outcome, unless it was cancelled."""

        def go_on(future: Future[Outcome]) -> None:
            try:
                outcome = future.result()
                with self._lock:
                    if not self._over:
                        then(outcome)
            except CancelledError:
                return  # the pool was closed, or the call replaced
            except ClusterError as exc:  # about no file: the caller's thread raises it
                self._run.events.put(exc)
            except RagAppError as exc:
                self._end(error=exc)
            except BaseException as exc:  # a thread has nobody to raise to: the caller's thread raises it
                self._run.events.put(exc)

        submitted = self._run.pool.submit(function, *args, fresh=fresh, first=first)
        submitted.add_done_callback(go_on)
        return submitted

    def _looked_at(self, outcome: Outcome) -> None:
        from ingestion.parsing import read_picture_file
        from ingestion.records import PageJob, PageRecord

        if outcome.error is not None:
            raise _about_file(outcome.error, self._path)
        run, facts = self._run, outcome.items[0]
        self._facts = facts
        if facts.kind == "picture":
            self._call(self._assembled, read_picture_file, self._path, facts, run.crops, run.limits, parser_name())
            return
        self._job = PageJob(self._path, facts.stamp, run.crops, run.password, run.limits)
        made_by = f"{parser_name()}; ocr {'+'.join(facts.languages)}"
        self._cached = BatchCache(run.cache, sha256=facts.sha256, parser=made_by, crops=run.crops)
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

    def _parse(self, numbers: list[int], span: Span, *, alone: bool = False, plain: str | None = None) -> None:
        from ingestion.parsing import parse_pages

        def parsed(outcome: Outcome) -> None:
            self._records.update(zip(numbers, outcome.items, strict=False))
            left = numbers[len(outcome.items) :]
            if outcome.error is not None and left:
                self._failed(left, span, outcome.error, alone=alone, plain=plain)
            self._save(span)
            self._took_pages()

        future = self._call(parsed, parse_pages, self._job, numbers, plain, fresh=alone, first=alone)
        if plain is None:
            self._with_layout[future] = (numbers, span)

    def _failed(self, left: list[int], span: Span, error: RagAppError, *, alone: bool, plain: str | None) -> None:
        """The first page left is the one that broke: once more alone in a new process, then as plain text, then not."""
        from ingestion.records import failed_page

        if not isinstance(error, ParsingError):
            raise error
        page, rest = left[0], left[1:]
        if plain is not None:
            self._records[page] = failed_page(page, str(error))
            self._lost_pages += 1
            if self._lost_pages >= self._run.limits.bad_pages:
                for number in rest:
                    self._records[number] = failed_page(number, f"not tried, as {self._lost_pages} pages failed before")
                return
        elif alone or isinstance(error, ParsingTimeout):
            self._bad_pages += 1
            self._parse([page], span, alone=True, plain=str(error))
            if self._bad_pages >= self._run.limits.bad_pages:
                plain = f"the layout of {self._bad_pages} pages of the file failed before"
                self._give_up_layout(plain)
        else:
            self._parse([page], span, alone=True)
        if rest:
            self._parse(rest, span, plain=plain)

    def _give_up_layout(self, why: str) -> None:
        """Read the batches that still wait as plain text: a file of 500 such pages would take a day."""
        for future, (numbers, span) in list(self._with_layout.items()):
            if future.cancel():
                del self._with_layout[future]
                self._parse(numbers, span, plain=why)

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
        from ingestion.joining import assemble_paper

        pages = [self._records[number].data for number in range(1, total + 1)]
        self._call(self._assembled, assemble_paper, self._facts, self._path.name, parser_name(), pages, first=True)

    def _assembled(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            raise _about_file(outcome.error, self._path)
        paper = Paper.from_json(outcome.items[0])
        if self._facts.kind == "picture":
            self._run.events.put((self._path, len(paper.pages), len(paper.pages)))
        self._end(paper=paper)

    def _end(self, *, paper: Paper | None = None, error: RagAppError | None = None) -> None:
        if not self._over:
            self._over = True
            self._run.events.put(ReadResult(self._path, paper, error, time.monotonic() - self._started))


def _about_file(error: RagAppError, path: Path) -> RagAppError:
    """A parser's failure on the whole file, with the file's name; our input errors name it already."""
    if isinstance(error, ParsingError) and path.name not in str(error):
        return type(error)(f"{path.name} could not be read: {error}.")
    return error
