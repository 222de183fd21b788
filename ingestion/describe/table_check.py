"""A table that a model read against the layout's cells and the numbers of the PDF's text layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from ingestion.describe.cells import (
    ALIKE,
    Grid,
    at,
    is_empty,
    is_number,
    key,
    likeness,
    merged,
    same_numbers,
    words,
)
from ingestion.describe.findings import DOUBT, Checks, Finding, nothing_to_compare, settled, some, wrong
from ingestion.describe.numbers import Number, numbers_in, numbers_of
from ingestion.describe.schemas import TableReading
from ingestion.elements import Element

MOST_HEADER_ROWS = 5
SPELLING = 0.9  # of two texts: below it the words are others; between, a letter is


def check_table(reading: TableReading, element: Element, context: str = "") -> Checks:
    """The checks of one table: rectangular; numbers in the text layer; rows, columns, header and cells as laid out."""
    shape = _rectangular(reading)
    if not any(key(cell) for row in reading.rows for cell in row):
        return nothing_to_compare("The table has no cell.", shape)
    cells = element.cells or ()
    evidence = element.text or "\n".join(" ".join(row) for row in cells)
    if not evidence.strip():
        return nothing_to_compare("The PDF has neither cells nor a text layer of this table to compare with.", shape)
    findings = [*shape, *_numbers(reading, evidence, element), *_summary(reading, element, context)]
    if cells:
        findings += _layout(reading, cells, element.header_rows)
    else:
        findings.append(Finding("The layout found no cells, so rows and columns were not compared.", 2 * DOUBT))
    return settled(findings)


def _rectangular(reading: TableReading) -> list[Finding]:
    widths = Counter(len(row) for row in (*reading.header_rows, *reading.rows))
    if len(widths) <= 1:
        return []
    usual = widths.most_common(1)[0][0]
    return [wrong(f"The table is not rectangular: {widths.total() - widths[usual]} rows have not {usual} cells.")]


def _numbers(reading: TableReading, evidence: str, element: Element) -> list[Finding]:
    """Numbers of the reading that the text layer has not, and the other way; a merged cell's may come more often."""
    claimed = numbers_of(cell for row in (*reading.header_rows, *reading.rows) for cell in row)
    there = numbers_in(evidence)
    source = "what OCR read" if element.ocr else "the PDF's text layer"
    if not claimed and not there:
        return []
    pool = list(there)
    invented = [number for number in claimed if not _taken(number, pool)]
    repeated = [number for number in invented if any(number.same(other) for other in there)]
    invented = [number for number in invented if number not in repeated]
    needed = numbers_of(
        cell
        for r, row in enumerate(element.cells or ())
        for c, cell in enumerate(row)
        if not (c and key(row[c - 1]) == key(cell)) and not (r and key(at(element.cells or (), r - 1, c)) == key(cell))
    )
    pool = list(claimed)
    lost = [number for number in (needed if element.cells else there) if not _taken(number, pool)]
    share = 1 - len(invented) / len(claimed) if claimed else 0.0
    said = f"{len(claimed) - len(invented)} of {len(claimed)} numbers occur in {source} ({share:.0%})"
    if invented:
        return [wrong(f"{said}; not {some(n.text for n in invented)}.", 1 - share), *_lost(lost, len(there))]
    return [Finding(f"{said}."), *_lost(lost, len(there))]


def _lost(lost: list[Number], total: int) -> list[Finding]:
    if not lost:
        return []
    return [wrong(f"The table lacks {some(n.text for n in lost)}, which the PDF has.", len(lost) / max(1, total))]


def _taken(number: Number, pool: list[Number]) -> bool:
    """Whether the pool has the number; it is then taken out."""
    for i, other in enumerate(pool):
        if number.same(other):
            del pool[i]
            return True
    return False


def _summary(reading: TableReading, element: Element, context: str) -> list[Finding]:
    known = numbers_of((element.text, element.caption or "", context, *reading.notes))
    claimed = [n for n in numbers_in(reading.summary) if not n.plain_count]
    unknown = [n.text for n in claimed if not any(n.same(k) or (n.about and n.near(k)) for k in known)]
    return (
        [wrong(f"The summary names {some(unknown)}, which neither the table nor its caption has.")] if unknown else []
    )


def _layout(reading: TableReading, cells: Grid, header: int) -> list[Finding]:
    head, body = list(reading.header_rows), list(reading.rows)
    columns, width = max(len(row) for row in (*head, *body)), max(len(row) for row in cells)
    findings: list[Finding] = []
    if columns != width:
        findings.append(wrong(f"The table has {columns} columns, the layout {width}.", abs(columns - width) / width))
    end = _end_of_header(cells, header, len(cells) - len(body))
    if end != len(cells) - len(body) and len(head) + len(body) == len(cells):
        head, body = (head + body)[:header], (head + body)[header:]  # the header was not told from the rows
    header = end
    laid = list(cells[header:])
    if len(body) != len(laid):
        difference = abs(len(body) - len(laid)) / max(1, len(laid))
        findings.append(wrong(f"The table has {len(body)} rows below its header, the layout {len(laid)}.", difference))
    twice = [i + 1 for i, (a, b) in enumerate(pairwise(body)) if _row(a) == _row(b)]
    if twice and not any(_row(a) == _row(b) for a, b in pairwise(laid)):
        findings.append(wrong(f"Row {some(map(str, twice))} stands there twice."))
    if findings:
        return findings
    findings = [*_cells([*head, *body], cells, header, len(head) - header), *_header(head, cells[:header], width)]
    return findings or [Finding(f"Rows, columns and cells agree with the layout: {len(cells)} x {width}.")]


