"""What passes between the parent and its workers about a file and its pages."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ingestion.blocks import PageBlocks
from ingestion.elements import Problem
from ingestion.files import FileKind
from ingestion.limits import Limits


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What is known of a file before its pages are read.

    stamp     size in bytes and modification time in ns: a file that changes while it is read is refused
    repaired  MuPDF had to rebuild its table of objects
    languages those OCR will use on its scanned pages; empty when there is no engine
    """

    kind: FileKind
    sha256: str
    stamp: tuple[int, int]
    pages: int
    repaired: bool
    metadata: dict[str, str]
    languages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PageRecord:
    """One page as it passes between processes and lies in the cache.

    failed  nothing of it could be read
    data    JSON: {"failed", "blank", "scan", "page"}; blank: nothing is painted on it; scan: one that nobody read;
            page: `PageBlocks.to_dict`
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


def failed_page(number: int, reason: str, *, width: float = 595.0, height: float = 842.0) -> PageRecord:
    """The record of a page that could not be read; its size is a guess (A4) where it is not known."""
    problem = Problem("parse", number, f"Page {number} could not be read: {reason}.")
    return page_record(PageBlocks(number, width, height, (), problems=(problem,)), failed=True)


def page_record(page: PageBlocks, *, failed: bool = False, blank: bool = False, scan: bool = False) -> PageRecord:
    data = json.dumps({"failed": failed, "blank": blank, "scan": scan, "page": page.to_dict()}, ensure_ascii=False)
    return PageRecord(failed, data.encode())
