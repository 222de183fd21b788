"""Table cells in one spelling, so that a model's and the layout's can be compared."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from rapidfuzz import fuzz

from ingestion.describe.numbers import numbers_in, plain_digits
from rag_app.searchable import fold

Grid = Sequence[Sequence[str]]

ALIKE = 0.8  # likeness of two texts that are the same but for spelling
_MARKUP = re.compile(r"\*\*|__|`|</?[a-zA-Z][^>]{0,20}>")
_NO_SIGN = re.compile(r"[\s$\\{}_^~·×*'\"’‘“”]+")
_DASHES = re.compile(r"^(?:[-–—−]+|n/?a|none)?$", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+")


@lru_cache(maxsize=8192)
def key(cell: str) -> str:
    """The cell without markup, blanks, signs that a text layer loses, case and variants of letters and digits."""
    text = _MARKUP.sub("", cell)
    if "\\" in text:
        text = _unicode(text)
    return _NO_SIGN.sub("", fold(plain_digits(text)))


def _unicode(text: str) -> str:
    """LaTeX in a cell as plain characters; as it is where it does not parse."""
    from pylatexenc.latex2text import LatexNodes2Text
    from pylatexenc.latexwalker import LatexWalkerError

    try:
        return LatexNodes2Text(math_mode="text", strict_latex_spaces=False).latex_to_text(text)
    except (LatexWalkerError, IndexError, ValueError, RecursionError):
        return text


def is_empty(cell: str) -> bool:
    """Blank, or a dash that stands for nothing."""
    return bool(_DASHES.match(cell.strip()))


def is_number(cell: str) -> bool:
    """A cell that is mostly a number."""
    return bool(numbers_in(cell)) and len("".join(_WORD.findall(cell))) <= 3


def same_numbers(a: str, b: str) -> bool:
    one, two = numbers_in(a), numbers_in(b)
    return len(one) == len(two) and all(x.same(y) for x, y in zip(one, two, strict=True))


def likeness(a: str, b: str) -> float:
    """0 to 1, of the keys."""
    return fuzz.ratio(key(a), key(b)) / 100


def words(text: str) -> set[str]:
    """Words and numbers, folded."""
    return set(re.findall(r"[^\W_]+(?:\.\d+)?", fold(plain_digits(_MARKUP.sub("", text)))))


def at(grid: Grid, row: int, column: int) -> str:
    """The cell there, "" outside the grid."""
    if 0 <= row < len(grid) and 0 <= column < len(grid[row]):
        return grid[row][column]
    return ""


def merged_along(grid: Grid, row: int, column: int) -> bool:
    """The cell repeats its neighbour to the left or right."""
    here = key(at(grid, row, column))
    return bool(here) and here in (key(at(grid, row, column - 1)), key(at(grid, row, column + 1)))


def merged(grid: Grid, row: int, column: int) -> bool:
    """The cell repeats a neighbour; one of numbers only to the left or right, for equal results are no merged cell."""
    if merged_along(grid, row, column):
        return True
    here = at(grid, row, column)
    return not is_number(here) and key(here) in {key(at(grid, row - 1, column)), key(at(grid, row + 1, column))} - {""}
