"""Reading an answer out of a table: which row and which columns a question asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from rag_app.searchable import fold, terms

Cells = Sequence[Sequence[str]]

_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
_HIGHEST = re.compile(
    r"\b(highest|largest|greatest|best|most|maximum|max|biggest|longest|strongest|بیشترین|بالاترین|بهترین|بزرگترین|"
    r"بزرگ ترین|حداکثر|بیشینه)\b"
)
_LOWEST = re.compile(
    r"\b(lowest|smallest|least|worst|minimum|min|fewest|shortest|cheapest|fastest|کمترین|پایینترین|پایین ترین|بدترین|"
    r"کوچکترین|کوچک ترین|حداقل|کمینه)\b"
)


def headings(cells: Cells, header_rows: int) -> list[str]:
    """One heading a column: the header cells above it, outermost first, a repeated merged cell once."""
    columns = len(cells[0]) if cells else 0
    return [
        " / ".join(
            dict.fromkeys(cells[row][column].strip() for row in range(header_rows) if cells[row][column].strip())
        )
        for column in range(columns)
    ]


def asked_columns(question_terms: Mapping[str, float], headings_: Sequence[str]) -> list[int]:
    """Indices of the columns whose heading shares the most question weight; empty when none shares any."""
    shares = [sum(question_terms.get(term, 0.0) for term in set(terms(heading))) for heading in headings_]
    best = max(shares[1:], default=0.0)
    return [i for i, share in enumerate(shares) if i > 0 and share >= 0.999 * best > 0]


def extreme_row(question: str, cells: Cells, header_rows: int, columns: Sequence[int]) -> int | None:
    """Index of the row with the highest or lowest number in the asked column, when the question wants that."""
    folded = fold(question)
    highest, lowest = bool(_HIGHEST.search(folded)), bool(_LOWEST.search(folded))
    if highest == lowest or len(columns) != 1:
        return None
    values = [(number(cells[i][columns[0]]), i) for i in range(header_rows, len(cells))]
    known = [(value, i) for value, i in values if value is not None]
    if not known:
        return None
    return (max if highest else min)(known, key=lambda pair: pair[0])[1]


def numbers_found(question_terms: Sequence[str], cells: Sequence[str]) -> float:
    """Share of the question's numbers, 0 to 1, that stand in `cells`; 0 for a question without numbers."""
    asked = {term for term in question_terms if term[0].isdigit()}
    there = {term for cell in cells for term in terms(cell)}
    return len(asked & there) / len(asked) if asked else 0.0


def number(cell: str) -> float | None:
    """The first number in `cell`, thousands separators and Persian digits read; None without one."""
    found = _NUMBER.search(fold(cell))
    return float(found.group()) if found else None


def row_text(cells: Cells, header_rows: int, row: int, columns: Sequence[int]) -> str:
    """`first cell: heading value · heading value`, the asked columns only, or all when none is asked for."""
    names = headings(cells, header_rows)
    shown = list(columns) or list(range(1, len(names)))
    first = cells[row][0].strip()
    values = [f"{names[i]}: {cells[row][i].strip()}" if names[i] else cells[row][i].strip() for i in shown]
    values = [value for i, value in zip(shown, values, strict=True) if cells[row][i].strip()]
    return f"{first} — {' · '.join(values)}" if first else " · ".join(values)
