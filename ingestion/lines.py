"""Runs gathered into visual lines, and the text of a line in logical order.

The order of characters in a PDF is the order they were painted, which for Persian and Arabic, for indices and for
fractions is not the order they are read. Here the geometry decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from ingestion.blocks import Line
from ingestion.geometry import union
from ingestion.glyphs import BOLD, ITALIC, MONO, Glyph, Run, main_base, main_size, size_of_runs
from ingestion.indices import level_of, mark_indices
from ingestion.script import is_rtl_letter, letter_direction, logical_order, normalise_line

_LIST_MARK = re.compile(r"^\[?[\d۰-۹٠-٩]{1,3}[\].)]$")


def to_rows(runs: Iterable[Run]) -> list[list[Run]]:
    """Runs grouped into visual lines, top to bottom, each line's runs from left to right.

    A run joins the line whose band (from 0.75 size above the baseline to 0.2 below) shares most height with its own.
    """
    rows: list[tuple[float, float, float, list[Run]]] = []  # top, bottom, size of the band's owner
    given = list(runs)
    usual = size_of_runs(given)
    initials = [run for run in given if run.size > 1.7 * usual and len(run.glyphs) <= 2] if len(given) > 3 else []
    for run in sorted((run for run in given if run not in initials), key=lambda r: -r.size):
        size = run.size
        base = main_base(run.glyphs, size)
        top, bottom = base - 0.75 * size, base + 0.2 * size
        best, best_share = -1, 0.0
        for i, (row_top, row_bottom, row_size, _) in enumerate(rows):
            share = (min(bottom, row_bottom) - max(top, row_top)) / min(bottom - top, row_bottom - row_top or 1)
            need = 0.5 if size > 0.85 * row_size else 0.25
            if share > max(need, best_share):
                best, best_share = i, share
        if best >= 0:
            rows[best][3].append(run)
        else:
            rows.append((top, bottom, size, [run]))
    rows.sort(key=lambda row: row[0])
    for run in initials:  # a large initial belongs to the first of the lines it stands beside
        beside = [row for row in rows if row[1] > run.bbox[1] + 0.2 * run.size]
        if beside:
            beside[0][3].append(run)
        else:
            rows.append((run.bbox[1], run.bbox[3], run.size, [run]))
    return [sorted(row[3], key=lambda r: r.bbox[0]) for row in rows]


def to_lines(runs: Iterable[Run], *, rtl: bool = False) -> tuple[Line, ...]:
    """Visual lines of the runs as text. rtl: the page's direction, for lines that do not tell their own."""
    lines = (row_to_line(row, rtl=rtl) for row in to_rows(runs))
    return tuple(line for line in lines if line.text)


def row_to_line(row: Sequence[Run], *, rtl: bool = False) -> Line:
    """One Line from the runs of one visual line."""
    glyphs = [g for run in row for g in run.glyphs]
    size = size_of_runs(row)
    n = max(1, len(glyphs))
    return Line(
        text=row_text(row, rtl=rtl),
        bbox=union(run.bbox for run in row),
        size=size,
        bold=sum(len(r.glyphs) for r in row if _is_bold(r)) > n / 2,
        italic=sum(1 for g in glyphs if g.flags & ITALIC) > n / 2,
        mono=sum(1 for g in glyphs if g.flags & MONO) > n / 2,
    )


