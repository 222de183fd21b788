"""Raised and lowered characters in left-to-right text: "88.85^7", "d_k"."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from ingestion.glyphs import OCR_FONT, Glyph, main_base, main_size

_RAISED_MARKS = set("*†‡§¶∗⋆®™°′″'")
_ORDINAL = {"st", "nd", "rd", "th"}


def mark_indices(glyphs: Sequence[Glyph], *, size: float | None = None, always_brace: bool = False) -> str:
    """Text of left-to-right glyphs with "^" and "_" before raised and lowered ones, and blanks at gaps.

    size: of what is no index; by default that of most glyphs. Raised and lowered glyphs that stand over each other
    are told apart: "_{k=1}^N". Braces: around more than one sign, in text only where they are needed.
    """
    size = size or main_size(glyphs)
    base = main_base(glyphs, size)
    blank = _blank_width(glyphs)
    text = ""
    index: dict[str, str] = {}
    last: Glyph | None = None
    for g in glyphs:
        level = "" if g.c.isspace() and not index else level_of(g, size, base)
        wide = last is not None and not g.c.isspace() and not last.c.isspace() and g.x0 - last.x1 > blank * size
        if g.c.isspace() and index:
            text, index = _with_indices(text, index, " ", always_brace=always_brace) + g.c, {}
        elif level:
            if wide and level in index:
                index[level] += " "
            elif wide and not index:
                text += " "
            index[level] = index.get(level, "") + g.c
        else:
            text, index = _with_indices(text, index, " " if wide else g.c, always_brace=always_brace), {}
            text += f" {g.c}" if wide else g.c
        last = g
    return _with_indices(text, index, "", always_brace=always_brace)


def _blank_width(glyphs: Sequence[Glyph]) -> float:
    """Gap, in font sizes, that stands for a blank: small where the letters of a word touch exactly."""
    gaps = [b.x0 - a.x1 for a, b in pairwise(glyphs) if a.c.isalpha() and b.c.isalpha()]
    return 0.115 if len(gaps) > 8 and median(gaps) < 0.2 else 0.2


def level_of(g: Glyph, size: float, base: float) -> str:
    if g.size > 0.87 * size or g.c.isspace() or g.font == OCR_FONT:
        return ""
    if g.base < base - 0.12 * size:
        return "^"
    return "_" if g.base > base + 0.06 * size else ""


def _with_indices(text: str, index: dict[str, str], after: str, *, always_brace: bool) -> str:
    for level, part in sorted(index.items(), key=lambda item: item[0] == "^") if always_brace else index.items():
        body = part.strip()
        before = text[-1:]
        plain = not before or before.isspace() or all(c in _RAISED_MARKS for c in body)
        if level == "^" and (plain or (body.lower() in _ORDINAL and before.isdigit())):
            text += body
        elif len(body) > 1 and (always_brace or not body.isalnum() or after.isalnum() or len(index) > 1):
            text += f"{level}{{{body}}}"
        else:
            text += level + body
    return text
