"""Blocks in the making: the layout model's regions with the characters that stand in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ingestion.blocks import BlockKind, Line
from ingestion.elements import BBox
from ingestion.geometry import area, grow, inside, union, x_overlap, y_gap
from ingestion.glyphs import Run
from ingestion.lines import to_lines, to_rows
from ingestion.merged_rows import Rule
from ingestion.tables import Grid

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
    _read: tuple[int, bool, tuple[Line, ...]] | None = None  # lines as last read, of so many runs

    @property
    def upright(self) -> list[Run]:
        return [run for run in self.runs if run.horizontal]

    def lines(self, *, rtl: bool) -> tuple[Line, ...]:
        """Its visual lines; read again only when runs were added."""
        if self._read is not None and self._read[:2] == (len(self.runs), rtl):
            return self._read[2]
        lines = to_lines(self.upright, rtl=rtl)
        self.keep_lines(lines, rtl=rtl)
        return lines

    def keep_lines(self, lines: tuple[Line, ...], *, rtl: bool) -> None:
        """Remember lines that were read already."""
        self._read = (len(self.runs), rtl, lines)

    def first_lines(self, n: int = 2, *, rtl: bool = False) -> str:
        """Text of its first `n` visual lines."""
        return " ".join(line.text for line in self.lines(rtl=rtl)[:n])

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
    found = [(share, i) for i, region in enumerate(regions) if (share := inside(run.bbox, grow(region.bbox, 1))) >= 0.5]
    if len(found) < 2:
        return found[0][1] if found else None

    def score(item: tuple[float, int]) -> float:
        share, i = item
        own = grow(run.bbox, 0.5)
        grown = max((inside(run.bbox, grow(p, 0.5)) * inside(p, own) for p in regions[i].parts), default=0)
        return share + grown - 1e-7 * area(regions[i].bbox)

    return max(found, key=score)[1]


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


def join_downwards(drafts: Sequence[Draft], belongs: Callable[[Draft, Draft], bool]) -> list[Draft]:
    """The drafts from top to bottom, each put into the first one above for which belongs(above, draft) holds."""
    out: list[Draft] = []
    for draft in sorted(drafts, key=lambda d: d.bbox[1]):
        home = next((above for above in out if belongs(above, draft)), None)
        if home is None:
            out.append(draft)
        else:
            home.runs += draft.runs
            home.bbox = union([home.bbox, draft.bbox])
    return out
