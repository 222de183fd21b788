"""Figures and tables of a page: their true extent, their captions, their panels."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ingestion.captions import CaptionMatch, Target, link, match_caption, split_at_captions
from ingestion.drafts import TEXT_KINDS, Draft, Painted
from ingestion.elements import BBox
from ingestion.figures import grow_to_ink, lone_images, missed_figure
from ingestion.geometry import area, holds_centre, inside, union, x_gap, x_overlap, y_gap
from ingestion.glyphs import split_runs
from ingestion.tables import Grid

_URL = re.compile(r"^(?:https?://|doi:)\S+$")


def find_captions(drafts: Sequence[Draft], *, rtl: bool) -> list[tuple[CaptionMatch, Draft]]:
    """Drafts that open like a caption, with a mark after the number unless the layout model calls them so."""
    found: list[tuple[CaptionMatch, Draft]] = []
    for d in drafts:
        if d.kind in TEXT_KINDS and d.runs:
            match = match_caption(d.first_lines(rtl=rtl))
            if match is not None and (match.sure or d.kind == "caption"):
                found.append((match, d))
    return found


def settle_floats(drafts: list[Draft], painted: Painted, page: BBox, *, rtl: bool) -> list[Draft]:
    """Drafts with figures and tables grown, cut, merged and given their captions; the captions leave the list."""
    captions = find_captions(drafts, rtl=rtl)
    drafts = _split_pictures(drafts, captions)
    drafts = _split_tables(drafts, captions)
    _grow(drafts, painted, page)
    others = [d.bbox for d in drafts if d.kind != "figure"]
    pictures = [d.bbox for d in drafts if d.kind == "figure"]
    drafts += [Draft("figure", box) for box in lone_images(painted.images, pictures, others, page)]
    _join_addresses(drafts, captions, rtl=rtl)
    _link(drafts, captions, painted, page)
    drafts = _merge_panels(drafts, rtl=rtl)
    owned = {d.caption for d in drafts if d.caption is not None}
    return [d for d in _absorb(drafts) if d not in owned and d.runs is not None]


def _split_pictures(drafts: list[Draft], captions: Sequence[tuple[CaptionMatch, Draft]]) -> list[Draft]:
    out: list[Draft] = []
    for d in drafts:
        parts = split_at_captions(d.bbox, [c.bbox for _, c in captions]) if d.kind == "figure" else [d.bbox]
        if len(parts) <= 1:
            out.append(d)
            continue
        out += [Draft("figure", part, [r for r in d.runs if holds_centre(part, r.bbox)]) for part in parts]
    return out


def _split_tables(drafts: list[Draft], captions: Sequence[tuple[CaptionMatch, Draft]]) -> list[Draft]:
    """Two tables side by side that were found as one, told by two table captions side by side."""
    out: list[Draft] = []
    tables = [c.bbox for match, c in captions if match.kind == "Table"]
    for d in drafts:
        near = sorted((b for b in tables if y_gap(b, d.bbox) < 45 and x_overlap(b, d.bbox) > 0.5), key=lambda b: b[0])
        if d.kind != "table" or len(near) < 2 or near[0][2] >= near[1][0]:
            out.append(d)
            continue
        gutter = (near[0][2] + near[1][0]) / 2
        runs = split_runs(d.runs, 0.6)
        if any(r.bbox[0] < gutter - 3 and r.bbox[2] > gutter + 3 for r in runs):
            out.append(d)
            continue
        sides = [[r for r in runs if r.bbox[2] <= gutter + 3], [r for r in runs if r.bbox[0] >= gutter - 3]]
        for side in sides:
            if side:
                box = union(r.bbox for r in side)
                grid = d.grid or Grid((), ())
                xs = tuple(x for x in grid.xs if box[0] < x < box[2])
                out.append(Draft("table", box, side, Grid(grid.ys, xs)))
    return out


def _grow(drafts: list[Draft], painted: Painted, page: BBox) -> None:
    fixed = [d for d in drafts if d.kind != "figure"]
    for d in drafts:
        if d.kind == "figure":
            # Text mostly inside the picture is part of it, not a border.
            walls = [f.bbox for f in fixed if inside(f.bbox, d.bbox) < 0.5 and f.kind != "margin"]
            walls += [o.bbox for o in drafts if o.kind == "figure" and o is not d]
            d.bbox = grow_to_ink(d.bbox, painted.ink, walls, page)


def _join_addresses(drafts: list[Draft], captions: Sequence[tuple[CaptionMatch, Draft]], *, rtl: bool) -> None:
    """A lone address right below a caption (a figure's DOI) belongs to the caption."""
    for d in list(drafts):
        if d.kind in TEXT_KINDS and len(d.upright) == 1 and _URL.match(d.first_lines(1, rtl=rtl)):
            for _, c in captions:
                if c is not d and 0 <= d.bbox[1] - c.bbox[3] < 14 and x_overlap(d.bbox, c.bbox) > 0.5:
                    c.runs += d.runs
                    c.fit()
                    drafts.remove(d)
                    break


def _link(drafts: list[Draft], captions: Sequence[tuple[CaptionMatch, Draft]], painted: Painted, page: BBox) -> None:
    """Give figures and tables their captions; look for what a caption left alone belongs to."""
    targets = [d for d in drafts if d.kind in ("figure", "table")]
    between = [d.bbox for d in drafts if d.kind in ("text", "heading", "list_item", "formula", "table")]
    found = link(
        [Target("Table" if d.kind == "table" else "Figure", d.bbox) for d in targets],
        [(match, d.bbox) for match, d in captions],
        between,
    )
    for d, j in zip(targets, found, strict=True):
        if j is not None:
            d.caption, d.label = captions[j][1], captions[j][0].label
    used = {j for j in found if j is not None}
    for j, (match, draft) in enumerate(captions):
        if j in used or match.kind == "Algorithm":
            continue
        taken = [d.bbox for d in drafts if d is not draft]
        for above in (match.kind == "Figure", match.kind != "Figure"):
            box = missed_figure(draft.bbox, painted.ink, taken, page, above=above)
            if box is not None:
                drafts.append(Draft("figure", box, caption=draft, label=match.label))
                break


def _merge_panels(drafts: list[Draft], *, rtl: bool) -> list[Draft]:
    """Figures with one caption become one figure around all of them, short titles above the panels included."""
    groups: dict[Draft, list[Draft]] = {}
    for d in drafts:
        if d.kind == "figure" and d.caption is not None:
            groups.setdefault(d.caption, []).append(d)
    gone: set[Draft] = set()
    for panels in groups.values():
        if len(panels) < 2:
            continue
        whole = panels[0]
        titles = [d for d in drafts if _is_panel_title(d, panels, rtl=rtl)]
        if len(titles) < 2:
            titles = []
        for d in [*panels[1:], *titles]:
            whole.runs += d.runs
            gone.add(d)
        whole.bbox = union(d.bbox for d in [*panels, *titles])
    return [d for d in drafts if d not in gone]


def _is_panel_title(d: Draft, panels: Sequence[Draft], *, rtl: bool) -> bool:
    if d.kind not in ("text", "heading", "header", "caption") or len(d.runs) > 2:
        return False
    return len(d.first_lines(rtl=rtl)) < 50 and any(
        -3 <= p.bbox[1] - d.bbox[3] < 18 and abs((d.bbox[0] + d.bbox[2]) - (p.bbox[0] + p.bbox[2])) / 2 < 25
        for p in panels
    )


def _absorb(drafts: list[Draft]) -> list[Draft]:
    """Text and smaller pictures inside a figure, and turned axis titles beside it, are part of it."""
    figures = sorted((d for d in drafts if d.kind == "figure"), key=lambda d: -area(d.bbox))
    for d in drafts:
        if d.kind == "margin":
            for f in figures:
                if x_gap(d.bbox, f.bbox) < 14 and f.bbox[1] - 4 <= d.bbox[1] and d.bbox[3] <= f.bbox[3] + 4:
                    f.bbox = union([f.bbox, d.bbox])
                    break
    out: list[Draft] = []
    for d in drafts:
        home = next(
            (
                f
                for f in figures
                if f is not d
                and inside(d.bbox, f.bbox) > 0.85
                and area(d.bbox) < area(f.bbox)
                and (d.kind != "figure" or d.caption is None)
                and d.kind in ("text", "figure", "formula", "list_item", "heading", "margin", "header", "code", "title")
            ),
            None,
        )
        if home is None:
            out.append(d)
        else:
            home.runs += d.runs
    return out
