"""Text regions put right: what the layout model joined is cut apart, what it cut apart is joined."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from ingestion.blocks import Line
from ingestion.captions import match_caption
from ingestion.drafts import TEXT_KINDS, Draft
from ingestion.furniture import RUNNING_HEAD
from ingestion.geometry import union, x_gap, y_gap
from ingestion.glyphs import main_base
from ingestion.lines import row_to_line, to_rows
from ingestion.paragraphs import is_finished
from ingestion.sections import heading_number, is_references

_BULLET = re.compile(r"^[•·▪◦‣∙●■]\s*(?=\S)")
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