def _end_of_header(cells: Grid, header: int, wanted: int) -> int:
    """`wanted` header rows where the layout's cells allow it: rows of words may be header or not."""
    between = cells[min(header, wanted) : max(header, wanted)]
    if not 0 < wanted <= MOST_HEADER_ROWS or not all(_of_words(row) for row in between):
        return header
    return wanted


def _of_words(row: Sequence[str]) -> bool:
    filled = [cell for cell in row if cell.strip()]
    return sum(any(c.isalpha() for c in cell) for cell in filled) > len(filled) / 2


def _row(row: Iterable[str]) -> tuple[str, ...]:
    return tuple(key(cell) for cell in row)


def _cells(read: Grid, laid: Grid, header: int, shift: int = 0) -> list[Finding]:
    """Cells below the header that stand in another place or say another thing; row r of laid is row r + shift read."""
    numbers, texts, spelling = [], [], []
    for r, row in enumerate(laid[header:], start=header):
        for c, there in enumerate(row):
            here = at(read, r + shift, c)
            same = key(here) == key(there) or (is_empty(here) and is_empty(there))
            if same or _merge(read, laid, r, c, shift):
                continue
            place = f"row {r - header + 1}, column {c + 1} ({here or 'empty'!r}, not {there or 'empty'!r})"
            if is_empty(here) or is_empty(there):
                (numbers if is_number(here + there) else texts).append(place)
            elif not same_numbers(here, there):
                numbers.append(place)
            elif (like := likeness(here, there)) < SPELLING:
                texts.append(place) if like < ALIKE or is_number(there) else spelling.append(place)
            else:
                spelling.append(place)
    total = max(1, sum(len(row) for row in laid))
    findings: list[Finding] = []
    if numbers:
        findings.append(wrong(f"Numbers differ from the layout's in {some(numbers, 3)}.", len(numbers) / total))
    if texts:
        findings.append(wrong(f"Cells differ from the layout's in {some(texts, 3)}.", len(texts) / total))
    if spelling:
        cost = min(2.5 * DOUBT, DOUBT * len(spelling))
        findings.append(Finding(f"Spelling differs from the layout's in {some(spelling, 3)}.", cost))
    return findings


def _merge(read: Grid, laid: Grid, r: int, c: int, shift: int) -> bool:
    """One side leaves a cell blank that the other, for a merged cell, repeats."""
    here, there = at(read, r + shift, c), at(laid, r, c)
    if is_empty(here):
        return merged(laid, r, c)
    return is_empty(there) and not is_number(here) and merged(read, r + shift, c)


def _header(read: Grid, laid: Grid, width: int) -> list[Finding]:
    """Columns whose header has other words; merged header cells may be repeated or blank.

    Words in a header row more than the layout has are a doubt only: rotated words are no cells to the layout.
    """
    if not laid:
        return []
    other: list[str] = []
    beyond: list[str] = []
    for c in range(width):
        here, there = _column(read, c), _column(laid, c)
        lost = there - here - _column(laid, c, merged)
        # A title over all columns is often laid out over the middle ones only.
        more = here - there - _column(read, c, merged) - _column(laid, c - 1, merged) - _column(laid, c + 1, merged)
        joined = [" ".join(dict.fromkeys(at(grid, r, c) for r in range(len(grid)))) for grid in (read, laid)]
        if (lost or more) and likeness(*joined) < SPELLING:
            told = beyond if not lost and len(read) > len(laid) else other
            told.append(f"column {c + 1} ({joined[0].strip()!r}, not {joined[1].strip()!r})")
    findings: list[Finding] = []
    if other:
        findings.append(wrong(f"The header differs from the layout's in {some(other, 3)}.", len(other) / width))
    if beyond:
        cost = min(3 * DOUBT, DOUBT * len(beyond))
        findings.append(
            Finding(
                f"The header has a row more than the layout's, which may lack rotated words, in {some(beyond, 3)}.",
                cost,
            )
        )
    return findings


def _column(grid: Grid, column: int, which: Callable[[Grid, int, int], bool] | None = None) -> set[str]:
    """The words in one column of a header, of all its cells or of those that `which` holds for."""
    cells = (at(grid, r, column) for r in range(len(grid)) if which is None or which(grid, r, column))
    return set().union(*(words(cell) for cell in cells))
