"""Which figures, tables and formulas a model is asked about, and why the others are not.

A figure with a caption, or that the text refers to, is always asked about, unless its picture is blank. Any other is
left out as decoration when it is small, very long and thin, or stands in the same place on several pages, as logos do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ingestion.elements import Element, Paper

KINDS = ("figure", "table", "formula")

SMALL_SIDE = 40.0  # points: the shorter side of an icon
SMALL_AREA = 4_900.0  # square points: 70 x 70, a badge or an author's portrait
THIN = 8.0  # long side to short side: a rule, a banner
REPEATED = 3  # pages on which the same picture, or one of the same size in the same place, stands
SAME_PLACE = 3.0  # points by which a repeated logo may move
WHOLE_PAGE = 0.9  # share of its page: a picture file, or a scan; it was ingested to be looked at
BLANK_LEVELS = 6  # of 255, around the commonest brightness
BLANK_SHARE = 0.9995  # of the pixels within BLANK_LEVELS


def describable(paper: Paper, kinds: Sequence[str] = KINDS, *, crops: Path | None = None) -> list[Element]:
    """The elements of these kinds that a model is to be asked about, in reading order.

    crops: the folder of their pictures; without it blank pictures are not found out.
    """
    return [element for element, reason in _judged(paper, crops) if not reason and element.kind in kinds]


def skipped(paper: Paper, kinds: Sequence[str] = KINDS, *, crops: Path | None = None) -> list[tuple[Element, str]]:
    """The others of these kinds, each with the reason in one sentence."""
    return [(element, reason) for element, reason in _judged(paper, crops) if reason and element.kind in kinds]


def _judged(paper: Paper, crops: Path | None) -> list[tuple[Element, str]]:
    mentioned = {label for element in paper.elements for label in element.mentions}
    repeats = _repeats(paper)
    judged: list[tuple[Element, str]] = []
    for element in paper.elements:
        if element.kind not in KINDS:
            continue
        reason = "" if element.image else "It has no picture to look at."
        told = bool(element.caption) or (element.label is not None and element.label in mentioned)
        if not reason and element.kind == "figure" and not told:
            reason = _decorative(element, paper, repeats)
        if not reason and crops is not None and is_blank(crops / str(element.image)):
            reason = "Its picture is blank."
        judged.append((element, reason))
    return judged


def _decorative(element: Element, paper: Paper, repeats: Counter[str]) -> str:
    """Why a figure without caption and mention is decoration; "" when it is not."""
    x0, y0, x1, y1 = element.bbox
    width, height = max(x1 - x0, 0.1), max(y1 - y0, 0.1)
    short, long = sorted((width, height))
    size = f"{width:.0f} x {height:.0f} points"
    page = paper.pages[element.page - 1]
    if width * height >= WHOLE_PAGE * page.width * page.height:
        return ""
    unnamed = "and it has neither a caption nor a mention in the text"
    if short < SMALL_SIDE or width * height < SMALL_AREA:
        return f"It is small ({size}), {unnamed}."
    if long > THIN * short:
        return f"It is long and thin ({size}), {unnamed}."
    if repeats[element.id] >= REPEATED:
        return f"It stands on {repeats[element.id]} pages like a logo, {unnamed}."
    return ""


def _repeats(paper: Paper) -> Counter[str]:
    """By element id: on how many pages the same picture, or one of its size in its place, stands."""
    figures = [e for e in paper.elements if e.kind == "figure" and not e.caption]
    counts: Counter[str] = Counter()
    for one in figures:
        pages = {
            other.page
            for other in figures
            if (one.image and one.image == other.image)
            or all(abs(a - b) <= SAME_PLACE for a, b in zip(one.bbox, other.bbox, strict=True))
        }
        counts[one.id] = len(pages)
    return counts


def is_blank(path: Path) -> bool:
    """Nearly all pixels are of one brightness. A missing or damaged crop is not blank: reading it tells of it."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            histogram = image.convert("L").histogram()
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError):
        return False
    level = max(range(256), key=histogram.__getitem__)
    near = sum(histogram[max(0, level - BLANK_LEVELS) : level + BLANK_LEVELS + 1])
    return near >= BLANK_SHARE * sum(histogram)
