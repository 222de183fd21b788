"""Reading order of boxes on a page: bands between full-width boxes, columns inside a band.

The layout model's own order cuts a page into horizontal bands first and so jumps between columns on one two-column
page in five. Here a column gap is looked for first; only boxes that cross it make a band.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from ingestion.elements import BBox
from ingestion.geometry import union

_MIN_GAP = 5.0  # points between two columns; scientific layouts have 10 and more


def reading_order(boxes: Sequence[BBox], *, rtl: bool = False, numbers: Sequence[int | None] = ()) -> list[int]:
    """Indices of the boxes as a reader meets them.

    rtl: the right column comes first. numbers: of numbered headings, by box; when columns first would put them out of
    order and rows first would not, the page is a grid that is read row by row.
    """
    order = _order(list(range(len(boxes))), boxes, rtl)
    if _descents(order, numbers):
        rows = _by_bands(list(range(len(boxes))), boxes, rtl)
        if not _descents(rows, numbers):
            return rows
    return order


def _descents(order: Sequence[int], numbers: Sequence[int | None]) -> int:
    if not numbers:
        return 0
    met = [n for i in order if (n := numbers[i]) is not None]
    return sum(1 for a, b in pairwise(met) if b < a)


def _by_bands(items: list[int], boxes: Sequence[BBox], rtl: bool) -> list[int]:
    """Order with the page cut at every height that crosses no box first."""
    out: list[int] = []
    band: list[int] = []
    bottom = 0.0
    for i in sorted(items, key=lambda i: boxes[i][1]):
        if band and boxes[i][1] > bottom + 6:
            out += _order(band, boxes, rtl)
            band = []
        bottom = max(bottom, boxes[i][3]) if band else boxes[i][3]
        band.append(i)
    return out + _order(band, boxes, rtl)


def _bands(items: list[int], boxes: Sequence[BBox]) -> list[list[int]]:
    """The items cut at boxes nearly as wide as all of them that have nothing beside them; such a box is a band."""
    region = union(boxes[i] for i in items)
    width = region[2] - region[0]
    wide = [
        i
        for i in items
        if boxes[i][2] - boxes[i][0] > 0.7 * width
        and not any(j != i and min(boxes[i][3], boxes[j][3]) - max(boxes[i][1], boxes[j][1]) > 3 for j in items)
    ]
    bands: list[list[int]] = []
    rest = [i for i in items if i not in set(wide)]
    for w in sorted(wide, key=lambda i: boxes[i][1]):
        above = [i for i in rest if boxes[i][1] < boxes[w][1]]
        rest = [i for i in rest if boxes[i][1] >= boxes[w][1]]
        bands += [above, [w]]
    return [band for band in [*bands, rest] if band]


def _order(items: list[int], boxes: Sequence[BBox], rtl: bool) -> list[int]:
    if len(items) < 2:
        return items
    bands = _bands(items, boxes)
    if len(bands) > 1:
        return [i for band in bands for i in _order(band, boxes, rtl)]
    cut = _column_cut(items, boxes)
    if cut is None:
        return _rows(items, boxes, rtl)
    crossing = [i for i in items if boxes[i][0] < cut - 2 and boxes[i][2] > cut + 2]
    if not crossing:
        left = [i for i in items if (boxes[i][0] + boxes[i][2]) / 2 < cut]
        right = [i for i in items if i not in set(left)]
        first, second = (right, left) if rtl else (left, right)
        if _is_sidebar(first, second, boxes):
            first, second = second, first
        return _order(first, boxes, rtl) + _order(second, boxes, rtl)
    out: list[int] = []
    rest = [i for i in items if i not in set(crossing)]
    for wide in sorted(crossing, key=lambda i: boxes[i][1]):
        above = [i for i in rest if (boxes[i][1] + boxes[i][3]) / 2 < (boxes[wide][1] + boxes[wide][3]) / 2]
        rest = [i for i in rest if i not in set(above)]
        out += _order(above, boxes, rtl)
        out.append(wide)
    return out + _order(rest, boxes, rtl)


def _column_cut(items: list[int], boxes: Sequence[BBox]) -> float | None:
    """x of the gap between two columns, or None.

    A good cut has text on both sides that stands side by side, and is crossed by little of the height.
    """
    region = union(boxes[i] for i in items)
    width = region[2] - region[0]
    if width < 60:
        return None
    best: tuple[float, float] | None = None
    for x in _candidates(items, boxes, region):
        left = right = crossing = 0.0
        left_boxes: list[BBox] = []
        right_boxes: list[BBox] = []
        for i in items:
            b = boxes[i]
            height = b[3] - b[1]
            if b[2] <= x + 2:
                left += height
                left_boxes.append(b)
            elif b[0] >= x - 2:
                right += height
                right_boxes.append(b)
            else:
                crossing += height
        beside = _shared_height(left_boxes, right_boxes)
        if not left_boxes or not right_boxes or beside < 0.35 * min(left, right):
            continue
        score = beside - 0.25 * crossing
        if score > 0 and (best is None or score > best[0]):
            best = (score, x)
    return best[1] if best else None


def _candidates(items: list[int], boxes: Sequence[BBox], region: BBox) -> list[float]:
    """Middles of gaps at least _MIN_GAP wide between a right edge and the next left edge."""
    lefts = sorted({round(boxes[i][0], 1) for i in items})
    found: set[float] = set()
    for right in {round(boxes[i][2], 1) for i in items}:
        after = [x for x in lefts if x >= right - 1]
        if after and after[0] - right >= _MIN_GAP and region[0] < right < region[2]:
            found.add((right + after[0]) / 2)
    return sorted(found)


def _shared_height(left: list[BBox], right: list[BBox]) -> float:
    """Height over which something stands on both sides."""
    total = 0.0
    for a in _spans(left):
        for b in _spans(right):
            total += max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    return total


def _spans(boxes: list[BBox]) -> list[tuple[float, float]]:
    """Vertical extent covered, as disjoint intervals; gaps under 30 points are filled."""
    out: list[tuple[float, float]] = []
    for top, bottom in sorted((b[1], b[3]) for b in boxes):
        if out and top < out[-1][1] + 30:
            out[-1] = (out[-1][0], max(out[-1][1], bottom))
        else:
            out.append((top, bottom))
    return out


def _is_sidebar(first: list[int], second: list[int], boxes: Sequence[BBox]) -> bool:
    """True when the first column is a narrow strip of notes beside the text: it is read after the text."""
    a, b = union(boxes[i] for i in first), union(boxes[i] for i in second)
    ratio = (a[2] - a[0]) / max(1.0, b[2] - b[0])
    return ratio < 0.45 and len(second) > 1 and (b[3] - b[1]) > 100


def _rows(items: list[int], boxes: Sequence[BBox], rtl: bool) -> list[int]:
    """Top to bottom; boxes on one height from the reading side on."""
    left = sorted(items, key=lambda i: boxes[i][1])
    out: list[int] = []
    while left:
        head = left[0]
        row = [i for i in left if _same_row(boxes[head], boxes[i]) or i == head]
        row.sort(key=lambda i: -boxes[i][2] if rtl else boxes[i][0])
        out += row
        taken = set(row)
        left = [i for i in left if i not in taken]
    return out


def _same_row(a: BBox, b: BBox) -> bool:
    shared = min(a[3], b[3]) - max(a[1], b[1])
    apart = min(a[2], b[2]) <= max(a[0], b[0]) + 1
    return apart and shared > 0.5 * max(a[3] - a[1], b[3] - b[1])
