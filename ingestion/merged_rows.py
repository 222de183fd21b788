"""Table cells merged over rows: their text repeated in each row they cover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ingestion.glyphs import Run


@dataclass(frozen=True, slots=True)
class Rule:
    """A straight horizontal line: y, from x0 to x1."""

    y: float
    x0: float
    x1: float


@dataclass(frozen=True, slots=True)
class Piece:
    """Text of one cell or part of it: its row and the first and last column it covers."""

    run: Run
    row: int
    first: int
    last: int

    @property
    def middle(self) -> float:
        return (self.run.bbox[1] + self.run.bbox[3]) / 2


def fill_merged_rows(
    cells: list[list[str]],
    pieces: Sequence[Piece],
    edges: Sequence[float],
    rows: Sequence[tuple[float, float]],
    rules: Sequence[Rule],
    *,
    labels: set[int],
) -> None:
    """Repeat the text of cells merged over rows: texts that stand in the middle of a group of otherwise empty rows.

    Groups end at rules. A text level with one row of its group may be an ordinary cell with empty ones around it, so
    it is repeated only in the `labels` columns, where a rule ends the group.
    """
    middles = [_middle(pieces, r, rows) for r in range(len(rows))]
    for c in range(len(edges) - 1):
        at = (edges[c] + edges[c + 1]) / 2
        cuts = [0, *_rule_rows(at, rows, rules), len(rows)]
        for begin, end in pairwise(cuts):
            if end - begin < 2 or (
                cells[begin][c]
                and any(not cells[r][c] for r in range(begin + 1, end))
                and not _off_row([p for p in pieces if p.row == begin and p.first <= c <= p.last], middles, rows)
            ):
                continue
            _fill_group(
                cells, [p for p in pieces if p.first <= c <= p.last], c, (begin, end), middles, label=c in labels
            )


def _fill_group(
    cells: list[list[str]],
    pieces: Sequence[Piece],
    c: int,
    group: tuple[int, int],
    middles: Sequence[float],
    *,
    label: bool,
) -> None:
    begin, end = group
    texts = {p.row: p for p in sorted(pieces, key=lambda p: -p.middle) if begin <= p.row < end}
    if not texts or len(texts) == end - begin:
        return
    height = (middles[end - 1] - middles[begin]) / max(1, end - begin - 1)
    filled: list[tuple[int, int, str]] = []
    start = begin
    for row, piece in sorted(texts.items()):
        own = [p for p in pieces if p.row == row]
        middle = sum(p.middle for p in own) / len(own)
        stop = next(
            (
                s
                for s in range(start, end)
                if abs((middles[start] + middles[s]) / 2 - middle) < 0.3 * height and s >= row
            ),
            None,
        )
        if stop is None or piece.row < start:
            return
        level = min(abs(middle - m) for m in middles) < 0.2 * height
        if stop > start and level and not (label and len(texts) == 1 and (begin, end) != (0, len(middles))):
            return
        filled.append((start, stop, cells[row][c]))
        start = stop + 1
    if start != end:
        return
    for first, last, text in filled:
        for r in range(first, last + 1):
            cells[r][c] = text


def _off_row(pieces: Sequence[Piece], middles: Sequence[float], rows: Sequence[tuple[float, float]]) -> bool:
    """Whether the pieces stand between the lines of text rather than on one."""
    return bool(pieces) and all(
        min(abs(p.middle - m) for m in middles) > 0.2 * (rows[p.row][1] - rows[p.row][0]) for p in pieces
    )


def _middle(pieces: Sequence[Piece], row: int, rows: Sequence[tuple[float, float]]) -> float:
    """y of most of the text of a row; the middle of its band when it has none."""
    found = sorted(p.middle for p in pieces if p.row == row)
    if not found:
        return (rows[row][0] + rows[row][1]) / 2
    centre = (rows[row][0] + rows[row][1]) / 2
    return max(found, key=lambda y: (sum(1 for z in found if abs(z - y) < 1), -abs(y - centre)))


def _rule_rows(x: float, rows: Sequence[tuple[float, float]], rules: Sequence[Rule]) -> list[int]:
    """Indices of the rows that begin below a rule crossing x."""
    found: set[int] = set()
    for rule in rules:
        if rule.x0 - 1 <= x <= rule.x1 + 1:
            above = sum(1 for top, bottom in rows if (top + bottom) / 2 < rule.y)
            if 0 < above < len(rows):
                found.add(above)
    return sorted(found)
