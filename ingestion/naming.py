"""Kinds the layout model does not know or misses: code, footnotes, pictures that are text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ingestion.blocks import Line
from ingestion.drafts import Draft, join_downwards
from ingestion.elements import BBox
from ingestion.geometry import area, x_overlap
from ingestion.glyphs import OCR_FONT
from ingestion.lines import to_rows
from ingestion.merged_rows import Rule

_NOTE = re.compile(r"^\^?(?:[\d۰-۹٠-٩]{1,2}|[*∗†‡§¶])\s?[^\W\d]")


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
            lines = list(d.lines(rtl=rtl))
            if not lines:
                continue
            mono = sum(len(line.text) for line in lines if line.mono)
            total = sum(len(line.text) for line in lines)
            looks = len(lines) > 1 or re.search(r"[=({>;$]|::", lines[0].text)
            if mono > 0.8 * total and looks and "@" not in lines[0].text:
                d.kind = "code"
    return join_downwards(drafts, lambda above, d: d.kind == above.kind == "code" and _next_code(above, d))


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
