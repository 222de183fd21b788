"""What a worker process does with a file: look at it, parse some of its pages, join them, or read a picture.

Each function is a generator called through `ingestion.pool`; what it yields is small or already serialised, so that the
parent holds bytes, not objects.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymupdf

from ingestion.blocks import PageBlocks
from ingestion.elements import Problem
from ingestion.files import FileKind, check_file, sha256_of
from ingestion.limits import Limits
from ingestion.opening import open_pdf
from ingestion.worker import describe
from rag_app.errors import DiskFull, InputError, ParsingError, RagAppError


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What is known of a file before its pages are read.

    stamp     size in bytes and modification time in ns: a file that changes while it is read is refused
    repaired  MuPDF had to rebuild its table of contents of objects
    """

    kind: FileKind
    sha256: str
    stamp: tuple[int, int]
    pages: int
    repaired: bool
    metadata: dict[str, str]


@dataclass(frozen=True, slots=True)
class PageRecord:
    """One page as it passes between processes and lies in the cache.

    failed  nothing of it could be read
    data    JSON: {"failed": bool, "blank": bool (nothing is painted on it), "page": PageBlocks.to_dict()}
    """

    failed: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class PageJob:
    """What every batch of pages of one file shares."""

    path: Path
    stamp: tuple[int, int]
    crops: Path
    password: str | None
    limits: Limits


def inspect_file(path: Path, password: str | None, limits: Limits) -> Iterator[FileFacts]:
    """One FileFacts; raises InputError when the file cannot be opened."""
    kind = check_file(path, limits=limits)
    stamp = _stamp(path)
    sha256 = sha256_of(path)
    if kind == "picture":
        yield FileFacts(kind, sha256, stamp, pages=1, repaired=False, metadata={})
        return
    with open_pdf(path, password=password, limits=limits) as doc:
        metadata = {key: value for key, value in (doc.metadata or {}).items() if isinstance(value, str) and value}
        yield FileFacts(kind, sha256, stamp, pages=doc.page_count, repaired=bool(doc.is_repaired), metadata=metadata)


def parse_pages(job: PageJob, numbers: Sequence[int]) -> Iterator[PageRecord]:
    """The record of each page (1-based); a page that fails is one with `failed` set and a problem in it.

    Raises:
        InputError: the file changed or went away since it was looked at.
        DiskFull: a crop could not be written.
        MemoryError: the page would need more memory than this process may have.
    """
    doc = _document(job)
    for number in numbers:
        yield _parse_page(doc, number, job)
        pymupdf.TOOLS.store_shrink(100)


def failed_page(number: int, reason: str, *, width: float = 595.0, height: float = 842.0) -> PageRecord:
    """The record of a page that could not be read; its size is a guess (A4) where it is not known."""
    problem = Problem("parse", number, f"Page {number} could not be read: {reason}.")
    return _record(PageBlocks(number, width, height, (), problems=(problem,)), failed=True)


def assemble_paper(facts: FileFacts, name: str, parser: str, pages: Sequence[bytes]) -> Iterator[str]:
    """The JSON of the Paper made of these page records, in page order.

    Raises:
        ParsingError: no page of it could be read.
    """
    from ingestion.assembly import assemble

    raw = [json.loads(page) for page in pages]
    if all(page["failed"] for page in raw):
        raise ParsingError(f"No page of {name} could be read. {raw[0]['page']['problems'][-1]['message']}")
    problems: list[Problem] = []
    if facts.repaired:
        problems.append(_mended(sum(page["blank"] for page in raw), facts.pages))
    paper = assemble(
        [PageBlocks.from_dict(page["page"]) for page in raw],
        sha256=facts.sha256,
        name=name,
        problems=tuple(problems),
        parser=parser,
        pdf_metadata=facts.metadata,
    )
    yield paper.to_json()


def _record(page: PageBlocks, *, failed: bool = False, blank: bool = False) -> PageRecord:
    data = json.dumps({"failed": failed, "blank": blank, "page": page.to_dict()}, ensure_ascii=False)
    return PageRecord(failed, data.encode())


def _mended(blank: int, total: int) -> Problem:
    """What to say of a file whose table of objects MuPDF had to rebuild."""
    if blank:
        return Problem(
            "open",
            None,
            f"The file is damaged: {blank} of its {total} pages look empty, what stood on them is lost. "
            "Get a whole copy of it.",
        )
    return Problem("open", None, "The file is damaged and was mended; something may be missing.")


def _parse_page(doc: pymupdf.Document, number: int, job: PageJob) -> PageRecord:
    from ingestion.layout import parse_page

    width, height = 595.0, 842.0
    try:
        page = doc.load_page(number - 1)
        width, height = page.rect.width, page.rect.height
        if max(width, height) > job.limits.page_points:
            return failed_page(
                number,
                f"it measures {width:.0f} x {height:.0f} points, the limit is {job.limits.page_points:.0f}",
                width=width,
                height=height,
            )
        parsed = parse_page(page, crops=job.crops)
        blank = not parsed.blocks and not page.get_bboxlog()
        return _record(parsed, blank=blank)
    except (RagAppError, MemoryError):
        raise
    except Exception as exc:  # the border of the page: what one page does to a library must not cost the others
        if isinstance(exc, OSError) and exc.errno == errno.ENOSPC:
            raise DiskFull(f"No space left in {job.crops}: free some and run the same command again.") from exc
        if "alloc" in str(exc):  # how MuPDF and ONNX Runtime say that memory ran out
            raise MemoryError(describe(exc)) from exc
        return failed_page(number, describe(exc), width=width, height=height)


_opened: dict[PageJob, pymupdf.Document] = {}  # at most one: the document this process worked on last


def _document(job: PageJob) -> pymupdf.Document:
    """The job's document, kept open between batches: mending a damaged file of 50 MB takes seconds."""
    if _stamp(job.path) != job.stamp:
        raise InputError(f"{job.path.name} changed while it was read: run the same command again.")
    if job not in _opened:
        while _opened:
            _opened.popitem()[1].close()
        _one_thread_each()
        _opened[job] = open_pdf(job.path, password=job.password, limits=job.limits)
    return _opened[job]


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError as exc:
        raise InputError(f"{path} cannot be reached ({exc.strerror}): check the name and permissions.") from exc
    return found.st_size, found.st_mtime_ns


def _one_thread_each() -> None:
    """One ONNX Runtime thread for the layout model, since each core has a process: 0.43 instead of 0.55 CPU-s a page.

    A subclass, since pymupdf.layout uses the class in annotations; it must be in place before that is imported.
    """
    import onnxruntime

    if hasattr(onnxruntime.InferenceSession, "one_thread"):
        return

    class OneThread(onnxruntime.InferenceSession):
        one_thread = True

        def __init__(
            self, path_or_bytes: Any, sess_options: Any = None, *args: Any, **kwargs: Any
        ) -> None:  # Any: theirs
            options = sess_options or onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            super().__init__(path_or_bytes, options, *args, **kwargs)

    onnxruntime.InferenceSession = OneThread
