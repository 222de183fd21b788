"""MMR against repeats (Carbonell & Goldstein 1998)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

SAME_PAGE = 0.6  # similarity of two passages of one page, at least: a reader wants more than one place to look at


def diversified(
    scores: Sequence[float],
    bags: Sequence[frozenset[str]],
    pages: Sequence[Hashable],
    *,
    k: int,
    trade: float = 0.85,
) -> list[int]:
    """Indices of `k` items, best first: each maximises trade * score - (1 - trade) * similarity to those chosen.

    scores: higher is better, about 0 to 1. bags: the terms of each item; similarity is their Jaccard index. pages: on
    which page of which document each stands. The best item stays first. Cost k * n set operations.
    """
    left = sorted(range(len(scores)), key=lambda i: -scores[i])
    chosen: list[int] = []
    nearest = [0.0] * len(scores)
    while left and len(chosen) < k:
        best = max(left, key=lambda i: trade * scores[i] - (1 - trade) * nearest[i])
        left.remove(best)
        chosen.append(best)
        for i in left:
            alike = max(_jaccard(bags[i], bags[best]), SAME_PAGE * (pages[i] == pages[best]))
            nearest[i] = max(nearest[i], alike)
    return chosen


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    union = len(one | other)
    return len(one & other) / union if union else 1.0
