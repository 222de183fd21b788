"""Boxes: (x0, y0, x1, y1) in points, y downwards."""

from __future__ import annotations

from collections.abc import Iterable

from ingestion.elements import BBox


def union(boxes: Iterable[BBox]) -> BBox:
    """Smallest box around all; raises ValueError when there is none."""
    found = list(boxes)
    return (
        min(b[0] for b in found),
        min(b[1] for b in found),
        max(b[2] for b in found),
        max(b[3] for b in found),
    )


def area(box: BBox) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def overlap(a: BBox, b: BBox) -> float:
    """Area in common, in square points."""
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    return w * h if w > 0 and h > 0 else 0.0


def inside(inner: BBox, outer: BBox) -> float:
    """Share of `inner` that lies in `outer`, 0 to 1; an inner box without area counts by its centre."""
    if inner[0] >= outer[2] or inner[2] <= outer[0] or inner[1] >= outer[3] or inner[3] <= outer[1]:
        return 0.0
    own = area(inner)
    if own <= 0:
        return 1.0 if holds_centre(outer, inner) else 0.0
    return overlap(inner, outer) / own


def holds_centre(outer: BBox, inner: BBox) -> bool:
    x, y = (inner[0] + inner[2]) / 2, (inner[1] + inner[3]) / 2
    return outer[0] <= x <= outer[2] and outer[1] <= y <= outer[3]


def x_gap(a: BBox, b: BBox) -> float:
    """Horizontal distance; 0 when they overlap in x."""
    return max(0.0, max(a[0], b[0]) - min(a[2], b[2]))


def y_gap(a: BBox, b: BBox) -> float:
    """Vertical distance; 0 when they overlap in y."""
    return max(0.0, max(a[1], b[1]) - min(a[3], b[3]))


def x_overlap(a: BBox, b: BBox) -> float:
    """Shared width over the narrower width, 0 to 1."""
    narrow = min(a[2] - a[0], b[2] - b[0])
    shared = min(a[2], b[2]) - max(a[0], b[0])
    return max(0.0, shared / narrow) if narrow > 0 else 0.0


def grow(box: BBox, by: float) -> BBox:
    return (box[0] - by, box[1] - by, box[2] + by, box[3] + by)


def clip(box: BBox, to: BBox) -> BBox:
    return (max(box[0], to[0]), max(box[1], to[1]), min(box[2], to[2]), min(box[3], to[3]))
