"""Captions: what is one, its label, and which figure or table it belongs to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ingestion.elements import BBox
from ingestion.geometry import union, x_gap, x_overlap, y_gap

_WORDS = {
    "Figure": (
        "figures", "figure", "figs", "fig", "scheme", "plate", "chart",
        "شکل", "ش[\ufffd\U000f0000-\U000fffff]ل",  # the font of some Persian PDFs does not name kaf
        "نمودار", "تصویر", "الشكل", "شكل", "الشکل",
    ),
    "Table": ("tables", "table", "tab", "tbl", "جدول", "الجدول"),
    "Algorithm": ("algorithm", "listing", "الگوریتم"),
}  # fmt: skip
_KIND_OF = {word: kind for kind, words in _WORDS.items() for word in words}
_DIGITS = str.maketrans("۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩", "01234567890123456789")
_NUMBER = r"(?:(?:[A-Z]|S|[آابپتثج])?[.\-‐–]?\u200c?\d+(?:[.\-–]\u200c?\d+)*[a-z]?|(?-i:[IVX]+))"
_ANY_WORD = "|".join(sorted(_KIND_OF, key=len, reverse=True))
_CAPTION = re.compile(
    rf"^\W{{0,3}}(?:extended data |supplementary |supp\. )?({_ANY_WORD})"
    rf"\.?[ \u200c]*[(\[]?({_NUMBER})(?![\w%])[)\]]?\s*(?:([.:|—–‐-])|$|(?=(?-i:[A-Z«(\u0600-\u06ff\u201c])))",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class CaptionMatch:
    """kind: "Figure", "Table" or "Algorithm"; sure: a mark such as ":" or "." follows the number."""

    kind: str
    number: str
    sure: bool

    @property
    def label(self) -> str:
        return f"{self.kind} {self.number}"


def match_caption(text: str) -> CaptionMatch | None:
    """What a text that opens like a caption ("Figure 3:", "جدول ۲.") is the caption of; None for other text."""
    m = _CAPTION.match(text.translate(_DIGITS))
    if m is None:
        return None
    number = m[2].replace("\u200c", "").strip(".-‐–")
    return CaptionMatch(
        _KIND_OF.get(m[1].lower(), "Figure"), number.upper() if number.isalpha() else number, bool(m[3])
    )


def without_number(text: str) -> str:
    """A caption without the "Figure 3:" that it opens with."""
    m = _CAPTION.match(text.translate(_DIGITS))
    return text[m.end() :].strip() if m else text


@dataclass(frozen=True, slots=True)
class Target:
    """A figure or table that can have a caption."""

    kind: str  # "Figure" or "Table"
    bbox: BBox


def split_at_captions(box: BBox, captions: Sequence[BBox]) -> list[BBox]:
    """A picture box cut at the captions that stand inside it (two stacked figures found as one)."""
    inner = sorted(
        (c for c in captions if c[1] > box[1] + 10 and c[3] < box[3] - 10 and x_overlap(box, c) > 0.5),
        key=lambda c: c[1],
    )
    parts: list[BBox] = []
    top = box[1]
    for c in inner:
        parts.append((box[0], top, box[2], c[1] - 1))
        top = c[3] + 1
    parts.append((box[0], top, box[2], box[3]))
    return [p for p in parts if p[3] - p[1] > 8]


def link(
    targets: Sequence[Target],
    captions: Sequence[tuple[CaptionMatch, BBox]],
    between: Sequence[BBox] = (),
) -> list[int | None]:
    """Index of the caption of each target, or None; a caption may have several targets (panels of one figure).

    The cheapest set of pairs: the gap between the boxes, plus a fee for the unusual side (figures have their caption
    below, tables above), for another kind, and for text `between` them. Then further panels
    near a taken caption.
    """
    costs = [[_cost(target, match, box, between) for match, box in captions] for target in targets]
    found = _cheapest(costs)
    for _ in range(3):  # panels may be chained: each pass reaches one row or column further
        for i, target in enumerate(targets):
            if found[i] is None and target.kind == "Figure":
                found[i] = _panel_of(i, targets, captions, found, between)
    return found


def _cheapest(costs: Sequence[Sequence[float | None]]) -> list[int | None]:
    """Column of each row so that as many rows as possible have one and the sum is least; None: pair not allowed.

    Exact for up to 12 columns (a page has fewer captions); beyond that the columns are taken in order, 12 at most.
    """
    n = min(12, max((len(row) for row in costs), default=0))
    best: dict[int, tuple[float, tuple[int | None, ...]]] = {0: (0.0, ())}
    for row in costs:
        after: dict[int, tuple[float, tuple[int | None, ...]]] = {}
        for used, (total, chosen) in best.items():
            options: list[tuple[int, float, int | None]] = [(used, total + 1000, None)]
            for j in range(n):
                cost = row[j]
                if cost is not None and not used & 1 << j:
                    options.append((used | 1 << j, total + cost, j))
            for key, value, j in options:
                if key not in after or value < after[key][0]:
                    after[key] = (value, (*chosen, j))
        best = after
    return list(min(best.values(), key=lambda item: item[0])[1])


def _cost(target: Target, match: CaptionMatch, box: BBox, between: Sequence[BBox]) -> float | None:
    dx, dy = x_gap(target.bbox, box), y_gap(target.bbox, box)
    if (
        (dx > 0 and dy > 0)
        or dy > 250
        or dx > 60
        or (target.kind == "Table" and match.kind == "Figure" and not match.sure)
    ):
        return None
    below = box[1] >= target.bbox[3] - 4
    cost = dy + 1.5 * dx
    cost += 0 if match.kind == target.kind else 60
    if dx > 0:
        cost += 25  # a caption beside its figure is rare
    elif match.kind == "Figure" and not below:
        cost += 40
    elif match.kind == "Table" and below:
        cost += 12
    cost += 0 if match.sure else 15
    gap = (
        max(target.bbox[0], box[0]),
        min(target.bbox[3], box[3]),
        min(target.bbox[2], box[2]),
        max(target.bbox[1], box[1]),
    )
    for b in between:
        if b[1] >= gap[1] - 2 and b[3] <= gap[3] + 2 and b[0] < gap[2] and b[2] > gap[0]:
            cost += 30 + (b[3] - b[1])
    return cost


def _panel_of(
    i: int,
    targets: Sequence[Target],
    captions: Sequence[tuple[CaptionMatch, BBox]],
    found: list[int | None],
    between: Sequence[BBox],
) -> int | None:
    """The caption of a neighbouring figure when this box is a further panel of it."""
    for k, other in enumerate(targets):
        j = found[k]
        if j is None or k == i or other.kind != "Figure" or captions[j][0].kind != "Figure":
            continue
        a, b = targets[i].bbox, other.bbox
        box = captions[j][1]
        beside = y_gap(a, b) == 0 and x_gap(a, b) < 150 and x_gap(a, box) == 0
        stacked = x_overlap(a, b) > 0.3 and y_gap(a, b) < 25 and (a[1] + a[3]) / 2 < box[1]
        whole = union([a, b])
        clear = not any(_in_between(t, whole) for t in between)
        if (beside or stacked) and clear and not _caption_between(a, b, captions):
            return j
    return None


def _in_between(text: BBox, whole: BBox) -> bool:
    return x_overlap(text, whole) > 0.3 and text[1] > whole[1] and text[3] < whole[3] and text[3] - text[1] > 14


def _caption_between(a: BBox, b: BBox, captions: Sequence[tuple[CaptionMatch, BBox]]) -> bool:
    top, bottom = min(a[3], b[3]), max(a[1], b[1])
    return any(c[1] >= top - 2 and c[3] <= bottom + 2 and x_overlap(a, c) > 0.3 for _, c in captions)
