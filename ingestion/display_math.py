"""Display formulas among the text regions: those the layout model missed, joined or took for something else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from ingestion.drafts import Draft, join_downwards
from ingestion.formulas import equation_number, is_math
from ingestion.geometry import union, x_gap, x_overlap, y_gap
from ingestion.glyphs import Run
from ingestion.lines import row_to_line, to_rows
from ingestion.script import is_rtl_letter

_FUNCTIONS = {"exp", "log", "sin", "cos", "tan", "max", "min", "lim", "sup", "inf", "det", "arg", "argmax", "argmin"}


def mend_formulas(drafts: list[Draft], *, rtl: bool) -> list[Draft]:
    """Formulas that are plain text get another kind; numbered mathematical lines in text become formulas.

    The layout model misses some display formulas and, in Persian pages, takes headings for them.
    """
    out: list[Draft] = []
    for d in drafts:
        if d.kind == "formula" and d.upright:
            glyphs = [g for run in d.upright for g in run.glyphs]
            letters = [g for g in glyphs if g.c.isalpha()]
            if letters and sum(is_rtl_letter(g.c) for g in letters) > 0.8 * len(letters):
                bold = row_to_line(d.upright, rtl=rtl).bold
                d.kind = "heading" if bold and len(to_rows(d.upright)) == 1 else "text"
            out.append(d)
        elif d.kind in ("text", "list_item", "heading") and d.upright:
            out += _formulas_in(d)
        else:
            out.append(d)
    return [part for d in _whole_systems(_with_numbers(out)) for part in _one_number_each(d)]


def _one_number_each(d: Draft) -> list[Draft]:
    """A formula region with several numbers, cut at the widest gap between two of them."""
    if d.kind != "formula":
        return [d]
    marks = sorted((run for run in d.upright if equation_number(run.text) is not None), key=lambda r: r.bbox[1])
    edge = max((run.bbox[2] for run in marks), default=0.0)
    marks = [run for run in marks if run.bbox[2] > edge - 6 and run.bbox[0] > 0.5 * (d.bbox[0] + d.bbox[2])]
    if len(marks) < 2:
        return [d]
    cuts: list[float] = []
    for a, b in pairwise(marks):
        ya, yb = (a.bbox[1] + a.bbox[3]) / 2, (b.bbox[1] + b.bbox[3]) / 2
        edges = sorted((run.bbox[1], run.bbox[3]) for run in d.upright if run.bbox[3] > ya - 1 and run.bbox[1] < yb + 1)
        best, reach = (0.0, (ya + yb) / 2), ya
        for top, bottom in edges:
            if ya < (reach + top) / 2 < yb and top - reach > best[0]:
                best = (top - reach, (reach + top) / 2)
            reach = max(reach, bottom)
        cuts.append(best[1])
    groups: dict[int, list[Run]] = {}
    for run in d.runs:
        groups.setdefault(sum((run.bbox[1] + run.bbox[3]) / 2 > cut for cut in cuts), []).append(run)
    return [Draft("formula", union(r.bbox for r in runs), runs) for _, runs in sorted(groups.items())]


def _whole_systems(drafts: list[Draft]) -> list[Draft]:
    """Formulas that touch and have at most one number between them are rows of one system."""
    return join_downwards(drafts, lambda above, d: d.kind == above.kind == "formula" and _one_system(above, d))


def _one_system(a: Draft, b: Draft) -> bool:
    numbers = sum(equation_number(run.text) is not None for run in [*a.runs, *b.runs])
    return numbers <= 1 and y_gap(a.bbox, b.bbox) < 2 and x_overlap(a.bbox, b.bbox) > 0.5


def _formulas_in(d: Draft) -> list[Draft]:
    rows = to_rows(d.upright)
    glyphs = [g for run in d.upright for g in run.glyphs]
    if len(rows) <= 4 and any(g.c in "=≤≥≈" for g in glyphs) and is_math(glyphs):
        words = re.findall(r"[^\W\d_]{3,}", " ".join(run.text for run in d.upright))
        if len(glyphs) > 4 and not [w for w in words if w.lower() not in _FUNCTIONS]:
            d.kind = "formula"
            return [d]
    kinds = [_is_formula_row(row, d) for row in rows]
    if not any(kinds):
        return [d]
    out: list[Draft] = []
    start = 0
    for i in range(1, len(rows) + 1):
        if i == len(rows) or kinds[i] != kinds[start]:
            runs = [run for row in rows[start:i] for run in row]
            out.append(Draft("formula" if kinds[start] else d.kind, union(r.bbox for r in runs), runs))
            start = i
    return out


def _is_formula_row(row: Sequence[Run], d: Draft) -> bool:
    """A row with "(5)" at one end, and mathematics, not a sentence, for the rest."""
    numbered = [run for run in row if equation_number(run.text) is not None]
    rest = [run for run in row if run not in numbered]
    if not rest:
        return False
    glyphs = [g for run in rest for g in run.glyphs]
    if not is_math(glyphs):
        return False
    words = re.findall(r"[^\W\d_]{4,}", " ".join(run.text for run in rest))
    gap = min((x_gap(n.bbox, r.bbox) for n in numbered for r in rest), default=0.0)
    if numbered and gap > 12:
        return len(words) <= 6
    middle = (min(r.bbox[0] for r in rest) + max(r.bbox[2] for r in rest)) / 2
    width = d.bbox[2] - d.bbox[0]
    own = max(r.bbox[2] for r in rest) - min(r.bbox[0] for r in rest)
    centred = abs(middle - (d.bbox[0] + d.bbox[2]) / 2) < 0.06 * width and own < 0.6 * width and width > 150
    return centred and not words and any(g.c in "=≤≥≈<>" for g in glyphs)


def _with_numbers(drafts: list[Draft]) -> list[Draft]:
    """Equation numbers that stand in a draft of their own join the formula on their height."""
    formulas = [d for d in drafts if d.kind == "formula"]
    out: list[Draft] = []
    for d in drafts:
        if d.kind != "formula" and len(d.runs) <= 2 and equation_number("".join(r.text for r in d.runs)) is not None:
            middle = (d.bbox[1] + d.bbox[3]) / 2
            home = [f for f in formulas if f.bbox[1] - 3 <= middle <= f.bbox[3] + 3 and x_gap(f.bbox, d.bbox) > 5]
            if home:
                nearest = min(home, key=lambda f: x_gap(f.bbox, d.bbox))
                nearest.runs += d.runs
                nearest.bbox = union([nearest.bbox, d.bbox])
                continue
        out.append(d)
    return out
