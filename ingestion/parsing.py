"""What a worker process does with a file: look at it, parse some of its pages, join them, or read a picture.

Each function is a generator called through `ingestion.pool`; what it yields is small or already serialised, so that the
parent holds bytes, not objects.
"""

from __future__ import annotations

import dataclasses
import errno
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pymupdf

from ingestion.elements import Problem
from ingestion.files import check_file, sha256_of
from ingestion.hidden import find_hidden_text
from ingestion.images import read_picture
from ingestion.limits import Limits
from ingestion.ocr import available, needs_ocr, ocr_page
from ingestion.opening import open_pdf
from ingestion.plain import plain_page
from ingestion.records import FileFacts, PageJob, PageRecord, failed_page, page_record
from ingestion.titles import one_line
from ingestion.worker import describe
from rag_app.errors import DiskFull, InputError, RagAppError

_TOLD_HIDDEN = 3  # fewer hidden characters than this are left out without a word
_TOLD_WITHOUT_PLACE = 200  # characters of a page; fewer may be its number and running head


def inspect_file(path: Path, password: str | None, limits: Limits) -> Iterator[FileFacts]:
    """One FileFacts; raises InputError when the file cannot be opened."""
    kind = check_file(path, limits=limits)
    stamp = _stamp(path)
    sha256 = sha256_of(path)
    pages, repaired, metadata = 1, False, {}
    if kind == "pdf":
        with open_pdf(path, password=password, limits=limits) as doc:
            pages, repaired = doc.page_count, bool(doc.is_repaired)
            stated = {key: one_line(value) for key, value in (doc.metadata or {}).items() if isinstance(value, str)}
            metadata = {key: value for key, value in stated.items() if value}
    yield FileFacts(kind, sha256, stamp, pages, repaired, metadata, available().languages)


def parse_pages(job: PageJob, numbers: Sequence[int], plain: str | None = None) -> Iterator[PageRecord]:
    """The record of each page (1-based); a page that fails is one with `failed` set and a problem in it.

    Args:
        plain: why the layout model is not to be used: the pages are read as plain text, with this as their problem.

    Raises:
        InputError: the file changed or went away since it was looked at.
        DiskFull: a crop could not be written.
        MemoryError: the page would need more memory than this process may have.
    """
    doc = _document(job)
    for number in numbers:
        yield _parse_page(doc, number, job, plain)
        pymupdf.TOOLS.store_shrink(100)


def read_picture_file(path: Path, facts: FileFacts, crops: Path, limits: Limits, parser: str) -> Iterator[str]:
    """The JSON of the Paper of a picture file."""
    yield read_picture(path, facts.sha256, crops=crops, limits=limits, parser=parser).to_json()


def _parse_page(doc: pymupdf.Document, number: int, job: PageJob, plain: str | None) -> PageRecord:
    width, height = 595.0, 842.0
    try:
        page = doc.load_page(number - 1)
        page.remove_rotation()  # boxes then are those of the page as shown
        width, height = page.rect.width, page.rect.height
        if max(width, height) > job.limits.page_points:
            reason = f"it measures {width:.0f} x {height:.0f} points, the limit is {job.limits.page_points:.0f}"
            return failed_page(number, reason, width=width, height=height)
        return _parsed(page, number, job) if plain is None else _plain(page, number, plain)
    except (RagAppError, MemoryError):
        raise
    except Exception as exc:  # the border of the page: what one page does to a library must not cost the others
        if isinstance(exc, OSError) and exc.errno == errno.ENOSPC:
            raise DiskFull(f"No space left in {job.crops}: free some and run the same command again.") from exc
        if "alloc" in str(exc):  # how MuPDF and ONNX Runtime say that memory ran out
            raise MemoryError(describe(exc)) from exc
        if plain is None:
            return _parse_page(doc, number, job, describe(exc))
        return failed_page(number, describe(exc), width=width, height=height)


def _plain(page: pymupdf.Page, number: int, why: str) -> PageRecord:
    """The page's text alone; a page without text is one that could not be read."""
    parsed = plain_page(page, hidden=find_hidden_text(page).boxes)
    if not parsed.blocks:
        return failed_page(number, why, width=parsed.width, height=parsed.height)
    message = f"Page {number} was read as plain text, without tables, figures and formulas: {why}."
    return page_record(dataclasses.replace(parsed, problems=(Problem("parse", number, message),)))


def _parsed(page: pymupdf.Page, number: int, job: PageJob) -> PageRecord:
    """Hidden text out, OCR where there is no text, then the layout."""
    from ingestion.layout import parse_page

    problems: list[Problem] = []
    if needs_ocr(page):
        status = available()
        if not status.ready:
            return page_record(parse_page(page, crops=job.crops), scan=True)
        with ocr_page(page, status, limits=job.limits) as scan:
            parsed = parse_page(scan[0], crops=job.crops, ocr=True)
        if not any(block.lines for block in parsed.blocks):
            problems.append(Problem("ocr", number, f"Page {number} is a picture in which OCR found no text."))
    else:
        hidden = find_hidden_text(page)
        if hidden.characters >= _TOLD_HIDDEN:
            message = f"Page {number}: {hidden.characters} hidden characters left out."
            problems.append(Problem("hidden_text", number, message))
        parsed = parse_page(page, crops=job.crops, hidden=hidden.boxes, ocr=hidden.ocr_layer)
        if not parsed.blocks and len("".join(str(page.get_text()).split())) - hidden.characters >= _TOLD_WITHOUT_PLACE:
            return _plain(page, number, "no text was found where it is drawn")
    # A page read by OCR was parsed as page 1 of a document of its own.
    inner = (dataclasses.replace(problem, page=number) for problem in parsed.problems)
    parsed = dataclasses.replace(parsed, number=number, problems=(*problems, *inner))
    return page_record(parsed, blank=not parsed.blocks and not page.get_bboxlog())


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
