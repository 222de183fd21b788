"""Headings: their level and the path of sections."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from ingestion.blocks import Block

_DIGITS = str.maketrans("۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩", "01234567890123456789")
_NUMBERED = re.compile(
    r"^(?:(?:section|chapter|appendix|فصل|بخش|پیوست)\s+)?((?:[A-Z]|\d{1,2})(?:\s?[.\-]\u200c?\s?\d{1,2}){0,4})[.):]?\s+(?=\S)",
    re.I,
)
_ROMAN = re.compile(r"^((?:X{0,2})(?:IX|IV|V?I{0,3}))[.)]\s+(?=\S)")
_PLAIN = re.compile(
    r"^(abstract|introduction|background|related works?|methods?|materials and methods|results?|discussion|conclusions?"
    r"|acknowledge?ments?|references|bibliography|appendix|appendices|چکیده|مقدمه|منابع|مراجع|نتیجه[\u200c ]?گیری)\b",
    re.I,
)
_REFERENCES = re.compile(
    r"^(?:[\divxۀ-ۿ.\s]{0,6})?(references|bibliography|literature cited|works cited|references and notes"
    r"|منابع|مراجع|فهرست منابع|منابع و مآخذ|کتاب[\u200c ]?نامه|المراجع|المصادر)\s*:?$",
    re.I,
)


def heading_number(text: str) -> str | None:
    """ "3.1" of "3.1 Encoders", "A.2" of "A.2 Proofs"; Persian digits become Latin; None without a number."""
    text = text.translate(_DIGITS)
    m = _NUMBERED.match(text)
    if m is None:
        return None
    number = re.sub(r"[\s\u200c]", "", m[1]).replace("-", ".")
    if number.isalpha() and not re.match(r"^(?:appendix|پیوست)", text, re.I) and not re.match(r"^[A-Z][.):]?\s", text):
        return None
    return number


def is_references(text: str) -> bool:
    """True for the heading of the bibliography."""
    return bool(_REFERENCES.match(text.strip()))


def without_initials(headings: Iterable[str]) -> set[str]:
    """Headings that open with a letter and are no appendix: an author's initial, since no "A" stands before them."""
    headings = list(headings)
    letters = {n for text in headings if (n := heading_number(text)) is not None and n.isalpha()}
    return {
        text
        for text in headings
        if (n := heading_number(text)) is not None
        and n.isalpha()
        and not re.match(r"^(?:appendix|پیوست)", text, re.I)
        and any(chr(c) not in letters for c in range(ord("A"), ord(n[0].upper())))
    }


class Levels:
    """Heading levels of one document: by numbering, else by the font size of numbered headings, else by size alone."""

    def __init__(self, headings: Iterable[Block]) -> None:
        by_size: dict[float, Counter[int]] = {}
        sizes: Counter[float] = Counter()
        for block in headings:
            text = " ".join(line.text for line in block.lines)
            sizes[block.size] += 1
            number = heading_number(text)
            if number is not None:
                by_size.setdefault(block.size, Counter())[number.count(".") + 1] += 1
        self._by_size = {size: counts.most_common(1)[0][0] for size, counts in by_size.items()}
        self._ranks = {size: rank + 1 for rank, size in enumerate(sorted(sizes, reverse=True))}

    def level(self, block: Block, text: str) -> int:
        number = heading_number(text)
        if number is not None:
            return number.count(".") + 1
        if _ROMAN.match(text) or _PLAIN.match(text):
            return 1
        if self._by_size:
            nearest = min(self._by_size, key=lambda s: abs(s - block.size))
            if abs(nearest - block.size) < 0.6:
                return self._by_size[nearest]
            deepest = max(self._by_size.values())
            return 1 if block.size > nearest else min(6, deepest + 1)
        return min(3, self._ranks.get(block.size, 1))


class Path:
    """The headings above the present place."""

    def __init__(self) -> None:
        self._stack: list[tuple[int, str]] = []

    @property
    def titles(self) -> tuple[str, ...]:
        return tuple(text for _, text in self._stack)

    def enter(self, level: int, text: str) -> tuple[str, ...]:
        """Go into a section; returns the headings above it."""
        while self._stack and self._stack[-1][0] >= level:
            self._stack.pop()
        above = self.titles
        self._stack.append((level, text))
        return above
