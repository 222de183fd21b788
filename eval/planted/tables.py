"""Errors in tables: in numbers, rows, columns, cells, header and summary."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from eval.planted import digits
from ingestion.describe.schemas import TableReading

Rows = list[list[str]]
Change = Callable[[TableReading, random.Random], TableReading | None]
DIGIT = re.compile("[0-9۰-۹]")
_INVENTED = ("Baseline", "Accuracy", "LSTM-CRF", "Human", "Recall@10", "دقت", "میانگین")


def changed_table(reading: TableReading, *, header: Rows | None = None, rows: Rows | None = None) -> TableReading:
    update = {"header_rows": header, "rows": rows}
    return reading.model_copy(update={key: value for key, value in update.items() if value is not None})


def copied(rows: Rows) -> Rows:
    return [list(row) for row in rows]


def _in_number(change: Callable[[str, random.Random], str | None]) -> Change:
    """A change to one cell with digits."""

    def changed(reading: TableReading, rng: random.Random) -> TableReading | None:
        rows = copied(reading.rows)
        places = [(r, c) for r, row in enumerate(rows) for c, cell in enumerate(row) if DIGIT.search(cell)]
        rng.shuffle(places)
        for r, c in places:
            done = change(rows[r][c], rng)
            if done is not None and done != rows[r][c]:
                rows[r][c] = done
                return changed_table(reading, rows=rows)
        return None

    return changed


def _row_lost(reading: TableReading, rng: random.Random) -> TableReading | None:
    at = rng.randrange(len(reading.rows))
    return changed_table(reading, rows=reading.rows[:at] + reading.rows[at + 1 :]) if len(reading.rows) > 1 else None


def _row_twice(reading: TableReading, rng: random.Random) -> TableReading:
    at = rng.randrange(len(reading.rows))
    return changed_table(reading, rows=[*reading.rows[: at + 1], *reading.rows[at:]])


def _row_invented(reading: TableReading, rng: random.Random) -> TableReading:
    at = rng.randrange(len(reading.rows))
    row = [digits.changed(digits.changed(cell, rng) or cell, rng) or cell for cell in reading.rows[at]]
    row[0] = rng.choice(_INVENTED)
    return changed_table(reading, rows=[*reading.rows[: at + 1], row, *reading.rows[at + 1 :]])


def _rows_exchanged(reading: TableReading, rng: random.Random) -> TableReading | None:
    pairs = [(i, i + 1) for i in range(len(reading.rows) - 1) if reading.rows[i] != reading.rows[i + 1]]
    if not pairs:
        return None
    rows = copied(reading.rows)
    i, j = rng.choice(pairs)
    rows[i], rows[j] = rows[j], rows[i]
    return changed_table(reading, rows=rows)


def _row_replaced(reading: TableReading, rng: random.Random) -> TableReading | None:
    """A row is lost and its neighbour stands there twice: the count stays right."""
    pairs = [(i, i + 1) for i in range(len(reading.rows) - 1) if reading.rows[i] != reading.rows[i + 1]]
    if not pairs:
        return None
    rows = copied(reading.rows)
    i, j = rng.choice(pairs)
    rows[i] = list(rows[j])
    return changed_table(reading, rows=rows)


def _column_lost(reading: TableReading, rng: random.Random) -> TableReading | None:
    width = len(reading.rows[0])
    if width < 3:
        return None
    at = rng.randrange(width)

    def cut(rows: Rows) -> Rows:
        return [row[:at] + row[at + 1 :] for row in rows]

    return changed_table(reading, header=cut(reading.header_rows), rows=cut(reading.rows))


def _columns_exchanged(reading: TableReading, rng: random.Random) -> TableReading | None:
    """The cells of two columns below a header that stays."""
    width = len(reading.rows[0])
    pairs = [
        (a, b)
        for a in range(1, width)
        for b in range(a + 1, width)
        if [row[a] for row in reading.rows] != [row[b] for row in reading.rows]
    ]
    if not pairs:
        return None
    a, b = rng.choice(pairs)
    rows = copied(reading.rows)
    for row in rows:
        row[a], row[b] = row[b], row[a]
    return changed_table(reading, rows=rows)


def _cell_moved(reading: TableReading, rng: random.Random) -> TableReading | None:
    """A number stands in the empty cell beside it."""
    rows = copied(reading.rows)
    places = [
        (r, c, c + step)
        for r, row in enumerate(rows)
        for c, cell in enumerate(row)
        for step in (-1, 1)
        if 0 < c + step < len(row) and DIGIT.search(cell) and not row[c + step].strip()
    ]
    if not places:
        return None
    r, c, to = rng.choice(places)
    rows[r][to], rows[r][c] = rows[r][c], rows[r][to]
    return changed_table(reading, rows=rows)


def _cells_exchanged(reading: TableReading, rng: random.Random) -> TableReading | None:
    rows = copied(reading.rows)
    pairs = [(r, c) for r, row in enumerate(rows) for c in range(len(row) - 1) if row[c].strip() != row[c + 1].strip()]
    if not pairs:
        return None
    r, c = rng.choice(pairs)
    rows[r][c], rows[r][c + 1] = rows[r][c + 1], rows[r][c]
    return changed_table(reading, rows=rows)


def _cell_lost(reading: TableReading, rng: random.Random) -> TableReading | None:
    rows = copied(reading.rows)
    places = [(r, c) for r, row in enumerate(rows) for c, cell in enumerate(row) if c and DIGIT.search(cell)]
    if not places:
        return None
    r, c = rng.choice(places)
    rows[r][c] = ""
    return changed_table(reading, rows=rows)


def _ragged(reading: TableReading, rng: random.Random) -> TableReading:
    rows = copied(reading.rows)
    row = rng.choice(rows)
    del row[rng.randrange(len(row))]
    return changed_table(reading, rows=rows)


def _shifted(reading: TableReading, rng: random.Random) -> TableReading | None:
    """All cells of a row after the first one place to the left."""
    rows = copied(reading.rows)
    row = rng.choice(rows)
    if len(row) < 3:
        return None
    row[1:] = [*row[2:], row[1]]
    return changed_table(reading, rows=rows)


def _text_changed(reading: TableReading, rng: random.Random) -> TableReading | None:
    rows = copied(reading.rows)
    places = [(r, c) for r, row in enumerate(rows) for c, cell in enumerate(row) if cell and not DIGIT.search(cell)]
    places = [(r, c) for r, c in places if len(rows[r][c]) > 3]
    if not places:
        return None
    r, c = rng.choice(places)
    rows[r][c] = rng.choice([text for text in _INVENTED if text != rows[r][c]])
    return changed_table(reading, rows=rows)


def _header_exchanged(reading: TableReading, rng: random.Random) -> TableReading | None:
    if not reading.header_rows:
        return None
    header = copied(reading.header_rows)
    last = header[-1]
    pairs = [(a, b) for a in range(len(last)) for b in range(a + 1, len(last)) if last[a].strip() != last[b].strip()]
    if not pairs:
        return None
    a, b = rng.choice(pairs)
    for row in header:
        row[a], row[b] = row[b], row[a]
    return changed_table(reading, header=header)


def _header_invented(reading: TableReading, rng: random.Random) -> TableReading | None:
    if not reading.header_rows:
        return None
    header = copied(reading.header_rows)
    header[-1][rng.randrange(len(header[-1]))] = rng.choice(_INVENTED)
    return changed_table(reading, header=header)


def _summary_invented(reading: TableReading, rng: random.Random) -> TableReading:
    number = f"{rng.randrange(21, 99)}.{rng.randrange(11, 99)}"
    return reading.model_copy(update={"summary": f"{reading.summary} The best result is {number} percent.".strip()})


TABLE_ERRORS: dict[str, Change] = {
    "digits swapped": _in_number(digits.swapped),
    "digit changed": _in_number(digits.changed),
    "point moved": _in_number(digits.moved_point),
    "wrong sign": _in_number(digits.other_sign),
    "row lost": _row_lost,
    "row twice": _row_twice,
    "row invented": _row_invented,
    "row replaced by its neighbour": _row_replaced,
    "rows exchanged": _rows_exchanged,
    "column lost": _column_lost,
    "columns exchanged": _columns_exchanged,
    "cell moved": _cell_moved,
    "cells exchanged": _cells_exchanged,
    "cell lost": _cell_lost,
    "row too short": _ragged,
    "row shifted": _shifted,
    "text changed": _text_changed,
    "header exchanged": _header_exchanged,
    "header invented": _header_invented,
    "number invented in the summary": _summary_invented,
}
