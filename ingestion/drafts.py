"""Blocks in the making: the layout model's regions with the characters that stand in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ingestion.blocks import BlockKind
from ingestion.elements import BBox
from ingestion.geometry import area, grow, inside, overlap, union, x_overlap, y_gap
from ingestion.glyphs import Run, row_text, to_rows
from ingestion.tables import Grid, Rule

KINDS: dict[str, BlockKind] = {
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
TEXT_KINDS = ("text", "caption", "heading", "list_item", "title", "footnote")


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


@dataclass(eq=False)
class Draft:
    """A block being made. caption: the draft that is its caption; label: what that caption calls it."""

    kind: BlockKind
    bbox: BBox
    runs: list[Run] = field(default_factory=list)
    grid: Grid | None = None
    caption: Draft | None = None
    label: str | None = None

    @property
    def upright(self) -> list[Run]:
        return [run for run in self.runs if run.horizontal]

    def first_lines(self, n: int = 2, *, rtl: bool = False) -> str:
        """Text of its first `n` visual lines."""
        return " ".join(row_text(row, rtl=rtl) for row in to_rows(self.upright)[:n])

    def fit(self) -> None:
        """Shrink the box to the runs."""
        if self.runs:
            self.bbox = union(run.bbox for run in self.runs)


def make_drafts(regions: Sequence[Region], runs: Sequence[Run]) -> list[Draft]:
    """One draft a region with its runs, and text drafts of the runs that no region took."""
    drafts = [Draft(KINDS.get(r.kind, "text"), r.bbox, grid=r.grid) for r in regions]
    left: list[Run] = []
    for run in runs:
        at = _region_of(run, regions)
        if at is None:
            left.append(run)
        else:
            drafts[at].runs.append(run)
    return drafts + _orphans(left)


def _region_of(run: Run, regions: Sequence[Region]) -> int | None:
    """The region that holds most of the run; of overlapping ones that which was grown from it, then the smaller."""
    best: tuple[float, int] | None = None
    for i, region in enumerate(regions):
        wide = grow(region.bbox, 1)
        if not overlap(run.bbox, wide):
            continue
        share = inside(run.bbox, wide)
        if share < 0.5:
            continue
        own = max((inside(run.bbox, grow(p, 0.5)) * inside(p, grow(run.bbox, 0.5)) for p in region.parts), default=0)
        score = share + own - 1e-7 * area(region.bbox)
        if best is None or score > best[0]:
            best = (score, i)
    return best[1] if best else None


def _orphans(runs: Sequence[Run]) -> list[Draft]:
    """Lines close to each other go together; rotated text becomes margin drafts."""
    out: list[Draft] = []
    for row in to_rows(run for run in runs if run.horizontal):
        for run in row:
            home = next((d for d in out if _continues(d, run)), None)
            if home is None:
                out.append(Draft("text", run.bbox, [run]))
            else:
                home.runs.append(run)
                home.bbox = union([home.bbox, run.bbox])
    return out + [Draft("margin", run.bbox, [run]) for run in runs if not run.horizontal]


def _continues(d: Draft, run: Run) -> bool:
    if abs(d.runs[-1].size - run.size) >= 2.5 or y_gap(d.bbox, run.bbox) >= 0.7 * run.size:
        return False
    beside = y_gap(d.bbox, run.bbox) == 0 and abs(run.bbox[0] - d.bbox[2]) < 15
    return x_overlap(d.bbox, run.bbox) > 0.3 or beside
