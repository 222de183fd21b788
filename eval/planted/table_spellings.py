"""Right tables in other spellings: digits, markup, merged cells repeated or blank, the header in one row or more."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from eval.planted.digits import TO_ASCII
from eval.planted.tables import DIGIT, Change, changed_table, copied
from ingestion.describe.schemas import TableReading


def _each(change: Callable[[str], str], *, header: bool = False) -> Change:
    """A change to every cell below the header, or of the header."""

    def changed(reading: TableReading, rng: random.Random) -> TableReading:
        if header:
            return changed_table(reading, header=[[change(cell) for cell in row] for row in reading.header_rows])
        return changed_table(reading, rows=[[change(cell) for cell in row] for row in reading.rows])

    return changed


def _thousands(cell: str) -> str:
    if "," in cell:
        return re.sub(r"(?<=\d),(?=\d{3})", "", cell)
    return re.sub(r"(?<![\d.^])\d{4,6}(?![\d.])", lambda m: f"{int(m[0]):,}", cell)


def _as_latex(cell: str) -> str:
    if not re.fullmatch(r"[-\d.,·×^ %]+", cell.strip()) or not DIGIT.search(cell):
        return cell
    done = re.sub(r"\s*·\s*10\^(\d+)", r" \\cdot 10^{\1}", cell.strip()).replace("%", "\\%")
    return f"${done}$"


def _merged_blank(reading: TableReading, rng: random.Random) -> TableReading:
    """A merged header cell, and a merged name at the left, stand only once."""
    header = [["" if c and cell == row[c - 1] else cell for c, cell in enumerate(row)] for row in reading.header_rows]
    header = [
        ["" if r and cell == reading.header_rows[r - 1][c] else cell for c, cell in enumerate(row)]
        for r, row in enumerate(header)
    ]
    rows = copied(reading.rows)
    for r in range(1, len(rows)):
        if rows[r][0] == reading.rows[r - 1][0] and not DIGIT.search(rows[r][0]):
            rows[r][0] = ""
    return changed_table(reading, header=header, rows=rows)


def _one_header(reading: TableReading, rng: random.Random) -> TableReading | None:
    if len(reading.header_rows) < 2:
        return None
    columns = zip(*reading.header_rows, strict=True)
    return changed_table(reading, header=[[" ".join(dict.fromkeys(filter(None, column))) for column in columns]])


def _header_below(reading: TableReading, rng: random.Random) -> TableReading | None:
    """The header is not told from the rows."""
    if not reading.header_rows:
        return None
    return changed_table(reading, header=[], rows=[*reading.header_rows, *reading.rows])


def _more(reading: TableReading, rng: random.Random) -> TableReading:
    numbers = [cell for row in reading.rows for cell in row if re.fullmatch(r"[\d.,]+%?", cell)]
    said = f"The table lists {len(reading.rows)} rows; one value is {rng.choice(numbers)}." if numbers else "A table."
    return reading.model_copy(update={"summary": said, "units": ["%"] * len(reading.units)})


TABLE_VARIANTS: dict[str, Change] = {
    "thousands separators": _each(_thousands),
    "numbers as LaTeX": _each(_as_latex),
    "bold": _each(lambda cell: f"**{cell}**" if cell.strip() else cell),
    "blanks": _each(lambda cell: f"  {cell} "),
    "minus and dashes": _each(lambda cell: cell.replace("-", "−")),
    "dash for empty": _each(lambda cell: cell or "–"),
    "empty for dash": _each(lambda cell: "" if cell.strip() in ("-", "–") else cell),
    "latin digits": _each(lambda cell: cell.translate(TO_ASCII)),
    "arabic letters": _each(lambda cell: cell.replace("ی", "ي").replace("ک", "ك")),
    "blank for joiner": _each(lambda cell: cell.replace("\u200c", " ")),
    "raised powers": _each(
        lambda cell: cell.replace("10^20", "10²⁰").replace("10^19", "10¹⁹").replace("10^18", "10¹⁸")
    ),
    "capital headers": _each(str.upper, header=True),
    "line breaks in headers": _each(lambda cell: cell.replace(" ", "\n", 1), header=True),
    "break tags in headers": _each(lambda cell: cell.replace(" ", "<br>", 1), header=True),
    "merged cells blank": _merged_blank,
    "one header row": _one_header,
    "header among the rows": _header_below,
    "summary and units": _more,
}