def _is_bold(run: Run) -> bool:
    bold = sum(1 for g in run.glyphs if g.flags & BOLD)
    return bold * 2 > len(run.glyphs) or "bold" in run.glyphs[len(run.glyphs) // 2].font.lower()


def row_text(row: Sequence[Run], *, rtl: bool = False) -> str:
    """Text of one visual line in logical order, indices marked, spaces put where the gaps are."""
    if not all(run.horizontal for run in row):
        return normalise_line(" ".join(run.text for run in row))
    if (
        rtl
        and len(row) > 1
        and _LIST_MARK.match(row[-1].text)
        and not any(is_rtl_letter(g.c) for r in row for g in r.glyphs)
    ):
        row = [row[-1], *row[:-1]]  # the number of a Latin entry in a right-to-left list stands at the right
        return normalise_line(" ".join(row_text([run]) for run in row))
    glyphs = [g for run in row for g in run.glyphs]
    direction = letter_direction(g.c for g in glyphs)
    if direction < 0 or (direction == 0 and rtl) or any(is_rtl_letter(g.c) for g in glyphs):
        return normalise_line(_rtl_text(_with_joints(row), rtl=direction < 0 or (direction == 0 and rtl)))
    crossed = any(b.bbox[0] < a.bbox[2] - 0.5 for a, b in pairwise(row))
    if crossed or _painted_out_of_order(glyphs):
        glyphs = _without_covered_blanks(sorted(glyphs, key=lambda g: g.x0))
    return normalise_line(mark_indices(glyphs, size=size_of_runs(row)))


def _without_covered_blanks(glyphs: Sequence[Glyph]) -> list[Glyph]:
    """Blanks under another character (an index set over them) are left out."""
    solid = [g for g in glyphs if not g.c.isspace()]
    return [
        g
        for g in glyphs
        if not g.c.isspace() or not any(min(g.x1, s.x1) - max(g.x0, s.x0) > 0.4 * (g.x1 - g.x0) > 0 for s in solid)
    ]


def _painted_out_of_order(glyphs: Sequence[Glyph]) -> bool:
    return any(b.x1 < a.x0 - 1 for a, b in pairwise(glyphs))


def _with_joints(row: Sequence[Run]) -> list[Glyph]:
    """The glyphs of the row, with a zero-width non-joiner where a word goes on in another run of the same font.

    Where a producer wraps the non-joiner in marked content, MuPDF drops it but begins a new run.
    """
    out: list[Glyph] = []
    for left, right in zip(row, [*row[1:], None], strict=True):
        out += left.glyphs
        if right is None:
            break
        a = max(left.glyphs, key=lambda g: g.x1)
        b = min(right.glyphs, key=lambda g: g.x0)
        same = a.font == b.font and abs(a.size - b.size) < 0.1 and abs(a.base - b.base) < 0.1
        if same and is_rtl_letter(a.c) and is_rtl_letter(b.c) and abs(b.x0 - a.x1) < 0.04 * a.size:
            out.append(a._replace(c="\u200c", x0=a.x1, x1=a.x1))
    return out


def _rtl_text(glyphs: list[Glyph], *, rtl: bool) -> str:
    """Logical text of a line with right-to-left letters, from the places of its glyphs."""
    ordered = sorted(_attach_zero_width(glyphs), key=lambda item: -item[0])
    size = main_size(glyphs)
    base = main_base(glyphs, size)
    chars: list[str] = []
    last: Glyph | None = None
    for _, cluster in ordered:
        g = cluster[0]
        if level_of(g, size, base) == "^" and g.c.isdigit() and last is not None and is_rtl_letter(last.c):
            chars.append("^")  # a footnote mark
        if (last is not None and not g.c.isspace() and not last.c.isspace() and last.x0 - g.x1 > 0.13 * g.size) or (
            last is not None and _scripts_meet(last.c, g.c)
        ):
            chars.append(" ")
        if g.c == " " and last is not None and g.x1 > last.x0 + 0.5 * (g.x1 - g.x0):
            chars.append("\u200c")  # a blank under its neighbour: how some fonts draw a zero-width non-joiner
        else:
            chars.append("".join(x.c for x in cluster))
        last = g
    return logical_order(chars, rtl=rtl)


def _scripts_meet(a: str, b: str) -> bool:
    """A Latin letter beside an Arabic one: a blank that some producers draw only as a shift."""
    return (is_rtl_letter(a) and b.isascii() and b.isalpha()) or (is_rtl_letter(b) and a.isascii() and a.isalpha())


def _attach_zero_width(glyphs: list[Glyph]) -> list[tuple[float, list[Glyph]]]:
    """(centre x, glyphs) with combining marks and the second half of a ligature kept at their letter."""
    out: list[tuple[float, list[Glyph]]] = []
    held: list[Glyph] = []
    for g in glyphs:
        thin = g.x1 - g.x0 < 0.05
        if thin and out and (0x064B <= ord(g.c[0]) <= 0x065F or g.c == "\u0670"):
            out[-1][1].append(g)
        elif thin and g.c in "اأإآ":
            held.append(g)  # a lam-alef ligature: the alef has no width and was put before its lam
        else:
            tail = [h for h in held if g.c == "ل" and abs(h.x0 - g.x1) < 0.5]
            for h in held:
                if h not in tail:
                    out.append(((h.x0 + h.x1) / 2, [h]))
            held = []
            out.append(((g.x0 + g.x1) / 2, [g, *tail]))
    out.extend(((h.x0 + h.x1) / 2, [h]) for h in held)
    return out
