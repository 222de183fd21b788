"""Table cells from the places of words, the layout model's grid and the rules drawn on the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ingestion.elements import BBox
from ingestion.geometry import union
from ingestion.glyphs import Glyph, Run, row_text, to_rows

Cells = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """A straight horizontal line: y, from x0 to x1."""

    y: float
    x0: float
    x1: float


@dataclass(frozen=True, slots=True)
class Grid:
    """Inner boundaries of a table in page coordinates: ys between rows, xs between columns; sorted."""

    ys: tuple[float, ...]
    xs: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """cells: rows of equal length, a merged cell repeated in each place; header_rows: how many open the table."""

    cells: Cells
    header_rows: int


def build_table(
    box: BBox, grid: Grid, runs: Sequence[Run], rules: Sequence[Rule], *, rtl: bool = False
) -> Table | None:
    """The table in `box`; None when it holds no text. Columns stay in visual order, from the reading side."""
    if not runs:
        return None
    inner = [r for r in rules if box[0] - 6 <= r.x0 and r.x1 <= box[2] + 6 and box[1] - 6 <= r.y <= box[3] + 6]
    words = _words(runs)
    edges = _column_edges(box, grid, words)
    rows = _row_bands(box, grid, runs)
    n_rows, n_cols = len(rows), len(edges) - 1
    parts: list[list[list[Run]]] = [[[] for _ in range(n_cols)] for _ in range(n_rows)]
    spans: list[tuple[int, int, int, list[Run]]] = []
    by_row: list[list[Run]] = [[] for _ in range(n_rows)]
    for run in runs:
        by_row[_row_of(run, rows)].append(run)
    for r, row_runs in enumerate(by_row):
        for piece in _pieces(row_runs, edges):
            first, last = _columns_of(piece, edges, inner, rows, r)
            if first == last:
                parts[r][first].append(piece)
            else:
                _add_span(spans, r, first, last, piece)
    cells = [[_cell_text(part, rtl=rtl) for part in row] for row in parts]
    for r, first, last, pieces in spans:
        text = _cell_text(pieces, rtl=rtl)
        for c in range(first, last + 1):
            cells[r][c] = f"{text} {cells[r][c]}".strip() if cells[r][c] else text
    header = _header_rows(rows, inner, box)
    cells, header = _tidy(cells, header)
    if not cells or not cells[0]:
        return None
    if rtl:
        cells = [list(reversed(row)) for row in cells]
    return Table(tuple(tuple(row) for row in cells), min(header, len(cells)))


def _words(runs: Sequence[Run]) -> list[BBox]:
    """Boxes of single words."""
    words: list[BBox] = []
    for run in runs:
        part: list[Glyph] = []
        for g in run.glyphs:
            if g.c.isspace():
                if part:
                    words.append(union([x[1:5] for x in part]))
                part = []
            else:
                part.append(g)
        if part:
            words.append(union([x[1:5] for x in part]))
    return words


def _column_edges(box: BBox, grid: Grid, words: list[BBox]) -> list[float]:
    """Column boundaries, the outer edges included; each inner one moved to where it cuts fewest words."""
    edges = [box[0] - 3]
    for x in grid.xs:
        best = min(
            (x + d for d in range(-14, 15)),
            key=lambda at: (sum(1 for w in words if w[0] + 0.5 < at < w[2] - 0.5), abs(at - x)),
        )
        if best > edges[-1] + 4:
            edges.append(best)
    edges.append(max(box[2], edges[-1] + 4) + 3)
    return edges


def _row_bands(box: BBox, grid: Grid, runs: Sequence[Run]) -> list[tuple[float, float]]:
    """(top, bottom) of each row."""
    ys = [min(box[1], *(r.bbox[1] for r in runs)), *grid.ys, max(box[3], *(r.bbox[3] for r in runs))]
    return [(a, b) for a, b in zip(ys, ys[1:], strict=False) if b > a] or [(box[1], box[3])]


def _row_of(run: Run, rows: Sequence[tuple[float, float]]) -> int:
    middle = (run.bbox[1] + run.bbox[3]) / 2
    return min(range(len(rows)), key=lambda r: max(rows[r][0] - middle, middle - rows[r][1], 0.0))


def _pieces(runs: Sequence[Run], edges: Sequence[float]) -> list[Run]:
    """Runs cut at column boundaries, where a boundary falls into a gap wider than a blank."""
    out: list[Run] = []
    for run in runs:
        visible = sorted((g for g in run.glyphs if not g.c.isspace()), key=lambda g: g.x0)
        cuts: list[float] = []
        for a, b in zip(visible, visible[1:], strict=False):
            gap = b.x0 - a.x1
            if gap > 0.45 * max(a.size, b.size):
                middle = [e for e in edges[1:-1] if a.x1 - 1 <= e <= b.x0 + 1]
                if middle or gap > 1.2 * max(a.size, b.size):
                    cuts.append((a.x1 + b.x0) / 2)
        out += _cut(run, cuts)
    return out


def _cut(run: Run, cuts: Sequence[float]) -> list[Run]:
    if not cuts:
        return [run]
    groups: dict[int, list[Glyph]] = {}
    for g in run.glyphs:
        middle = (g.x0 + g.x1) / 2
        groups.setdefault(sum(1 for c in cuts if middle > c), []).append(g)
    out: list[Run] = []
    for _, glyphs in sorted(groups.items()):
        visible = [g for g in glyphs if not g.c.isspace()]
        if visible:
            out.append(Run(union([g[1:5] for g in visible]), tuple(glyphs)))
    return out


def _columns_of(
    piece: Run, edges: Sequence[float], rules: Sequence[Rule], rows: Sequence[tuple[float, float]], row: int
) -> tuple[int, int]:
    """First and last column that a piece of text stands in.

    It covers several columns when a short rule below it does (the rule of a merged header), or when it reaches
    well over a boundary.
    """
    n = len(edges) - 1
    x0, x1 = piece.bbox[0], piece.bbox[2]
    middle = (x0 + x1) / 2
    whole = edges[-1] - edges[0]
    bottom = rows[row][1]
    for rule in rules:
        width = rule.x1 - rule.x0
        near = piece.bbox[3] - 3 <= rule.y <= bottom + 6
        if near and width < 0.9 * whole and rule.x0 - 4 <= x0 and x1 <= rule.x1 + 4:
            covered = [
                c
                for c in range(n)
                if min(edges[c + 1], rule.x1) - max(edges[c], rule.x0) > 0.5 * (edges[c + 1] - edges[c])
            ]
            if len(covered) > 1 and abs(middle - (rule.x0 + rule.x1) / 2) < 0.25 * width:
                return covered[0], covered[-1]
    first = next((c for c in range(n) if middle < edges[c + 1]), n - 1)
    last = first
    reach = max(3.0, 0.12 * (x1 - x0))
    while first > 0 and x0 < edges[first] - reach:
        first -= 1
    while last < n - 1 and x1 > edges[last + 1] + reach:
        last += 1
    return first, last


def _add_span(spans: list[tuple[int, int, int, list[Run]]], row: int, first: int, last: int, piece: Run) -> None:
    for r, a, b, pieces in spans:
        if r == row and (a, b) == (first, last):
            pieces.append(piece)
            return
    spans.append((row, first, last, [piece]))


def _cell_text(runs: Sequence[Run], *, rtl: bool) -> str:
    lines = [row_text(row, rtl=rtl) for row in to_rows(runs)]
    text = ""
    for line in lines:
        if text.endswith("-") and line[:1].islower():
            text = text[:-1] + line
        else:
            text = f"{text} {line}".strip()
    return text


def _header_rows(rows: Sequence[tuple[float, float]], rules: Sequence[Rule], box: BBox) -> int:
    """Rows above the first full-width rule that has rows above and below it; 1 without such a rule."""
    wide = sorted(r.y for r in rules if r.x1 - r.x0 > 0.75 * (box[2] - box[0]))
    for y in wide:
        above = sum(1 for top, bottom in rows if (top + bottom) / 2 < y)
        if 0 < above < len(rows):
            return above if above <= 4 else 1
    return 1 if len(rows) > 1 else 0


def _tidy(cells: list[list[str]], header: int) -> tuple[list[list[str]], int]:
    """Without empty rows and columns."""
    kept_rows = [r for r, row in enumerate(cells) if any(row)]
    header = sum(1 for r in kept_rows if r < header)
    cells = [cells[r] for r in kept_rows]
    if not cells:
        return [], 0
    kept = [c for c in range(len(cells[0])) if any(row[c] for row in cells)]
    return [[row[c] for c in kept] for row in cells], header


def to_markdown(cells: Cells, header_rows: int) -> str:
    """GitHub Markdown; several header rows are joined into one, column by column, without repeats."""
    if not cells:
        return ""
    header_rows = max(1, min(header_rows, len(cells)))
    head = [_joined([cells[r][c] for r in range(header_rows)]) for c in range(len(cells[0]))]
    lines = [_row(head), "|" + " --- |" * len(head)]
    lines += [_row(row) for row in cells[header_rows:]]
    return "\n".join(lines)


def _joined(texts: Sequence[str]) -> str:
    return " ".join(dict.fromkeys(t for t in texts if t))


def _row(texts: Sequence[str]) -> str:
    return "| " + " | ".join(t.replace("|", "\\|").replace("\n", " ") for t in texts) + " |"
