"""Table cells from the places of words, the layout model's grid and the rules drawn on the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ingestion.elements import BBox
from ingestion.geometry import union
from ingestion.glyphs import Glyph, Run, make_run
from ingestion.lines import row_text, to_rows
from ingestion.merged_rows import Piece, Rule, fill_merged_rows

Cells = tuple[tuple[str, ...], ...]


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
    """The table in `box`; None when it holds no text. rtl: the first column is the rightmost."""
    if not runs:
        return None
    inner = [r for r in rules if _of_table(r, box)]
    edges = _column_edges(box, grid, _words(runs))
    rows = _row_bands(box, grid, runs, inner)
    pieces = _place(runs, edges, rows, inner)
    cells = _texts(pieces, len(rows), len(edges) - 1, rtl=rtl)
    fill_merged_rows(cells, pieces, edges, rows, inner, labels={0, 1} if not rtl else {len(edges) - 2, len(edges) - 3})
    cells, header = _tidy(cells, _header_rows(rows, inner, edges))
    if not cells or not cells[0]:
        return None
    if rtl:
        cells = [list(reversed(row)) for row in cells]
    return Table(tuple(tuple(row) for row in cells), min(header, len(cells)))


def _of_table(rule: Rule, box: BBox) -> bool:
    """Rules reach out over the text of a table by some points on each side."""
    shared = min(rule.x1, box[2]) - max(rule.x0, box[0])
    return box[1] - 6 <= rule.y <= box[3] + 6 and shared > 0.6 * (rule.x1 - rule.x0)


def _place(
    runs: Sequence[Run], edges: Sequence[float], rows: Sequence[tuple[float, float]], rules: Sequence[Rule]
) -> list[Piece]:
    by_row: list[list[Run]] = [[] for _ in rows]
    for run in runs:
        by_row[_row_of(run, rows)].append(run)
    out: list[Piece] = []
    for r, row_runs in enumerate(by_row):
        parts = _pieces(row_runs, edges)
        for part in parts:
            first, last = _columns_of(part, parts, edges, rules, rows[r][1])
            out.append(Piece(part, r, first, last))
    return out


def _texts(pieces: Sequence[Piece], n_rows: int, n_cols: int, *, rtl: bool) -> list[list[str]]:
    grouped: dict[tuple[int, int, int], list[Run]] = {}
    for p in pieces:
        grouped.setdefault((p.row, p.first, p.last), []).append(p.run)
    cells = [["" for _ in range(n_cols)] for _ in range(n_rows)]
    for (row, first, last), group in sorted(grouped.items(), key=lambda item: min(r.bbox[1] for r in item[1])):
        text = _cell_text(group, rtl=rtl)
        for c in range(first, last + 1):
            cells[row][c] = f"{cells[row][c]} {text}".strip()
    return cells


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


def _row_bands(box: BBox, grid: Grid, runs: Sequence[Run], rules: Sequence[Rule]) -> list[tuple[float, float]]:
    """(top, bottom) of each row: the grid's, cut where a rule parts the text of one."""
    ys = sorted({min(box[1], *(r.bbox[1] for r in runs)), *grid.ys, max(box[3], *(r.bbox[3] for r in runs))})
    for rule in rules:
        i = next((i for i, (a, b) in enumerate(pairwise(ys)) if a + 2 < rule.y < b - 2), None)
        if i is None:
            continue
        inside = [r for r in runs if ys[i] <= (r.bbox[1] + r.bbox[3]) / 2 < ys[i + 1]]
        beside = [r for r in inside if r.bbox[0] < rule.x1 and r.bbox[2] > rule.x0]
        over = [r for r in beside if r.bbox[3] < rule.y + 0.35 * r.size]
        under = [r for r in beside if r.bbox[1] > rule.y - 0.35 * r.size]
        if over and under and len(over) + len(under) == len(beside):
            ys = sorted({*ys, rule.y})
    bands = [(a, b) for a, b in pairwise(ys) if b > a] or [(box[1], box[3])]
    return [part for band in bands for part in _lines_of_numbers(band, runs)]


def _lines_of_numbers(band: tuple[float, float], runs: Sequence[Run]) -> list[tuple[float, float]]:
    """The band, cut between its lines when each of them is a row of numbers that the grid did not part."""
    rows = to_rows(r for r in runs if band[0] <= (r.bbox[1] + r.bbox[3]) / 2 < band[1])
    # A label merged over both lines stands between them: it makes no row.
    rows = [row for row in rows if sum(_is_number(r) for r in row) >= max(3, 0.5 * len(row))]
    if len(rows) < 2:
        return [band]
    cuts = [(max(r.bbox[3] for r in a) + min(r.bbox[1] for r in b)) / 2 for a, b in pairwise(rows)]
    return list(pairwise([band[0], *cuts, band[1]]))


