"""A table that a model read, as GitHub Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from ingestion.describe.schemas import TableReading
from ingestion.tables import to_markdown


def table_markdown(reading: TableReading) -> str:
    """The table with one header line: header rows are joined by column, short rows filled with empty cells, then notes.

    "" when it has no cell at all.
    """
    width = max((len(row) for row in (*reading.header_rows, *reading.rows)), default=0)
    if not width:
        return ""
    header = reading.header_rows or [[""] * width]
    cells = tuple(_filled(row, width) for row in (*header, *reading.rows))
    notes = "\n".join(" ".join(note.split()) for note in reading.notes if note.strip())
    return "\n\n".join(part for part in (to_markdown(cells, len(header)), notes) if part)


def _filled(row: Sequence[str], width: int) -> tuple[str, ...]:
    return tuple(" ".join(cell.split()) for cell in (*row, *[""] * (width - len(row))))
