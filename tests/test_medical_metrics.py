"""Measures of a diagnosis: worked by hand, equal to scikit-learn's, and intervals that cover."""

from __future__ import annotations

import math

import numpy as np
import pytest

from eval.medical import metrics
from eval.medical.measuring import Estimate, Predictions, gains, intervals, measure


def once(n: int) -> np.ndarray:
    return np.ones(n)


def said(truth: list[int], probabilities: list[list[float]], units: list[int] | None = None) -> Predictions:
    labels = tuple("abcdef"[: len(probabilities[0])])
    at = np.arange(len(truth)) if units is None else np.array(units)
    return Predictions(labels, np.array(truth), np.array(probabilities), at)


# By hand: 4 images of a (3 found, one taken for b), 2 of b (both found), 2 of c (one found, one taken for a).
TRUTH = np.array([0, 0, 0, 0, 1, 1, 2, 2])
PREDICTED = np.array([0, 0, 0, 1, 1, 1, 2, 0])


def test_a_confusion_matrix_by_hand() -> None:
    counts = metrics.tallies(TRUTH, PREDICTED, 3, once(8))
    assert counts.tolist() == [[3, 1, 0], [0, 2, 0], [1, 0, 1]]
    assert metrics.accuracy(counts) == pytest.approx(6 / 8)
    assert metrics.sensitivity(counts).tolist() == pytest.approx([3 / 4, 1, 1 / 2])
    assert metrics.specificity(counts).tolist() == pytest.approx([3 / 4, 5 / 6, 1])
    assert metrics.balanced_accuracy(counts) == pytest.approx((3 / 4 + 1 + 1 / 2) / 3)
    assert metrics.macro_f1(counts) == pytest.approx((6 / 8 + 4 / 5 + 2 / 3) / 3)


def test_a_class_without_an_image_is_not_counted() -> None:
    counts = metrics.tallies(np.array([0, 0, 1]), np.array([0, 1, 1]), 3, once(3))
    assert math.isnan(metrics.sensitivity(counts)[2])
    assert metrics.specificity(counts)[2] == 1
    assert metrics.balanced_accuracy(counts) == pytest.approx(0.75)
    assert metrics.macro_f1(counts) == pytest.approx((2 / 3 + 2 / 3) / 2)


def test_weights_repeat_images() -> None:
    weights = np.array([2, 0, 1, 1, 1, 3, 0, 1.0])
    repeated = np.repeat(np.arange(8), weights.astype(int))
    expected = metrics.tallies(TRUTH[repeated], PREDICTED[repeated], 3, once(len(repeated)))
    assert metrics.tallies(TRUTH, PREDICTED, 3, weights).tolist() == expected.tolist()
    scores, positive = np.array([0.1, 0.4, 0.4, 0.9, 0.3, 0.4, 0.7, 0.2]), TRUTH == 0
    assert metrics.auroc(positive, scores, weights) == pytest.approx(
        metrics.auroc(positive[repeated], scores[repeated], once(len(repeated)))
    )
    right = PREDICTED == TRUTH
    assert metrics.calibration_error(right, scores, weights) == pytest.approx(
        metrics.calibration_error(right[repeated], scores[repeated], once(len(repeated)))
    )
    assert metrics.accuracy_at(0.5, right, scores, weights) == pytest.approx(
        metrics.accuracy_at(0.5, right[repeated], scores[repeated], once(len(repeated)))
    )


def test_auroc_by_hand_with_a_tie() -> None:
    # Positives 0.8, 0.5; negatives 0.5, 0.2: of four pairs three are in order and one is tied.
    positive = np.array([True, True, False, False])
    assert metrics.auroc(positive, np.array([0.8, 0.5, 0.5, 0.2]), once(4)) == pytest.approx(3.5 / 4)
    assert math.isnan(metrics.auroc(np.array([True, True]), np.array([0.1, 0.2]), once(2)))
    x, y = metrics.roc(positive, np.array([0.8, 0.5, 0.5, 0.2]))
    assert x.tolist() == [0, 0, 0.5, 1]
    assert y.tolist() == [0, 0.5, 1, 1]


