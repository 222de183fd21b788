"""How much of a question a set of terms covers, spelling variants included."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

_ALIKE = 0.6  # trigram Dice below this is another word


def coverage(question: Mapping[str, float], present: Iterable[str]) -> float:
    """Share of the question's term weight, 0 to 1, that `present` holds.

    A term in Arabic script that is not there counts by its nearest spelling («جستجو», «جست‌وجو»): Persian joins and
    splits words freely, and no stemmer mends that.
    """
    total = sum(question.values())
    if not total:
        return 0.0
    there = set(present)
    return sum(weight * _presence(term, there) for term, weight in question.items()) / total


def _presence(term: str, there: set[str]) -> float:
    if term in there:
        return 1.0
    if term.isascii() or len(term) < 4:
        return 0.0
    nearest = max((_dice(term, other) for other in there if len(other) >= 4 and not other.isascii()), default=0.0)
    return nearest if nearest >= _ALIKE else 0.0


def _dice(one: str, other: str) -> float:
    a, b = _trigrams(one), _trigrams(other)
    return 2 * len(a & b) / (len(a) + len(b))


@lru_cache(maxsize=16384)
def _trigrams(word: str) -> frozenset[str]:
    padded = f" {word} "
    return frozenset(padded[i : i + 3] for i in range(len(padded) - 2))
