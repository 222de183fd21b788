"""Measures of image search from the ranks of what should have come, with intervals by image.

A rank counts from 1; NOT_FOUND stands for what did not come at all. Equal scores count against the one that is looked
for: it comes after all that are as good, so that a search which gives everything one score is worth nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from eval.statistics import RESAMPLES, SEED

NOT_FOUND = 0
DEPTHS = (1, 5, 10)
MEASURES = (*(f"recall@{k}" for k in DEPTHS), "median rank", "mrr")


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % bootstrap interval over `n` images; nan when n is 0."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        """ "0.842 [0.79, 0.89]", or "-" where there is nothing."""
        return f"{self.value:.3f} [{self.low:.2f}, {self.high:.2f}]" if self.n else "-"

    def as_rank(self) -> str:
        """The same for a rank: "3 [1, 7.5]"."""
        return f"{self.value:g} [{self.low:g}, {self.high:g}]" if self.n else "-"


def rank_of(scores: np.ndarray, wanted: int) -> int:
    """Rank of item `wanted` by its score, (n_items,), higher is better and -inf did not come; ties count against it."""
    if np.isneginf(scores[wanted]):
        return NOT_FOUND
    return int((scores >= scores[wanted]).sum())


def best_rank(scores: np.ndarray, wanted: Sequence[int]) -> int:
    """Rank of the first of several wanted items; other items that are as good come before it, wanted ones do not."""
    if not len(wanted):
        return NOT_FOUND
    best = scores[list(wanted)].max()
    if np.isneginf(best):
        return NOT_FOUND
    others = np.delete(scores, list(wanted))
    return int((others >= best).sum()) + 1


def measures(ranks: Sequence[int], images: Sequence[int], *, gallery: int) -> dict[str, Estimate]:
    """Each of MEASURES over the queries.

    recall@k is the share of queries with a rank of at most k; mrr the mean of 1 / rank; both take what was not found
    for 0, and the median takes it for the last of `gallery` places.

    Args:
        ranks: of each query. images: the image that each query is about: whole images are drawn for the intervals,
            since the captions of one image are no independent trials.
        gallery: how many items were ranked.
    """
    drawn = _drawn(images)
    held = np.asarray(ranks)
    out = {f"recall@{k}": _estimate(_at(held, k), drawn) for k in DEPTHS}
    out["median rank"] = _estimate(np.where(held == NOT_FOUND, gallery, held), drawn, statistic=_median)
    out["mrr"] = _estimate(_reciprocal(held), drawn)
    return out


def lead(ranks: Sequence[int], over: Sequence[int], images: Sequence[int], *, k: int = 1) -> Estimate:
    """recall@k of `ranks` less that of `over`, the same queries ranked in another way; images drawn in pairs."""
    return _estimate(_at(np.asarray(ranks), k) - _at(np.asarray(over), k), _drawn(images))


@dataclass(frozen=True, slots=True)
class ClassScores:
    """Images found by images of their class; see `by_class`. chance: precision@1 of an order by chance."""

    precision_at_1: Estimate
    recall: Mapping[int, Estimate]
    chance: float


def by_class(order: Sequence[Sequence[int]], labels: Sequence[str], *, only: str | None = None) -> ClassScores:
    """How well images of one class find each other.

    precision@1: the share of images whose first other image is of their class. recall@k: the mean share of the other
    images of the class among the first k; where the class has more than k others it cannot reach 1.

    Args:
        order: for each image the other images that came, best first, without itself. Every label stands twice or more.
        only: queries of this class alone.
    """
    asked = [i for i, label in enumerate(labels) if only is None or label == only]
    size = {label: labels.count(label) - 1 for label in set(labels)}
    alike = [[labels[other] == labels[i] for other in order[i]] for i in asked]
    drawn = _drawn(asked)
    first = np.array([float(bool(row) and row[0]) for row in alike])
    shares = {
        k: np.array([sum(row[:k]) / size[labels[i]] for i, row in zip(asked, alike, strict=True)]) for k in DEPTHS
    }
    chance = float(np.mean([size[labels[i]] / (len(labels) - 1) for i in asked])) if asked else float("nan")
    return ClassScores(_estimate(first, drawn), {k: _estimate(values, drawn) for k, values in shares.items()}, chance)


def _at(ranks: np.ndarray, k: int) -> np.ndarray:
    return ((ranks != NOT_FOUND) & (ranks <= k)).astype(float)


def _reciprocal(ranks: np.ndarray) -> np.ndarray:
    return np.where(ranks == NOT_FOUND, 0.0, 1.0 / np.maximum(ranks, 1))


def _mean(values: np.ndarray, times: np.ndarray) -> float:
    return float(values @ times / times.sum())


def _median(values: np.ndarray, times: np.ndarray) -> float:
    return float(np.median(np.repeat(values, times)))


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Images drawn anew with replacement. times: (RESAMPLES, n_images), how often each; owner: (n_queries,)."""

    times: np.ndarray
    owner: np.ndarray


def _drawn(images: Sequence[int]) -> _Drawn:
    names, owner = np.unique(np.asarray(images, dtype=int), return_inverse=True)
    rng = np.random.default_rng(SEED)
    times = [np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names)) for _ in range(RESAMPLES)]
    return _Drawn(np.array(times), owner)


def _estimate(
    values: np.ndarray, drawn: _Drawn, *, statistic: Callable[[np.ndarray, np.ndarray], float] = _mean
) -> Estimate:
    if not len(values):
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    once = statistic(values, np.ones(len(values), dtype=int))
    low, high = np.quantile([statistic(values, times[drawn.owner]) for times in drawn.times], (0.025, 0.975))
    return Estimate(once, float(low), float(high), drawn.times.shape[1])
