"""A model's probabilities on held-out images, in figures with 95 % bootstrap intervals.

Images of one patient, or near-duplicates where patients are not known, are not independent: whole groups are resampled
(the cluster bootstrap; Davison and Hinkley 1997, section 3.8). The resamples of two models are the same, so that their
difference is a paired one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eval.medical import metrics
from eval.statistics import RESAMPLES, SEED, wilson

COVERAGES = (0.8, 0.5)
_AT_ONCE = 4_000_000  # weights drawn at a time: 32 MB


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measure; None where it does not apply. low, high: its 95 % interval, None where it has none."""

    value: float | None
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.value is None:
            return "-"
        if self.low is None or self.high is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True, slots=True)
class Predictions:
    """What was said of n images.

    labels         the k classes; probabilities: (n, k), rows that add up to 1
    truth          (n,) places in labels
    units          (n,) which images belong together: integers
    """

    labels: tuple[str, ...]
    truth: np.ndarray
    probabilities: np.ndarray
    units: np.ndarray

    @property
    def predicted(self) -> np.ndarray:
        return self.probabilities.argmax(axis=1)

    @property
    def right(self) -> np.ndarray:
        return self.predicted == self.truth

    @property
    def confidence(self) -> np.ndarray:
        return self.probabilities.max(axis=1)

    def of(self, chosen: np.ndarray) -> Predictions:
        """Those of the images that `chosen`, (n,) bool, says."""
        return dataclasses.replace(
            self, truth=self.truth[chosen], probabilities=self.probabilities[chosen], units=self.units[chosen]
        )


@dataclass(frozen=True, slots=True)
class Measured:
    """All figures of one task.

    overall      accuracy, balanced_accuracy, macro_f1, auroc, calibration_error, accuracy_at_80, accuracy_at_50
    classes      sensitivity, specificity and auroc by label; counts: its images
    confusion    rows: true label, columns: predicted
    bins         of the reliability plot: (mean confidence, right, images)
    selective    (coverage, accuracy) as the bar falls; roc: (1 - specificity, sensitivity) by label
    """

    images: int
    units: int
    overall: Mapping[str, Estimate]
    classes: Mapping[str, Mapping[str, Estimate]]
    counts: Mapping[str, int]
    confusion: tuple[tuple[int, ...], ...]
    bins: tuple[tuple[float, int, int], ...]
    selective: tuple[tuple[float, ...], tuple[float, ...]]
    roc: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]]

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return dataclasses.asdict(self)


def measure(said: Predictions, *, resamples: int = RESAMPLES, seed: int = SEED) -> Measured:
    """The figures of one model. Raises ValueError for no image."""
    found = intervals(said, _all, resamples=resamples, seed=seed)
    counts = metrics.tallies(said.truth, said.predicted, len(said.labels), np.ones(len(said.truth)))
    classes: dict[str, dict[str, Estimate]] = {}
    for label in said.labels:
        own = {name: found.pop(f"{name} {label}") for name in ("sensitivity", "specificity", "auroc")}
        at = said.truth == said.labels.index(label)
        own["sensitivity"] = _not_certain(own["sensitivity"], said.units[at])
        own["specificity"] = _not_certain(own["specificity"], said.units[~at])
        classes[label] = own
    found["accuracy"] = _not_certain(found["accuracy"], said.units)
    coverage, accuracy = metrics.selective(said.right, said.confidence)
    return Measured(
        images=len(said.truth),
        units=len(np.unique(said.units)),
        overall={**found, "calibration_error": _calibration_error(said)},
        classes=classes,
        counts={label: int((said.truth == i).sum()) for i, label in enumerate(said.labels)},
        confusion=tuple(tuple(int(n) for n in row) for row in counts),
        bins=tuple(metrics.reliability(said.right, said.confidence)),
        selective=(tuple(coverage.tolist()), tuple(accuracy.tolist())),
        roc={label: _roc(said, i) for i, label in enumerate(said.labels)},
    )


def gains(
    before: Predictions, after: Predictions, *, resamples: int = RESAMPLES, seed: int = SEED
) -> dict[str, Estimate]:
    """after - before in accuracy, balanced accuracy, macro F1 and AUROC, paired: both are of the same images in the
    same order. Raises ValueError where they are not."""
    if before.labels != after.labels or not np.array_equal(before.truth, after.truth):
        raise ValueError("a gain is between two models on the same images")
    old = _draws(before, _main, resamples=resamples, seed=seed)
    new = _draws(after, _main, resamples=resamples, seed=seed)
    return {name: _estimate(new[name] - old[name]) for name in old}


