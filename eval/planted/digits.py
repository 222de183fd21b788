"""Wrong numbers, as hasty reading makes them: digits exchanged or changed, the point moved, the sign lost."""

from __future__ import annotations

import random
import re
from itertools import pairwise

TO_ASCII = str.maketrans("۰۱۲۳۴۵۶۷۸۹٫", "0123456789.")  # Persian digits and decimal point
_DIGIT = r"[0-9۰-۹]"
_NUMBER = re.compile(rf"{_DIGIT}+(?:[.,٫٬]{_DIGIT}+)*")
_POINTED = re.compile(rf"({_DIGIT}+)([.٫])({_DIGIT}+)")


def swapped(text: str, rng: random.Random) -> str | None:
    """Two neighbouring digits of one number exchanged: 81.3 -> 83.1."""
    places = []
    for match in _NUMBER.finditer(text):
        at = [i for i in range(*match.span()) if re.match(_DIGIT, text[i])]
        places += [(i, j) for i, j in pairwise(at) if text[i] != text[j]]
    if not places:
        return None
    i, j = rng.choice(places)
    return text[:i] + text[j] + text[i + 1 : j] + text[i] + text[j + 1 :]


def changed(text: str, rng: random.Random) -> str | None:
    """One digit read as another: 81.3 -> 87.3."""
    places = [i for i, c in enumerate(text) if re.match(_DIGIT, c)]
    if not places:
        return None
    i = rng.choice(places)
    digits = "0123456789" if text[i].isascii() else "۰۱۲۳۴۵۶۷۸۹"
    return text[:i] + rng.choice([d for d in digits if d != text[i]]) + text[i + 1 :]


def moved_point(text: str, rng: random.Random) -> str | None:
    """The decimal point one digit further or gone: 81.3 -> 8.13, 813."""
    matches = [m for m in _POINTED.finditer(text) if m[1] + m[3] != "0" * len(m[1] + m[3])]
    if not matches:
        return None
    match = rng.choice(matches)
    digits = match[1] + match[3]
    at = len(match[1]) + rng.choice([-1, 1])
    number = digits if at >= len(digits) or at <= 0 else digits[:at] + match[2] + digits[at:]
    return text[: match.start()] + number + text[match.end() :]


def other_sign(text: str, rng: random.Random) -> str | None:
    """A minus sign in front of a number that has none, or none where there is one."""
    match = re.search(rf"(?<![\w.])([-−]?)({_DIGIT})", text)
    if not match:
        return None
    return text[: match.start()] + ("" if match[1] else "-") + match[2] + text[match.end() :]
