"""Where the words that a model says it copied stand in a passage: exactly, in other letter forms, or nearly.

What is found is always handed back in the passage's own characters.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from rag_app.answering.numbers import claimed, holding
from rag_app.citations import find_quote

NEAR = 90.0  # of 100: rapidfuzz's partial ratio of letters and digits, from which on words count as the nearest
_NEAR_LETTERS = 20  # a shorter quote is near to too much
_LETTERS = str.maketrans({"ي": "ی", "ى": "ی", "ك": "ک", "ة": "ه", "ۀ": "ه", "ە": "ه", "ٱ": "ا", "ـ": None})

How = Literal["verbatim", "folded", "near"]


@dataclass(frozen=True, slots=True)
class Place:
    """The quote stands in text[start:end]; how well it fits."""

    start: int
    end: int
    how: How


@dataclass(frozen=True, slots=True)
class Folded:
    """Letters and digits of a text in one form; places[i] is where the text's character stands that gave letters[i]."""

    letters: str
    places: tuple[int, ...]


def verbatim(quote: str, text: str) -> Place | None:
    """The quote word for word, blanks of any kind counting as one, not from inside a word or number."""
    span = find_quote(quote, text)
    if span is None or not (_boundary(text, span[0]) and _boundary(text, span[1])):
        return None
    return Place(*span, "verbatim")


def folded(quote: str, text: str) -> Place | None:
    """The quote in other forms: case, ligatures, accents, punctuation, digits' script, Persian ye, kaf and ZWNJ."""
    wanted, there = fold_letters(quote).letters, fold_letters(text)
    if not wanted:
        return None
    at = there.letters.find(wanted)
    while at >= 0:
        start, end = there.places[at], there.places[at + len(wanted) - 1] + 1
        if _boundary(text, start) and _boundary(text, end):
            return Place(start, end, "folded")
        at = there.letters.find(wanted, at + 1)
    return None


def near(quote: str, text: str) -> Place | None:
    """The words most like the quote, at or above NEAR; they hold all of the quote's numbers."""
    from rapidfuzz.fuzz import partial_ratio_alignment

    wanted, there = fold_letters(quote).letters, fold_letters(text)
    if not _NEAR_LETTERS <= len(wanted) <= len(there.letters):
        return None
    found = partial_ratio_alignment(wanted, there.letters, score_cutoff=NEAR)
    if found is None or found.dest_end <= found.dest_start:
        return None
    start, end = there.places[found.dest_start], there.places[found.dest_end - 1] + 1
    while not _boundary(text, start):
        start -= 1
    while not _boundary(text, end):
        end += 1
    held = holding([text[start:end]])
    return Place(start, end, "near") if all(number in held for number in claimed(quote)) else None


WAYS: tuple[Callable[[str, str], Place | None], ...] = (verbatim, folded, near)


@lru_cache(maxsize=256)
def fold_letters(text: str) -> Folded:
    """`text` for comparing: see Folded. The point of a decimal number stays, the comma of thousands goes."""
    letters: list[str] = []
    places: list[int] = []
    for i, character in enumerate(text):
        if character in ".٫" and _between_digits(text, i):
            forms = "."
        else:
            apart = unicodedata.normalize("NFKD", character).translate(_LETTERS).casefold()
            forms = "".join(
                str(unicodedata.decimal(c)) if c.isdecimal() else c
                for c in apart
                if c.isalnum() and not unicodedata.combining(c)
            )
        letters.append(forms)
        places.extend([i] * len(forms))
    return Folded("".join(letters), tuple(places))


def _boundary(text: str, at: int) -> bool:
    """Whether no word or number runs over the place between text[at - 1] and text[at]."""
    if not 0 < at < len(text):
        return True
    before, after = text[at - 1], text[at]
    if _in_word(before) and _in_word(after):
        return False
    return not (
        (after in ".,٫٬" and before.isdecimal() and at + 1 < len(text) and text[at + 1].isdecimal())
        or (before in ".,٫٬" and after.isdecimal() and at > 1 and text[at - 2].isdecimal())
    )


def _in_word(character: str) -> bool:
    return character.isalnum() or bool(unicodedata.combining(character)) or character in "\u200c\u200d"


def _between_digits(text: str, i: int) -> bool:
    return 0 < i < len(text) - 1 and text[i - 1].isdecimal() and text[i + 1].isdecimal()