def intervals(
    said: Predictions,
    figures: Callable[[Predictions, np.ndarray], dict[str, np.ndarray]],
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> dict[str, Estimate]:
    """Each figure with its 95 % percentile interval (Efron 1979) over resamples of the units."""
    return {name: _estimate(values) for name, values in _draws(said, figures, resamples=resamples, seed=seed).items()}


def mean(values: Sequence[float], units: Sequence[object]) -> Estimate:
    """The mean of a score of n images, or of its change, with the interval over resamples of their units.

    Raises ValueError for no image.
    """
    scores = np.asarray(values, float)
    place = np.unique([str(unit) for unit in units], return_inverse=True)[1]

    def figures(weights: np.ndarray) -> dict[str, np.ndarray]:
        return {"mean": (weights @ scores) / weights.sum(axis=-1)}

    return _estimate(_resampled(place, figures, resamples=RESAMPLES, seed=SEED)["mean"])


def _main(said: Predictions, weights: np.ndarray) -> dict[str, np.ndarray]:
    counts = metrics.tallies(said.truth, said.predicted, len(said.labels), weights)
    return {
        "accuracy": metrics.accuracy(counts),
        "balanced_accuracy": metrics.balanced_accuracy(counts),
        "macro_f1": metrics.macro_f1(counts),
        "auroc": metrics.macro_auroc(said.truth, said.probabilities, weights),
    }


def _all(said: Predictions, weights: np.ndarray) -> dict[str, np.ndarray]:
    counts = metrics.tallies(said.truth, said.predicted, len(said.labels), weights)
    found = _main(said, weights)
    for coverage in COVERAGES:
        found[f"accuracy_at_{coverage * 100:.0f}"] = metrics.accuracy_at(coverage, said.right, said.confidence, weights)
    by_class = {
        "sensitivity": metrics.sensitivity(counts),
        "specificity": metrics.specificity(counts),
        "auroc": metrics.class_auroc(said.truth, said.probabilities, weights),
    }
    for i, label in enumerate(said.labels):
        found |= {f"{name} {label}": values[..., i] for name, values in by_class.items()}
    return found


def _draws(
    said: Predictions,
    figures: Callable[[Predictions, np.ndarray], dict[str, np.ndarray]],
    *,
    resamples: int,
    seed: int,
) -> dict[str, np.ndarray]:
    """Each figure of the sample itself, first, and of every resample."""
    return _resampled(said.units, lambda weights: figures(said, weights), resamples=resamples, seed=seed)


def _resampled(
    units: np.ndarray, figures: Callable[[np.ndarray], dict[str, np.ndarray]], *, resamples: int, seed: int
) -> dict[str, np.ndarray]:
    """As `_draws`. figures: takes weights (m, n), how often each image counts, and gives (m,) a figure."""
    if not len(units):
        raise ValueError("there is no image to measure on")
    _, unit = np.unique(units, return_inverse=True)
    count = int(unit.max()) + 1
    generator = np.random.default_rng(seed)
    parts = [figures(np.ones((1, len(unit))))]
    step = max(1, _AT_ONCE // len(unit))
    for start in range(0, resamples, step):
        drawn = generator.multinomial(count, np.full(count, 1 / count), size=min(step, resamples - start))
        parts.append(figures(drawn[:, unit].astype(float)))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _estimate(values: np.ndarray) -> Estimate:
    """The first value, with the quantiles of the others that apply."""
    if np.isnan(values[0]):
        return Estimate(None)
    drawn = values[1:][~np.isnan(values[1:])]
    if not len(drawn):
        return Estimate(float(values[0]))
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Estimate(float(values[0]), float(low), float(high))


def _not_certain(share: Estimate, units: np.ndarray) -> Estimate:
    """A share of 0 or 1 has the interval of Wilson (1927) for as many trials as there are units: resampling can only
    find 0 or 1 again."""
    if share.value not in (0.0, 1.0):
        return share
    n = len(np.unique(units))
    return Estimate(share.value, *wilson(n if share.value else 0, n))


def _calibration_error(said: Predictions) -> Estimate:
    """Without an interval: resampling adds its own upward bias to it, so that an interval would not cover."""
    return Estimate(float(metrics.calibration_error(said.right, said.confidence, np.ones(len(said.truth)))))


def _roc(said: Predictions, place: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The ROC curve of a label; empty where the images are all of it, or none."""
    positive = said.truth == place
    if positive.all() or not positive.any():
        return (), ()
    x, y = metrics.roc(positive, said.probabilities[:, place])
    return tuple(x.tolist()), tuple(y.tolist())
