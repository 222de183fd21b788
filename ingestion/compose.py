"""From the layout model's regions and the page's characters to blocks: no PDF library in sight."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ingestion.blocks import Block, BlockKind, Line
from ingestion.display_math import mend_formulas
from ingestion.drafts import Draft, Painted, Region, make_drafts
from ingestion.elements import BBox
from ingestion.figures import crop_box
from ingestion.floats import settle_floats
from ingestion.formulas import read_formula
from ingestion.geometry import inside, union
from ingestion.glyphs import Run
from ingestion.lines import to_lines
from ingestion.naming import indented, name_code, name_footnotes, name_text_pictures
from ingestion.reading_order import reading_order
from ingestion.script import letter_direction
from ingestion.sections import heading_number
from ingestion.splitting import join_marks, split_texts
from ingestion.tables import Grid, build_table

Cut = Callable[[BBox], str | None]


def compose(
    regions: Sequence[Region], runs: Sequence[Run], painted: Painted, page: BBox, *, cut: Cut
) -> tuple[list[Block], bool]:
    """Blocks in reading order, and whether the page runs right to left.

    cut: makes a crop of a box and returns its file name.
    """
    rtl = letter_direction(c for run in runs for c in run.text) < 0
    drafts = make_drafts(regions, runs)
    name_text_pictures(drafts)
    drafts = split_texts(drafts, rtl=rtl)
    drafts = mend_formulas(drafts, rtl=rtl)
    drafts = join_marks(drafts, rtl=rtl)
    drafts = name_code(drafts, rtl=rtl)
    name_footnotes(drafts, painted.rules, page, rtl=rtl)
    drafts = settle_floats(drafts, painted, page, rtl=rtl)
    blocks = [b for d in drafts if (b := _block(d, drafts, painted, page, rtl=rtl, cut=cut)) is not None]
    order = reading_order(
        [union([b.bbox, *([b.caption_bbox] if b.caption_bbox else [])]) for b in blocks],
        rtl=rtl,
        numbers=[_chapter(b) for b in blocks],
    )
    return [blocks[i] for i in order], rtl


def _chapter(block: Block) -> int | None:
    """The number of a heading of the first level."""
    number = heading_number(block.lines[0].text) if block.kind == "heading" and block.lines else None
    return int(number) if number is not None and number.isdigit() else None


def _block(d: Draft, drafts: Sequence[Draft], painted: Painted, page: BBox, *, rtl: bool, cut: Cut) -> Block | None:
    """The finished block; None when there is nothing in it."""
    if d.kind not in ("figure", "table", "formula"):
        lines = d.lines(rtl=rtl) or to_lines(d.runs, rtl=rtl)
        if d.kind == "code":
            lines = indented(lines)
        if not any(c.isalnum() for line in lines for c in line.text):
            return None  # leaders and ornaments
        kind: BlockKind = d.kind if d.upright else "margin"
        return Block(kind, union(line.bbox for line in lines), lines) if lines else None
    near = [o.bbox for o in drafts if o is not d and inside(o.bbox, d.bbox) < 0.5]
    near += [o.caption.bbox for o in drafts if o.caption is not None]
    if d.kind == "formula":
        return _formula(d, near, painted, page, cut=cut)
    block = Block(
        d.kind,
        d.bbox,
        label=d.label,
        caption=to_lines(d.caption.upright, rtl=rtl) if d.caption else (),
        caption_bbox=d.caption.bbox if d.caption else None,
        lines=to_lines(d.upright, rtl=rtl) + to_lines(run for run in d.runs if not run.horizontal),
    )
    if d.kind == "table":
        table = build_table(d.bbox, d.grid or Grid((), ()), d.upright, painted.rules, rtl=rtl)
        if table is None:
            return None
        block = replace(block, cells=table.cells, header_rows=table.header_rows)
    return replace(block, image=cut(crop_box(d.bbox, near, page)))


def _formula(d: Draft, near: Sequence[BBox], painted: Painted, page: BBox, *, cut: Cut) -> Block | None:
    if not d.upright:
        return None
    box = union([d.bbox, *(run.bbox for run in d.upright)])
    formula = read_formula(d.upright, painted.rules, box)
    size = max(run.size for run in d.upright)
    lines = tuple(Line(text, box, size) for text in formula.text.split("\n") if text)
    if not lines:
        return None
    label = f"Equation {formula.number}" if formula.number else None
    return Block("formula", box, lines, label=label, image=cut(crop_box(box, near, page)))
