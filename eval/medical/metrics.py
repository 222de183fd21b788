"""Measures of a classifier with probabilities, each for many resamples of the images at once.

Every function takes `weights` (..., n): how often each image counts, 1 for each in the sample itself and a bootstrap
resample's counts otherwise; the result has the leading axes. A measure that does not apply, such as the sensitivity of
a class without an image, is nan. Without weights the values are those of scikit-learn.
"""

from __future__ import annotations

import numpy as np

BINS = 10  # of the reliability plot and of ECE, of equal width over 0 to 1


def tallies(truth: np.ndarray, predicted: np.ndarray, classes: int, weights: np.ndarray) -> np.ndarray:
    """(..., classes, classes) images by true class (row) and predicted class (column)."""
    cells = np.eye(classes * classes)[truth * classes + predicted]
    return (weights @ cells).reshape(*weights.shape[:-1], classes, classes)


def accuracy(counts: np.ndarray) -> np.ndarray:
    """Share of the images that are right, from `tallies`."""
    return _share(_diagonal(counts).sum(axis=-1), counts.sum(axis=(-2, -1)))


def sensitivity(counts: np.ndarray) -> np.ndarray:
    """(..., classes) share of each class's images that are found: its recall."""
    return _share(_diagonal(counts), counts.sum(axis=-1))


def specificity(counts: np.ndarray) -> np.ndarray:
    """(..., classes) share of the other images that are not taken for this class."""
    others = counts.sum(axis=(-2, -1))[..., None] - counts.sum(axis=-1)
    wrongly = counts.sum(axis=-2) - _diagonal(counts)
    return _share(others - wrongly, others)


def balanced_accuracy(counts: np.ndarray) -> np.ndarray:
    """Mean sensitivity over the classes that have an image."""
    return _mean_of_known(sensitivity(counts))


def macro_f1(counts: np.ndarray) -> np.ndarray:
    """Mean F1 over the classes that have an image or are predicted; 0 for one never right."""
    shown = counts.sum(axis=-1) + counts.sum(axis=-2)
    return _mean_of_known(_share(2 * _diagonal(counts), shown))


def auroc(positive: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Area under the ROC curve: how often a positive image has the higher score, ties counting half (Hanley and
    McNeil 1982). positive: (n,) bool; scores: (n,)."""
    order, starts = _tied(scores)
    counted = weights[..., order]
    up = np.add.reduceat(counted * positive[order], starts, axis=-1)
    down = np.add.reduceat(counted * ~positive[order], starts, axis=-1)
    below = np.cumsum(down, axis=-1) - down
    return _share((up * (below + down / 2)).sum(axis=-1), up.sum(axis=-1) * down.sum(axis=-1))


def macro_auroc(truth: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean AUROC of each class against the rest, over those that have both; of two classes that of the second."""
    each = class_auroc(truth, probabilities, weights)
    return each[..., 1] if probabilities.shape[1] == 2 else _mean_of_known(each)


def class_auroc(truth: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(..., classes) AUROC of each class's probability against the rest."""
    return np.stack(
        [auroc(truth == c, probabilities[:, c], weights) for c in range(probabilities.shape[1])], axis=-1
    )  # fmt: skip


def roc(positive: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ROC curve: (1 - specificity, sensitivity) at every threshold, from (0, 0) to (1, 1)."""
    order, starts = _tied(-scores)
    up = np.cumsum(np.add.reduceat(positive[order].astype(float), starts))
    down = np.cumsum(np.add.reduceat((~positive[order]).astype(float), starts))
    return np.r_[0.0, _share(down, down[-1])], np.r_[0.0, _share(up, up[-1])]


def calibration_error(right: np.ndarray, confidence: np.ndarray, weights: np.ndarray, bins: int = BINS) -> np.ndarray:
    """ECE (Naeini et al. 2015): mean distance between confidence and share right, over bins of equal width.

    right: (n,) bool; confidence: (n,) the probability of what was predicted. It is biased upwards in small samples.
    """
    members = np.eye(bins)[_bin(confidence, bins)]
    gaps = (weights * (right - confidence)) @ members
    return _share(np.abs(gaps).sum(axis=-1), weights.sum(axis=-1))


def reliability(right: np.ndarray, confidence: np.ndarray, bins: int = BINS) -> list[tuple[float, int, int]]:
    """(mean confidence, images right, images) of each bin that has any, the least confident first."""
    where = _bin(confidence, bins)
    return [
        (float(confidence[where == b].mean()), int(right[where == b].sum()), int((where == b).sum()))
        for b in np.unique(where)
    ]


def accuracy_at(coverage: float, right: np.ndarray, confidence: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Accuracy on the most confident images that make up this share of all (El-Yaniv and Wiener 2010); equally
    confident ones are taken together, so it may be of a few more."""
    order, starts = _tied(-confidence)
    counted = weights[..., order]
    taken = np.cumsum(np.add.reduceat(counted, starts, axis=-1), axis=-1)
    hits = np.cumsum(np.add.reduceat(counted * right[order], starts, axis=-1), axis=-1)
    enough = taken >= coverage * taken[..., -1:] - 1e-9
    at = np.argmax(enough, axis=-1)[..., None]
    return _share(np.take_along_axis(hits, at, -1)[..., 0], np.take_along_axis(taken, at, -1)[..., 0])


def selective(right: np.ndarray, confidence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(coverage, accuracy) for every bar of confidence, from the highest bar to none."""
    order, starts = _tied(-confidence)
    taken = np.cumsum(np.diff(np.r_[starts, len(order)]))
    hits = np.cumsum(np.add.reduceat(right[order].astype(float), starts))
    return taken / len(order), hits / taken


def _tied(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The order of rising scores, and where in it each distinct score starts."""
    order = np.argsort(scores, kind="stable")
    ranked = scores[order]
    return order, np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])


def _bin(confidence: np.ndarray, bins: int) -> np.ndarray:
    return np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)


def _diagonal(counts: np.ndarray) -> np.ndarray:
    return np.diagonal(counts, axis1=-2, axis2=-1)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, nan where whole is 0."""
    part, whole = np.asarray(part, float), np.asarray(whole, float)
    return np.divide(part, whole, out=np.full(np.broadcast(part, whole).shape, np.nan), where=whole > 0)


def _mean_of_known(values: np.ndarray) -> np.ndarray:
    known = ~np.isnan(values)
    return _share(np.where(known, values, 0.0).sum(axis=-1), known.sum(axis=-1))
