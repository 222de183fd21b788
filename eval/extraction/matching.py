"""Which found table or formula is which true one: by place where both tell theirs, else by what they hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from eval.citations import squeeze
from eval.comparing import Grid, coverage, iou
from eval.extraction.truths import TrueItem
from eval.parsers.records import Found

NEAR = 0.3  # least IoU, or share of the smaller box, for two boxes to be of the same thing
ALIKE = 0.3  # least likeness of content for the same


def match(true: Sequence[TrueItem], found: Sequence[Found]) -> dict[str, Found]:
    """The found one of each true one, by id; best pairs first, none used twice, unmatched ones left out."""
    scored = [
        (score, t, f)
        for t, one in enumerate(true)
        for f, other in enumerate(found)
        if (score := _likeness(one, other)) > 0
    ]
    scored.sort(key=lambda pair: (-pair[0], pair[1], pair[2]))
    taken_true: set[int] = set()
    taken_found: set[int] = set()
    pairs: dict[str, Found] = {}
    for _, t, f in scored:
        if t not in taken_true and f not in taken_found:
            taken_true.add(t)
            taken_found.add(f)
            pairs[true[t].id] = found[f]
    return pairs


def in_place(true: TrueItem, found: Found) -> float | None:
    """How far both are in the same place, 0 to 1; None where one does not tell its own."""
    if true.bbox is None or found.bbox is None or not true.pages:
        return None
    if found.page not in true.pages:
        return 0.0
    share = iou(true.bbox, found.bbox)
    return max(share, coverage(true.bbox, found.bbox), coverage(found.bbox, true.bbox))


def _likeness(true: TrueItem, found: Found) -> float:
    there = in_place(true, found)
    if there is not None:
        return there if there >= NEAR else 0.0
    if true.pages and found.page not in true.pages:
        return 0.0
    alike = _of_kind[true.kind](true, found)
    return alike if alike >= ALIKE else 0.0


def _tables(true: TrueItem, found: Found) -> float:
    """Share of words in common, however they are divided into cells."""
    a, b = _words(true.cells), _words(found.cells)
    return 2 * (a & b).total() / (a.total() + b.total()) if a or b else 0.0


def _words(grid: Grid) -> Counter[str]:
    return Counter(text for row in grid for cell in row for word in cell.split() if (text := squeeze(word)))


def _formulas(true: TrueItem, found: Found) -> float:
    from rapidfuzz.distance import Levenshtein

    return Levenshtein.normalized_similarity("".join(true.latex.split()), "".join(found.latex.split()))


_of_kind: dict[str, Callable[[TrueItem, Found], float]] = {"table": _tables, "formula": _formulas}
