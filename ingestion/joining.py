"""Joins the parsed pages of a file to its Paper, with what went wrong with the file as a whole; runs in a worker."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from ingestion.assembly import assemble
from ingestion.blocks import PageBlocks
from ingestion.elements import Problem
from ingestion.ocr import INSTALL
from ingestion.records import FileFacts
from rag_app.errors import ParsingError


def assemble_paper(facts: FileFacts, name: str, parser: str, pages: Sequence[bytes]) -> Iterator[str]:
    """The JSON of the Paper made of these page records, in page order.

    Raises:
        ParsingError: no page of it could be read.
    """
    raw = [json.loads(page) for page in pages]
    if all(page["failed"] for page in raw):
        raise ParsingError(f"No page of {name} could be read. {raw[0]['page']['problems'][-1]['message']}")
    problems: list[Problem] = []
    if facts.repaired:
        problems.append(_mended([page["page"]["number"] for page in raw if page["blank"]], facts.pages))
    if scans := [page["page"]["number"] for page in raw if page["scan"]]:
        problems.append(_unread(scans))
    paper = assemble(
        [PageBlocks.from_dict(page["page"]) for page in raw],
        sha256=facts.sha256,
        name=name,
        problems=tuple(problems),
        parser=parser,
        pdf_metadata=facts.metadata,
    )
    yield paper.to_json()


def _unread(scans: Sequence[int]) -> Problem:
    one = len(scans) == 1
    which = f"Page {scans[0]} is a scan" if one else f"{len(scans)} pages ({_ranges(scans)}) are scans"
    return Problem("ocr", scans[0] if one else None, f"{which} and {'was' if one else 'were'} not read: {INSTALL}.")


def _ranges(numbers: Sequence[int]) -> str:
    """1-3, 7 for 1 2 3 7."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def _mended(blank: Sequence[int], total: int) -> Problem:
    """What to say of a file whose table of objects MuPDF had to rebuild."""
    if not blank:
        return Problem("open", None, "The file is damaged and was mended; something may be missing.")
    if len(blank) == 1:
        lost = f"page {blank[0]} of its {total} looks empty, what stood on it"
    else:
        lost = f"{len(blank)} of its {total} pages ({_ranges(blank)}) look empty, what stood on them"
    return Problem("open", None, f"The file is damaged: {lost} is lost; get a whole copy of it.")