def _is_number(run: Run) -> bool:
    text = run.text
    return sum(c.isdigit() for c in text) * 2 >= len(text.replace(" ", "")) > 0


def _row_of(run: Run, rows: Sequence[tuple[float, float]]) -> int:
    middle = (run.bbox[1] + run.bbox[3]) / 2
    return min(range(len(rows)), key=lambda r: max(rows[r][0] - middle, middle - rows[r][1], 0.0))


def _pieces(runs: Sequence[Run], edges: Sequence[float]) -> list[Run]:
    """Runs cut at column boundaries, where a boundary falls into a gap wider than a blank."""
    out: list[Run] = []
    for run in runs:
        visible = sorted((g for g in run.glyphs if not g.c.isspace()), key=lambda g: g.x0)
        cuts: list[float] = []
        for a, b in pairwise(visible):
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
    parts = [make_run(glyphs, horizontal=run.horizontal) for _, glyphs in sorted(groups.items())]
    return [part for part in parts if part is not None]


def _columns_of(
    piece: Run, row: Sequence[Run], edges: Sequence[float], rules: Sequence[Rule], bottom: float
) -> tuple[int, int]:
    """First and last column that a piece of text stands in.

    It covers several columns when a short rule below it does, with no other text of the row over that rule (the rule
    of a merged header), or when it reaches well over a boundary.
    """
    n = len(edges) - 1
    x0, x1 = piece.bbox[0], piece.bbox[2]
    middle = (x0 + x1) / 2
    for rule in rules:
        width = rule.x1 - rule.x0
        under = piece.bbox[3] - 3 <= rule.y <= bottom + 6 and rule.x0 - 4 <= x0 and x1 <= rule.x1 + 4
        if not under or width > 0.9 * (edges[-1] - edges[0]) or abs(middle - (rule.x0 + rule.x1) / 2) > 0.25 * width:
            continue
        if any(o is not piece and rule.x0 < (o.bbox[0] + o.bbox[2]) / 2 < rule.x1 for o in row):
            continue
        covered = [
            c for c in range(n) if min(edges[c + 1], rule.x1) - max(edges[c], rule.x0) > 0.5 * (edges[c + 1] - edges[c])
        ]
        if len(covered) > 1:
            return covered[0], covered[-1]
    first = next((c for c in range(n) if middle < edges[c + 1]), n - 1)
    last = first
    reach = max(3.0, 0.12 * (x1 - x0))
    while first > 0 and x0 < edges[first] - reach:
        first -= 1
    while last < n - 1 and x1 > edges[last + 1] + reach:
        last += 1
    return first, last


def _cell_text(runs: Sequence[Run], *, rtl: bool) -> str:
    lines = [row_text(row, rtl=rtl) for row in to_rows(runs)]
    text = ""
    for line in lines:
        text = text[:-1] + line if text.endswith("-") and line[:1].islower() else f"{text} {line}".strip()
    return text


def _header_rows(rows: Sequence[tuple[float, float]], rules: Sequence[Rule], edges: Sequence[float]) -> int:
    """Rows above the first rule over all columns that has rows above and below it; 1 without such a rule."""
    if len(edges) > 2:
        first, last = (edges[0] + edges[1]) / 2, (edges[-2] + edges[-1]) / 2
    else:
        first, last = edges[0] + 8, edges[-1] - 8
    for y in sorted(r.y for r in rules if r.x0 <= first and r.x1 >= last):
        above = sum(1 for top, bottom in rows if (top + bottom) / 2 < y)
        if 0 < above < len(rows):
            return above if above <= 4 else 1
    return 1 if len(rows) > 1 else 0


def _tidy(cells: list[list[str]], header: int) -> tuple[list[list[str]], int]:
    """Without empty rows and columns."""
    kept_rows = [r for r, row in enumerate(cells) if any(row) and not (r < header and _only_repeats(cells, r, header))]
    header = sum(1 for r in kept_rows if r < header)
    cells = [cells[r] for r in kept_rows]
    if not cells:
        return [], 0
    kept = [c for c in range(len(cells[0])) if any(row[c] for row in cells)]
    return [[row[c] for c in kept] for row in cells], header


def _only_repeats(cells: Sequence[Sequence[str]], r: int, header: int) -> bool:
    """A header row made of nothing but cells merged with the rows above and below it."""
    if not 0 < r < header - 1:
        return False
    return all(not text or text == cells[r - 1][c] == cells[r + 1][c] for c, text in enumerate(cells[r]))


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
