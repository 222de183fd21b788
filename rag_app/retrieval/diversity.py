"""MMR against repeats (Carbonell & Goldstein 1998)."""

from __future__ import annotations

from collections.abc import Sequence


def diversified(scores: Sequence[float], bags: Sequence[frozenset[str]], *, k: int, trade: float = 0.85) -> list[int]:
    """Indices of `k` items, best first: each maximises trade * score - (1 - trade) * similarity to those chosen.

    scores: higher is better, about 0 to 1. bags: the terms of each item; similarity is their Jaccard index. The best
    item stays first. Cost k * n set operations.
    """
    left = sorted(range(len(scores)), key=lambda i: -scores[i])
    chosen: list[int] = []
    nearest = [0.0] * len(scores)
    while left and len(chosen) < k:
        best = max(left, key=lambda i: trade * scores[i] - (1 - trade) * nearest[i])
        left.remove(best)
        chosen.append(best)
        for i in left:
            nearest[i] = max(nearest[i], _jaccard(bags[i], bags[best]))
    return chosen


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    union = len(one | other)
    return len(one & other) / union if union else 1.0