def test_calibration_by_hand() -> None:
    # Bin (0.5, 0.6]: two images, one right, confidence 0.6: gap 0.1. Bin (0.9, 1]: two, both right, 0.95: gap 0.05.
    right, confidence = np.array([True, False, True, True]), np.array([0.6, 0.6, 0.9001, 0.9999])
    assert metrics.calibration_error(right, confidence, once(4)) == pytest.approx((2 * 0.1 + 2 * 0.05) / 4)
    assert metrics.reliability(right, confidence) == [(pytest.approx(0.6), 1, 2), (pytest.approx(0.95), 2, 2)]


def test_selective_accuracy_by_hand() -> None:
    right, confidence = np.array([False, True, True, False]), np.array([0.3, 0.9, 0.7, 0.7])
    coverage, accuracy = metrics.selective(right, confidence)
    assert coverage.tolist() == pytest.approx([0.25, 0.75, 1])
    assert accuracy.tolist() == pytest.approx([1, 2 / 3, 1 / 2])
    assert metrics.accuracy_at(0.25, right, confidence, once(4)) == 1
    assert metrics.accuracy_at(0.5, right, confidence, once(4)) == pytest.approx(2 / 3)  # the tied ones go together


@pytest.mark.medical
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_measures_are_those_of_scikit_learn(classes: int) -> None:
    sk = pytest.importorskip("sklearn.metrics")
    draw = np.random.default_rng(classes)
    for _ in range(80):
        n = int(draw.integers(classes * 3, 120))
        truth = np.r_[np.arange(classes), draw.integers(0, classes, n - classes)]
        # Rounded, so that many scores are tied.
        shares = np.round(draw.dirichlet(np.ones(classes), n) + np.eye(classes)[truth] * draw.uniform(0, 0.6), 1) + 0.05
        shares /= shares.sum(axis=1, keepdims=True)
        predicted = shares.argmax(axis=1)
        counts = metrics.tallies(truth, predicted, classes, once(n))
        assert (counts == sk.confusion_matrix(truth, predicted, labels=range(classes))).all()
        exact = {"abs": 1e-9, "rel": 0}
        assert metrics.accuracy(counts) == pytest.approx(sk.accuracy_score(truth, predicted), **exact)
        assert metrics.balanced_accuracy(counts) == pytest.approx(sk.balanced_accuracy_score(truth, predicted), **exact)
        assert metrics.macro_f1(counts) == pytest.approx(sk.f1_score(truth, predicted, average="macro"), **exact)
        recalls = sk.recall_score(truth, predicted, average=None)
        assert metrics.sensitivity(counts) == pytest.approx(recalls, **exact)
        others = [sk.recall_score(truth != c, predicted != c) for c in range(classes)]
        assert metrics.specificity(counts) == pytest.approx(others, **exact)
        given = shares[:, 1] if classes == 2 else shares
        assert metrics.macro_auroc(truth, shares, once(n)) == pytest.approx(
            sk.roc_auc_score(truth, given, multi_class="ovr"), **exact
        )
        x, y, _ = sk.roc_curve(truth == 1, shares[:, 1], drop_intermediate=False)
        ours = metrics.roc(truth == 1, shares[:, 1])
        assert ours[0] == pytest.approx(x, **exact)
        assert ours[1] == pytest.approx(y, **exact)


