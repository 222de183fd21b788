"""Measures of a ranked list. `shown[i]` are the gold units (pages, elements) that the result at rank i + 1 shows.

Where each result shows at most one unit and no unit twice, they equal trec_eval's success, recall, P, recip_rank and
ndcg_cut. A unit shown again further down is found once: it adds to precision, and to nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence, Set

Shown = Sequence[Set[Hashable]]


def first_rank(shown: Shown) -> int | None:
    """Rank of the first result that shows a gold unit, from 1; None where none does."""
    return next((rank for rank, units in enumerate(shown, start=1) if units), None)


def hit_at(shown: Shown, k: int) -> float:
    """1 when one of the first k results shows a gold unit, else 0 (trec_eval: success_k)."""
    return float(any(shown[:k]))


def recall_at(shown: Shown, gold: int, k: int) -> float | None:
    """Share of the `gold` units that the first k results show (trec_eval: recall_k); None without gold units."""
    return len(frozenset().union(*shown[:k])) / gold if gold else None


def precision_at(shown: Shown, k: int) -> float:
    """Share of the first k places that show a gold unit; places that are not filled count as wrong (trec_eval: P_k)."""
    return sum(map(bool, shown[:k])) / k


def reciprocal_rank(shown: Shown, k: int) -> float:
    """1 / rank of the first result that shows a gold unit, 0 when none of the first k does. Its mean is MRR@k."""
    rank = first_rank(shown[:k])
    return 1 / rank if rank else 0.0


def ndcg_at(shown: Shown, gold: int, k: int) -> float | None:
    """nDCG with binary gain (Järvelin and Kekäläinen 2002): a unit gains 1 / log2(1 + the rank it is first shown at).

    The ideal order shows one new unit at each of the first ranks; a result that shows several may pass it, and 1 is the
    most. None without gold units.
    """
    if not gold:
        return None
    seen: set[Hashable] = set()
    gain = 0.0
    for rank, units in enumerate(shown[:k], start=1):
        gain += len(units - seen) / math.log2(rank + 1)
        seen |= units
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, gold) + 1))
    return min(1.0, gain / ideal)
