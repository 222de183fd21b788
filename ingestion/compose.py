"""From the layout model's regions and the page's characters to blocks: no PDF library in sight."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ingestion.blocks import Block, BlockKind, Line
from ingestion.captions import CaptionMatch, Target, link, match_caption, split_at_captions
from ingestion.elements import BBox, Problem
from ingestion.figures import crop_box, lone_images, missed_figure
from ingestion.formulas import equation_number, is_math, read_formula
from ingestion.geometry import area, grow, holds_centre, inside, overlap, union, x_overlap, y_gap
from ingestion.glyphs import Run, row_to_line, to_lines, to_rows
from ingestion.reading_order import reading_order
from ingestion.script import letter_direction
from ingestion.tables import Grid, Rule, build_table

_KINDS: dict[str, BlockKind] = {
    "text": "text",
    "title": "title",
    "picture": "figure",
    "table": "table",
    "list-item": "list_item",
    "page-header": "header",
    "page-footer": "footer",
    "section-header": "heading",
    "footnote": "footnote",
    "caption": "caption",
    "formula": "formula",
}
_TEXT_KINDS = ("text", "caption", "heading", "list_item", "title", "footnote")


@dataclass(frozen=True, slots=True)
class Region:
    """A box of the layout model. kind: its class name; parts: the text lines it was grown from."""

    kind: str
    bbox: BBox
    parts: tuple[BBox, ...] = ()
    grid: Grid | None = None


@dataclass(frozen=True, slots=True)
class Painted:
    """What is drawn on the page apart from text. ink: boxes of all paths, shades and images."""

    rules: tuple[Rule, ...] = ()
    images: tuple[BBox, ...] = ()
    ink: tuple[BBox, ...] = ()


@dataclass
class _Draft:
    """A block being made: kind and the runs in it."""

    kind: BlockKind
    bbox: BBox
    runs: list[Run]
    grid: Grid | None = None
    caption: int | None = None  # index of the caption draft


def compose(
    regions: Sequence[Region],
    runs: Sequence[Run],
    painted: Painted,
    page: BBox,
    *,
    number: int,
    cut: Callable[[BBox], str | None],
) -> tuple[list[Block], bool, list[Problem]]:
    """Blocks in reading order, whether the page runs right to left, and problems met.

    cut: makes a crop of a box and returns its file name.
    """
    rtl = letter_direction(c for run in runs for c in run.text) < 0
    drafts = _drafts(regions, runs)
    drafts += _orphans(drafts, runs)
    _recover_formulas(drafts, rtl=rtl)
    captions = _captions(drafts, rtl=rtl)
    drafts = _split_pictures(drafts, captions)
    others = [d.bbox for d in drafts if d.kind != "figure"]
    for box in lone_images(painted.images, [d.bbox for d in drafts if d.kind == "figure"], others, page):
        drafts.append(_Draft("figure", box, []))
    captions = _captions(drafts, rtl=rtl)
    _link(drafts, captions, painted, page)
    drafts = _merge_panels(drafts)
    owned = {id(drafts_caption) for d in drafts if (drafts_caption := _caption_of(d, captions)) is not None}
    blocks: list[Block] = []
    for d in drafts:
        if id(d) in owned:
            continue
        block = _block(d, captions, drafts, painted, page, rtl=rtl, cut=cut)
        if block is not None:
            blocks.append(block)
    order = reading_order([_order_box(b) for b in blocks], rtl=rtl)
    return [blocks[i] for i in order], rtl, []


def _order_box(block: Block) -> BBox:
    return union([block.bbox, block.caption_bbox]) if block.caption_bbox else block.bbox


def _drafts(regions: Sequence[Region], runs: Sequence[Run]) -> list[_Draft]:
    drafts = [_Draft(_KINDS.get(r.kind, "text"), r.bbox, [], r.grid) for r in regions]
    left: list[Run] = []
    for run in runs:
        best, best_score = -1, 0.0
        for i, region in enumerate(regions):
            if not overlap(run.bbox, grow(region.bbox, 1)):
                continue
            score = inside(run.bbox, grow(region.bbox, 1))
            if score < 0.5:
                continue
            score += max(
                (inside(run.bbox, grow(p, 0.5)) * inside(p, grow(run.bbox, 0.5)) for p in region.parts), default=0
            )
            score -= 1e-7 * area(region.bbox)
            if score > best_score:
                best, best_score = i, score
        if best < 0:
            left.append(run)
        else:
            drafts[best].runs.append(run)
    return drafts


def _orphans(drafts: Sequence[_Draft], runs: Sequence[Run]) -> list[_Draft]:
    """Text blocks from the runs that no region took: lines close to each other go together."""
    taken = {id(run) for d in drafts for run in d.runs}
    rest = [run for run in runs if id(run) not in taken]
    upright = [run for run in rest if run.horizontal]
    out: list[_Draft] = []
    for row in to_rows(upright):
        for run in row:
            for d in out:
                close = y_gap(d.bbox, run.bbox) < 0.7 * run.size and (
                    x_overlap(d.bbox, run.bbox) > 0.3
                    or (y_gap(d.bbox, run.bbox) == 0 and abs(run.bbox[0] - d.bbox[2]) < 15)
                )
                if close and abs(d.runs[-1].size - run.size) < 2.5:
                    d.runs.append(run)
                    d.bbox = union([d.bbox, run.bbox])
                    break
            else:
                out.append(_Draft("text", run.bbox, [run]))
    for run in rest:
        if not run.horizontal:
            out.append(_Draft("margin", run.bbox, [run]))
    return out


def _recover_formulas(drafts: list[_Draft], *, rtl: bool) -> None:
    """Text blocks that are a display formula: one or two mathematical lines with "(5)" at an end."""
    for d in drafts:
        if d.kind not in ("text", "list_item", "heading") or not d.runs:
            continue
        rows = to_rows(d.runs)
        if len(rows) > 3:
            continue
        numbered = any(equation_number(run.text) is not None for run in d.runs)
        glyphs = [g for run in d.runs if equation_number(run.text) is None for g in run.glyphs]
        if numbered and glyphs and is_math(glyphs):
            d.kind = "formula"


def _text(d: _Draft, *, rtl: bool) -> str:
    rows = to_rows([r for r in d.runs if r.horizontal])
    return " ".join(row_to_line(row, rtl=rtl).text for row in rows[:2])


def _captions(drafts: Sequence[_Draft], *, rtl: bool) -> list[tuple[CaptionMatch, _Draft]]:
    found: list[tuple[CaptionMatch, _Draft]] = []
    for d in drafts:
        if d.kind in _TEXT_KINDS and d.runs:
            match = match_caption(_text(d, rtl=rtl))
            if match is not None and (match.sure or d.kind == "caption"):
                found.append((match, d))
    return found


def _split_pictures(drafts: list[_Draft], captions: Sequence[tuple[CaptionMatch, _Draft]]) -> list[_Draft]:
    out: list[_Draft] = []
    for d in drafts:
        parts = split_at_captions(d.bbox, [c.bbox for _, c in captions]) if d.kind == "figure" else [d.bbox]
        if len(parts) <= 1:
            out.append(d)
            continue
        for part in parts:
            out.append(_Draft("figure", part, [r for r in d.runs if holds_centre(part, r.bbox)]))
    return out


def _link(drafts: list[_Draft], captions: Sequence[tuple[CaptionMatch, _Draft]], painted: Painted, page: BBox) -> None:
    """Give figures and tables their captions; look for what a caption left alone belongs to."""
    pairs = [(match, d.bbox) for match, d in captions]
    targets = [d for d in drafts if d.kind in ("figure", "table")]
    between = [d.bbox for d in drafts if d.kind in ("text", "heading", "list_item", "formula", "table")]
    found = link([Target("Table" if d.kind == "table" else "Figure", d.bbox) for d in targets], pairs, between)
    for d, j in zip(targets, found, strict=True):
        d.caption = j
    used = {j for j in found if j is not None}
    for j, (match, draft) in enumerate(captions):
        if j in used or match.kind == "Algorithm":
            continue
        taken = [d.bbox for d in drafts if d is not draft]
        for above in (match.kind == "Figure", match.kind != "Figure"):
            box = missed_figure(draft.bbox, painted.ink, taken, page, above=above)
            if box is not None:
                drafts.append(_Draft("figure", box, [], caption=j))
                break


def _caption_of(d: _Draft, captions: Sequence[tuple[CaptionMatch, _Draft]]) -> _Draft | None:
    return captions[d.caption][1] if d.caption is not None else None


def _merge_panels(drafts: list[_Draft]) -> list[_Draft]:
    """Figures with one caption become one figure around all of them."""
    out: list[_Draft] = []
    first: dict[int, _Draft] = {}
    for d in drafts:
        if d.kind == "figure" and d.caption is not None:
            if d.caption in first:
                whole = first[d.caption]
                whole.bbox = union([whole.bbox, d.bbox])
                whole.runs += d.runs
                continue
            first[d.caption] = d
        out.append(d)
    figures = list(first.values())
    return [
        d
        for d in out
        if not (
            d not in figures
            and d.caption is None
            and any(inside(d.bbox, f.bbox) > 0.9 for f in figures)
            and d.kind in ("text", "figure", "formula", "list_item", "heading", "margin")
            and _absorb(d, next(f for f in figures if inside(d.bbox, f.bbox) > 0.9))
        )
    ]


def _absorb(d: _Draft, into: _Draft) -> bool:
    into.runs += d.runs
    return True


def _block(
    d: _Draft,
    captions: Sequence[tuple[CaptionMatch, _Draft]],
    drafts: Sequence[_Draft],
    painted: Painted,
    page: BBox,
    *,
    rtl: bool,
    cut: Callable[[BBox], str | None],
) -> Block | None:
    upright = [r for r in d.runs if r.horizontal]
    box = d.bbox
    if d.kind not in ("figure", "table", "formula"):
        lines = to_lines(upright or d.runs, rtl=rtl)
        kind: BlockKind = d.kind if upright else "margin"
        return Block(kind, union([line.bbox for line in lines]), lines) if lines else None
    caption = _caption_of(d, captions)
    match = captions[d.caption][0] if d.caption is not None else None
    near = [o.bbox for o in drafts if o is not d and inside(o.bbox, box) < 0.5]
    block = Block(
        d.kind,
        box,
        label=match.label if match else None,
        caption=to_lines(caption.runs, rtl=rtl) if caption else (),
        caption_bbox=caption.bbox if caption else None,
    )
    if d.kind == "formula":
        if not upright:
            return None
        box = union([box, *(r.bbox for r in upright)])
        formula = read_formula(upright, painted.rules, box)
        size = max((r.size for r in upright), default=0.0)
        lines = tuple(Line(text, box, size) for text in formula.text.split("\n") if text)
        if not lines:
            return None
        label = f"Equation {formula.number}" if formula.number else None
        return replace(block, bbox=box, lines=lines, label=label, image=cut(crop_box(box, near, page)))
    if d.kind == "table":
        grid = d.grid or Grid((), ())
        table = build_table(box, grid, upright, painted.rules, rtl=rtl)
        if table is None:
            return None
        block = replace(block, cells=table.cells, header_rows=table.header_rows)
    lines = to_lines(upright, rtl=rtl) + to_lines([r for r in d.runs if not r.horizontal])
    return replace(block, lines=lines, image=cut(crop_box(box, near, page)))
