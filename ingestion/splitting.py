"""Text regions put right: what the layout model joined is cut apart, what it cut apart is joined."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import median

from ingestion.blocks import Line
from ingestion.captions import match_caption
from ingestion.drafts import TEXT_KINDS, Draft
from ingestion.elements import BBox
from ingestion.formulas import equation_number, is_math
from ingestion.furniture import RUNNING_HEAD
from ingestion.geometry import area, union, x_gap, x_overlap, y_gap
from ingestion.glyphs import OCR_FONT, Run, main_base, row_to_line, to_rows
from ingestion.paragraphs import is_finished
from ingestion.script import is_rtl_letter
from ingestion.sections import heading_number, is_references
from ingestion.tables import Rule

_BULLET = re.compile(r"^[•·▪◦‣∙●■]\s*(?=\S)")
_FUNCTIONS = {"exp", "log", "sin", "cos", "tan", "max", "min", "lim", "sup", "inf", "det", "arg", "argmax", "argmin"}
_NOTE = re.compile(r"^\^?(?:[\d۰-۹٠-٩]{1,2}|[*∗†‡§¶])\s?[^\W\d]")
_MARK = re.compile(r"^(?:[•·▪◦‣∙●■–]|\[[\d۰-۹٠-٩]{1,3}\]|\(?[\d۰-۹٠-٩]{1,2}[.)])$")


def split_texts(drafts: Sequence[Draft], *, rtl: bool) -> list[Draft]:
    """Text drafts cut before captions, after headings, at bullets, wide gaps and changes of size."""
    out: list[Draft] = []
    for d in drafts:
        if d.kind in ("text", "caption", "list_item", "footnote", "heading") and len(d.runs) > 1:
            out += _split(d, rtl=rtl)
        else:
            out.append(d)
    return out


def _split(d: Draft, *, rtl: bool) -> list[Draft]:
    rows = to_rows(d.upright)
    if len(rows) < 2:
        return [d]
    lines = [row_to_line(row, rtl=rtl) for row in rows]
    bases = [
        main_base([g for run in row for g in run.glyphs], line.size) for row, line in zip(rows, lines, strict=True)
    ]
    gaps = [b - a for a, b in pairwise(bases)]
    usual = median(gaps)
    full = [_reaches(line, d, rtl=rtl) for line in lines]
    justified = d.kind == "text" and sum(full) >= 0.6 * len(full) and len(full) > 3
    groups: list[list[int]] = [[0]]
    for i in range(1, len(rows)):
        above, here = lines[i - 1], lines[i]
        head = lines[groups[-1][0]]
        letters = min(sum(c.isalpha() for c in above.text), sum(c.isalpha() for c in here.text))
        match = match_caption(here.text)
        finished = is_finished(above.text)
        cut = (
            (match is not None and match.sure and d.kind != "heading" and (finished or len(above.text) < 4))
            or (letters > 8 and abs(above.size - here.size) > 0.8 and d.kind != "footnote")
            or (letters > 0 and abs(above.size - here.size) > 2.5 and is_references(above.text))
            or (justified and finished and not full[i - 1] and not _opens_bullet(head.text))
            or (i == 1 and bool(RUNNING_HEAD.match(above.text)))
            or (rtl and bool(_MARK.match(here.text)))
            or (gaps[i - 1] > 1.45 * usual + 2 and gaps[i - 1] > 1.6 * max(above.size, here.size))
            or (len(gaps) > 3 and finished and d.kind == "text" and gaps[i - 1] > 1.18 * usual + 0.5)
            or (_is_heading(above, d, alone=len(groups[-1]) == 1) and not here.bold)
            or (not above.bold and finished and _is_heading(here, d, alone=True))
            or _opens_bullet(here.text)
            or (_opens_bullet(head.text) and _starts_out(here, head, rtl=rtl))
        )
        if cut:
            groups.append([i])
        else:
            groups[-1].append(i)
    if len(groups) == 1:
        d.keep_lines(tuple(line for line in lines if line.text), rtl=rtl)
        return [d]
    out: list[Draft] = []
    for n, group in enumerate(groups):
        runs = [run for i in group for run in rows[i]]
        first = lines[group[0]]
        kind = d.kind if n == 0 or d.kind in ("list_item", "footnote") else "text"
        if _opens_bullet(first.text):
            kind = "list_item"
        elif len(group) == 1 and _is_heading(first, d, alone=True):
            kind = "heading"
        elif match_caption(first.text) and n:
            kind = "caption"
        elif d.kind == "caption" and n and not match_caption(first.text):
            kind = (
                "caption" if abs(first.size - lines[0].size) < 0.5 and len(groups[0]) == 1 and rtl is False else "text"
            )
        out.append(Draft(kind, union(r.bbox for r in runs), runs))
        out[-1].keep_lines(tuple(lines[i] for i in group if lines[i].text), rtl=rtl)
    rest = [run for run in d.runs if not run.horizontal]
    out[0].runs += rest
    return out


def _reaches(line: Line, d: Draft, *, rtl: bool) -> bool:
    """Whether a line goes to the end of its column."""
    slack = 0.12 * (d.bbox[2] - d.bbox[0])
    return line.bbox[0] < d.bbox[0] + slack if rtl else line.bbox[2] > d.bbox[2] - slack


def _opens_bullet(text: str) -> bool:
    return bool(_BULLET.match(text))


def _starts_out(here: Line, head: Line, *, rtl: bool) -> bool:
    """Whether a line under a bullet starts at the bullet or further out: the paragraph after the list."""
    return here.bbox[2] >= head.bbox[2] - 1 if rtl else here.bbox[0] <= head.bbox[0] + 1


def _is_heading(line: Line, d: Draft, *, alone: bool) -> bool:
    """A bold, short, numbered line (or "References") in a draft of text."""
    text, box = line.text, line.bbox
    if not (alone and line.bold and d.kind in ("text", "list_item")) or len(text) > 80:
        return False
    short = box[2] - box[0] < 0.75 * (d.bbox[2] - d.bbox[0])
    return short and (heading_number(text) is not None or is_references(text)) and not re.search(r"[.:;,]$", text)


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
    out: list[Draft] = []
    for d in sorted(drafts, key=lambda d: d.bbox[1]):
        home = next((f for f in out if d.kind == "formula" and f.kind == "formula" and _one_system(f, d)), None)
        if home is None:
            out.append(d)
        else:
            home.runs += d.runs
            home.bbox = union([home.bbox, d.bbox])
    return out


def _one_system(a: Draft, b: Draft) -> bool:
    numbers = sum(equation_number(run.text) is not None for run in [*a.runs, *b.runs])
    return numbers <= 1 and y_gap(a.bbox, b.bbox) < 2 and x_overlap(a.bbox, b.bbox) > 0.5


def name_footnotes(drafts: Sequence[Draft], rules: Sequence[Rule], page: BBox, *, rtl: bool) -> None:
    """Small text with a mark, in the lower half under a short rule or under another note, is a footnote."""
    sizes: dict[float, int] = {}
    for d in drafts:
        if d.kind == "text":
            for run in d.runs:
                sizes[round(run.size * 2) / 2] = sizes.get(round(run.size * 2) / 2, 0) + len(run.glyphs)
    body = max(sizes, key=lambda s: sizes[s], default=10.0)
    notes = [d for d in drafts if d.kind == "footnote"]
    for d in sorted(drafts, key=lambda d: d.bbox[1]):
        if d.kind not in ("text", "list_item", "footer") or not d.upright or d.bbox[1] < 0.5 * page[3]:
            continue
        size = max(run.size for run in d.upright)
        opens = _NOTE.match(d.first_lines(1, rtl=rtl))
        ruled = any(0 <= d.bbox[1] - r.y < 14 and 15 < r.x1 - r.x0 < 0.45 * page[2] and _over(r, d) for r in rules)
        under = any(0 <= d.bbox[1] - n.bbox[3] < 6 and x_overlap(n.bbox, d.bbox) > 0.5 for n in notes)
        if size <= body - 0.8 and opens and (ruled or under):
            d.kind = "footnote"
            notes.append(d)


def _over(rule: Rule, d: Draft) -> bool:
    return rule.x0 < d.bbox[2] and rule.x1 > d.bbox[0]


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


def join_marks(drafts: list[Draft], *, rtl: bool) -> list[Draft]:
    """Bullets and numbers such as "[3]" that stand in a draft of their own join the text beside them."""
    texts = [d for d in drafts if d.kind in TEXT_KINDS]
    out: list[Draft] = []
    for d in drafts:
        if d.kind in TEXT_KINDS and len(d.runs) <= 4 and _MARK.match(d.first_lines(9, rtl=rtl)):
            beside = [
                t
                for t in texts
                if t is not d
                and y_gap(t.bbox, d.bbox) == 0
                and x_gap(t.bbox, d.bbox) < 40
                and abs(t.bbox[1] - d.bbox[1]) < 1.2 * d.runs[0].size
            ]
            if beside:
                home = min(beside, key=lambda t: x_gap(t.bbox, d.bbox))
                home.runs += d.runs
                home.bbox = union([home.bbox, d.bbox])
                home.kind = "list_item" if home.kind == "text" else home.kind
                continue
        out.append(d)
    return out


def name_text_pictures(drafts: Sequence[Draft]) -> None:
    """Pictures filled with lines of prose are text: the scan of a page with its OCR layer, a boxed paragraph."""
    for d in drafts:
        if d.kind != "figure" or len(d.upright) < 4:
            continue
        rows = to_rows(d.upright)
        words = sum(len(run.text.split()) for run in d.upright)
        cover = sum((row[-1].bbox[2] - row[0].bbox[0]) * row[0].size for row in rows) / max(1.0, area(d.bbox))
        if len(rows) >= 4 and words >= 6 * len(rows) and cover > 0.5:
            d.kind = "text"
            d.fit()


def name_code(drafts: Sequence[Draft], *, rtl: bool) -> list[Draft]:
    """Text drafts set mostly in a fixed-width font are code, apart from addresses; lines that follow are one block."""
    for d in drafts:
        if d.kind in ("text", "list_item", "heading") and d.upright:
            if d.runs[0].glyphs[0].font == OCR_FONT:
                continue
            lines = d.lines(rtl=rtl)
            if not lines:
                continue
            mono = sum(len(line.text) for line in lines if line.mono)
            total = sum(len(line.text) for line in lines)
            looks = len(lines) > 1 or re.search(r"[=({>;$]|::", lines[0].text)
            if mono > 0.8 * total and looks and "@" not in lines[0].text:
                d.kind = "code"
    out: list[Draft] = []
    for d in sorted(drafts, key=lambda d: d.bbox[1]):
        home = next((c for c in out if c.kind == d.kind == "code" and _next_code(c, d)), None)
        if home is None:
            out.append(d)
        else:
            home.runs += d.runs
            home.bbox = union([home.bbox, d.bbox])
    return out


def _next_code(above: Draft, below: Draft) -> bool:
    size = max(run.size for run in above.runs)
    return 0 <= below.bbox[1] - above.bbox[3] + 2 < 1.1 * size and x_overlap(above.bbox, below.bbox) > 0.3


def indented(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Lines of code with blanks in front for their distance from the left edge."""
    left = min(line.bbox[0] for line in lines)
    out: list[Line] = []
    for line in lines:
        width = (line.bbox[2] - line.bbox[0]) / max(1, len(line.text))
        out.append(replace(line, text=" " * round((line.bbox[0] - left) / max(width, 1.0)) + line.text))
    return tuple(out)
