"""Measures of likeness: boxes, orders, grids, texts."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from eval.citations import squeeze
from ingestion.elements import BBox
from ingestion.geometry import area, overlap

Grid = Sequence[Sequence[str]]


def iou(a: BBox, b: BBox) -> float:
    """Intersection over union of two boxes, 0 to 1; 0 for boxes without area."""
    both = overlap(a, b)
    union = area(a) + area(b) - both
    return both / union if union > 0 else 0.0


def coverage(inner: BBox, outer: BBox) -> float:
    """Share of `inner` that lies in `outer`, 0 to 1."""
    return overlap(inner, outer) / area(inner) if area(inner) > 0 else 0.0


def kendall_tau(positions: Sequence[float]) -> float:
    """Kendall's tau-a between the order of the list and of its values: 1 in order, -1 reversed.

    Ties count as neither; a list of fewer than two is in order. O(n^2).
    """
    n = len(positions)
    if n < 2:
        return 1.0
    score = sum((b > a) - (b < a) for i, a in enumerate(positions) for b in positions[i + 1 :])
    return score / (n * (n - 1) / 2)


def cell_counts(found: Grid, true: Grid) -> tuple[int, int, int]:
    """(equal, found, true) cells: a cell is right when its text stands in the same row and column.

    Blanks, case and digits' script do not matter; places empty in both grids are not counted.
    """
    a = {(r, c): _cell(text) for r, row in enumerate(found) for c, text in enumerate(row)}
    b = {(r, c): _cell(text) for r, row in enumerate(true) for c, text in enumerate(row)}
    a = {place: text for place, text in a.items() if text}
    b = {place: text for place, text in b.items() if text}
    return sum(b.get(place) == text for place, text in a.items()), len(a), len(b)


def f1(right: int, found: int, true: int) -> float:
    """Harmonic mean of right/found and right/true; 1 when there is nothing to find and nothing was found."""
    return 2 * right / (found + true) if found + true else 1.0


def _cell(text: str) -> str:
    """Letters and digits, and the decimal points, signs and percent marks that change a number."""
    numeric = any(map(str.isdecimal, text))
    return "".join(
        squeeze(c) or (c if numeric and c in ".-+%" else "") for c in text.replace("٫", ".").replace("−", "-")
    )


def likeness(a: str, b: str) -> float:
    """Similarity of two texts' letters, 0 to 1: 2 M / T with M matching characters (Ratcliff and Obershelp 1988)."""
    return SequenceMatcher(None, squeeze(a), squeeze(b), autojunk=False).ratio()