def drawn(draw: np.random.Generator, n: int, *, together: int = 1) -> Predictions:
    """Images whose score tells three classes apart to some degree; `together` images of a unit err together."""
    units = np.repeat(np.arange(n // together), together)
    truth = draw.choice(3, size=n // together, p=[0.5, 0.3, 0.2])[units]
    noise = draw.normal(0, 1, (n // together, 3))[units] + draw.normal(0, 0.1, (n, 3))
    raised = np.exp(1.3 * np.eye(3)[truth] + noise)
    return Predictions(("a", "b", "c"), truth, raised / raised.sum(axis=1, keepdims=True), units)


def four(one: Predictions, weights: np.ndarray) -> dict[str, np.ndarray]:
    counts = metrics.tallies(one.truth, one.predicted, 3, weights)
    return {
        "accuracy": metrics.accuracy(counts),
        "balanced_accuracy": metrics.balanced_accuracy(counts),
        "macro_f1": metrics.macro_f1(counts),
        "auroc": metrics.macro_auroc(one.truth, one.probabilities, weights),
        "accuracy_at_50": metrics.accuracy_at(0.5, one.right, one.confidence, weights),
    }


def covered(found: list[dict[str, Estimate]], true: dict[str, float]) -> dict[str, float]:
    """Share of the samples whose interval holds the true value."""
    held = dict.fromkeys(true, 0)
    for one in found:
        for name, value in true.items():
            low, high = one[name].low, one[name].high
            assert low is not None
            assert high is not None
            held[name] += low <= value <= high
    return {name: n / len(found) for name, n in held.items()}


@pytest.mark.parametrize("together", [1, 4], ids=["independent", "four slices a patient"])
def test_intervals_cover_at_the_nominal_rate(together: int) -> None:
    draw = np.random.default_rng(11 + together)
    many = drawn(draw, 200_000, together=together)
    true = {name: float(value) for name, value in four(many, once(200_000)).items()}
    samples = [drawn(draw, 200 * together, together=together) for _ in range(400)]
    shares = covered([intervals(one, four, resamples=400) for one in samples], true)
    for name, share in shares.items():
        # 95 % nominal; 400 samples know it to 0.022 (two standard errors), percentile intervals are a little short.
        assert 0.915 <= share <= 0.98, (name, share)


def test_images_of_a_patient_taken_as_independent_would_not_cover() -> None:
    draw = np.random.default_rng(5)
    many = drawn(draw, 200_000, together=4)
    true = {"accuracy": float(four(many, once(200_000))["accuracy"])}
    samples = [drawn(draw, 400, together=4) for _ in range(150)]
    alone = [Predictions(one.labels, one.truth, one.probabilities, np.arange(400)) for one in samples]
    assert covered([intervals(one, four, resamples=300) for one in alone], true)["accuracy"] < 0.8


def test_the_figures_of_one_model() -> None:
    draw = np.random.default_rng(3)
    one = drawn(draw, 240, together=2)
    found = measure(one)
    assert found == measure(one)
    assert (found.images, found.units) == (240, 120)
    assert sum(found.counts.values()) == sum(map(sum, found.confusion)) == 240
    assert sum(n for _, _, n in found.bins) == 240
    assert found.overall["accuracy"].value == pytest.approx(one.right.mean())
    assert found.selective[1][-1] == pytest.approx(one.right.mean())
    assert found.overall["calibration_error"].low is None
    for name, estimate in found.overall.items():
        if name != "calibration_error":
            assert estimate.low is not None
            assert estimate.value is not None
            assert estimate.high is not None
            assert estimate.low <= estimate.value <= estimate.high


def test_a_share_of_one_is_not_certain() -> None:
    found = measure(said([0, 0, 1, 1], [[0.9, 0.1], [0.8, 0.2], [0.2, 0.8], [0.1, 0.9]], units=[1, 1, 2, 3]))
    assert found.classes["b"]["sensitivity"].value == 1
    low = found.classes["b"]["sensitivity"].low
    assert low is not None
    assert low == pytest.approx(2 / (2 + 1.959964**2))  # Wilson, two units of two
    assert found.overall["accuracy"].low == pytest.approx(3 / (3 + 1.959964**2))


def test_one_class_only_has_no_auroc() -> None:
    found = measure(said([0, 0], [[0.9, 0.1], [0.4, 0.6]]))
    assert found.overall["auroc"] == Estimate(None)
    assert found.classes["b"]["sensitivity"] == Estimate(None)
    assert found.roc["a"] == ((), ())


def test_a_gain_is_paired() -> None:
    draw = np.random.default_rng(8)
    before = drawn(draw, 300)
    after = Predictions(before.labels, before.truth, before.probabilities.copy(), before.units)
    wrong = np.flatnonzero(~before.right)[:12]
    after.probabilities[wrong] = np.eye(3)[before.truth[wrong]]
    gain = gains(before, after)["accuracy"]
    assert gain.value == pytest.approx(12 / 300)
    assert gain.low is not None
    assert gain.low > 0.01  # unpaired, the interval would hold 0
    assert gains(before, before)["auroc"] == Estimate(0.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="same images"):
        gains(before, drawn(draw, 299))
