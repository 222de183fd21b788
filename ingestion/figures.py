"""Figures: the box to cut, and figures the layout model missed above a caption."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ingestion.elements import BBox
from ingestion.geometry import area, clip, grow, overlap, union, x_overlap

PADDING = 5.0  # points around a crop: boxes are tight to the ink


def crop_box(box: BBox, neighbours: Sequence[BBox], page: BBox) -> BBox:
    """The box padded, kept on the page and off its neighbours (captions, text)."""
    x0, y0, x1, y1 = clip(grow(box, PADDING), page)
    for n in neighbours:
        if n[0] < x1 and n[2] > x0:
            if box[3] - 1 <= n[1] < y1:
                y1 = max(box[3], n[1] - 0.5)
            elif y0 < n[3] <= box[1] + 1:
                y0 = min(box[1], n[3] + 0.5)
        if n[1] < y1 and n[3] > y0:
            if box[2] - 1 <= n[0] < x1:
                x1 = max(box[2], n[0] - 0.5)
            elif x0 < n[2] <= box[0] + 1:
                x0 = min(box[0], n[2] + 0.5)
    return (x0, y0, x1, y1)


def missed_figure(caption: BBox, ink: Sequence[BBox], taken: Sequence[BBox], page: BBox, *, above: bool) -> BBox | None:
    """Box of drawings and images right above (or below) a caption that no other block claims.

    ink: boxes of what is painted apart from text; taken: boxes of the other blocks. None when there is too little.
    """
    lane = (max(page[0], caption[0] - 20), 0.0, min(page[2], caption[2] + 20), 0.0)
    limit = page[1] if above else page[3]
    for box in taken:
        if x_overlap(box, caption) > 0.1 or x_overlap(box, (lane[0], 0, lane[2], 1)) > 0.3:
            if above and box[3] <= caption[1] + 2:
                limit = max(limit, box[3])
            elif not above and box[1] >= caption[3] - 2:
                limit = min(limit, box[1])
    zone = (lane[0], limit, lane[2], caption[1]) if above else (lane[0], caption[3], lane[2], limit)
    if zone[3] - zone[1] < 20:
        return None
    found = [b for b in ink if overlap(b, zone) > 0.6 * area(b) and area(b) > 0 and area(b) < 0.8 * area(page)]
    if not found:
        return None
    box = clip(union(found), zone)
    return box if area(box) > 1500 and box[3] - box[1] > 20 else None


def lone_images(images: Sequence[BBox], pictures: Sequence[BBox], others: Sequence[BBox], page: BBox) -> list[BBox]:
    """Embedded images that no block covers: at least 30 points wide and high, under 90 % of the page."""
    out: list[BBox] = []
    for box in images:
        box = clip(box, page)
        if box[2] - box[0] < 30 or box[3] - box[1] < 30 or area(box) > 0.9 * area(page):
            continue
        if any(overlap(box, b) > 0.1 * min(area(box), area(b)) for b in [*pictures, *others, *out]):
            continue
        out.append(box)
    return out


def grow_to_ink(box: BBox, ink: Sequence[BBox], walls: Sequence[BBox], page: BBox) -> BBox:
    """The box with all drawings and images that touch it, and those that touch these; stops at `walls`.

    Drawings over half a page high or wide enough to be frames of the page, and those that would take in a wall, are
    left out. At most 4 rounds.
    """
    if not ink:
        return box
    boxes = np.array(ink, dtype=np.float64)
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    page_w, page_h = page[2] - page[0], page[3] - page[1]
    usable = (
        (width * height < 0.5 * page_w * page_h) & ~((width > 0.6 * page_w) & (height < 3)) & (height < 0.8 * page_h)
    )
    boxes = boxes[usable]
    x0, y0, x1, y1 = box
    for _ in range(4):
        touch = (boxes[:, 0] < x1 + 3) & (boxes[:, 2] > x0 - 3) & (boxes[:, 1] < y1 + 3) & (boxes[:, 3] > y0 - 3)
        out = (boxes[:, 0] < x0) | (boxes[:, 2] > x1) | (boxes[:, 1] < y0) | (boxes[:, 3] > y1)
        grown = (x0, y0, x1, y1)
        for bx0, by0, bx1, by1 in boxes[touch & out][:400].tolist():
            wider = (min(grown[0], bx0), min(grown[1], by0), max(grown[2], bx1), max(grown[3], by1))
            if not any(overlap(wider, w) > overlap(grown, w) + 1 for w in walls):
                grown = wider
        if grown == (x0, y0, x1, y1):
            break
        x0, y0, x1, y1 = grown
    return clip((x0, y0, x1, y1), page)
