"""Measures of image search: worked by hand, at their edges, and against a second way of computing them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.images.metrics import NOT_FOUND, best_rank, by_class, lead, measures, rank_of

NOTHING = -np.inf


def test_rank_counts_what_is_as_good_or_better() -> None:
    scores = np.array([0.9, 0.5, 0.7, 0.5])
    assert [rank_of(scores, i) for i in range(4)] == [1, 4, 2, 4]


def test_one_score_for_all_is_the_last_place() -> None:
    assert [rank_of(np.ones(5), i) for i in range(5)] == [5] * 5


def test_what_did_not_come_has_no_rank() -> None:
    assert rank_of(np.array([NOTHING, 0.1]), 0) == NOT_FOUND
    assert best_rank(np.array([NOTHING, 0.1]), [0]) == NOT_FOUND
    assert best_rank(np.array([0.1]), []) == NOT_FOUND


def test_best_of_several_is_behind_equals_of_others_only() -> None:
    scores = np.array([0.4, 0.6, 0.6, 0.6, 0.1])
    assert best_rank(scores, [1, 2]) == 2  # item 3 is as good and not wanted
    assert best_rank(scores, [0, 4]) == 4
    assert best_rank(scores, [0, 1, 2, 3, 4]) == 1


def test_measures_by_hand() -> None:
    """Ranks 1, 2, 6 and one that did not come, in a gallery of 20."""
    found = measures([1, 2, 6, NOT_FOUND], [0, 1, 2, 3], gallery=20)
    assert found["recall@1"].value == 0.25
    assert found["recall@5"].value == 0.5
    assert found["recall@10"].value == 0.75
    assert found["median rank"].value == 4  # between 2 and 6; the last counts as 20
    assert found["mrr"].value == pytest.approx((1 + 1 / 2 + 1 / 6 + 0) / 4)
    assert {value.n for value in found.values()} == {4}


def test_more_asked_for_than_there_is() -> None:
    """k larger than the gallery: what came is in it, what did not come is not."""
    found = measures([2, NOT_FOUND], [0, 1], gallery=2)
    assert found["recall@10"].value == 0.5


def test_one_image_and_none() -> None:
    one = measures([1], [7], gallery=1)["recall@1"]
    assert (one.value, one.low, one.high, one.n) == (1, 1, 1, 1)
    none = measures([], [], gallery=0)["mrr"]
    assert math.isnan(none.value) and none.n == 0 and str(none) == "-"


def test_captions_of_one_image_are_no_independent_trials() -> None:
    """The same ranks: forty images with a caption each, or two with twenty. Only the first can be sure."""
    ranks = [1] * 20 + [9] * 20
    apart = measures(ranks, range(40), gallery=50)["recall@1"]
    together = measures(ranks, [0] * 20 + [1] * 20, gallery=50)["recall@1"]
    assert apart.value == together.value == 0.5
    assert (together.low, together.high, together.n) == (0, 1, 2)
    assert 0.3 < apart.low < apart.high < 0.7


def test_images_with_more_captions_weigh_more() -> None:
    assert measures([1, 1, 1, 9], [0, 0, 0, 1], gallery=9)["recall@1"].value == 0.75


def test_lead_is_paired() -> None:
    """One way is right wherever the other is, and once more."""
    ahead = lead([1, 1, 1, 4], [1, 1, 2, 4], range(4))
    assert ahead.value == 0.25 and ahead.low >= 0
    assert lead([1, 2], [1, 2], range(2)).high == 0


def test_classes_by_hand() -> None:
    """Two bears, three cats; the third cat is nearest to a bear."""
    labels = ["bear", "bear", "cat", "cat", "cat"]
    order = [[1, 2, 3, 4], [2, 0, 3, 4], [3, 4, 0, 1], [2, 4, 1, 0], [0, 2, 1, 3]]
    found = by_class(order, labels)
    assert found.precision_at_1.value == pytest.approx(3 / 5)
    assert found.recall[1].value == pytest.approx((1 + 0 + 1 / 2 + 1 / 2 + 0) / 5)
    assert found.recall[5].value == 1  # everything has come
    assert found.chance == pytest.approx((2 * 1 / 4 + 3 * 2 / 4) / 5)
    cats = by_class(order, labels, only="cat")
    assert cats.precision_at_1.n == 3 and cats.precision_at_1.value == pytest.approx(2 / 3)


def test_an_order_that_ends_early() -> None:
    """An image to which nothing came found nobody of its class."""
    found = by_class([[], [0]], ["a", "a"])
    assert found.precision_at_1.value == 0.5 and found.recall[10].value == 0.5


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 4), min_size=6, max_size=6), min_size=1, max_size=12),
    st.data(),
)
def test_ranks_agree_with_sorting(rows: list[list[int]], data: st.DataObject) -> None:
    """Against the plain way: sort, equals of others first, and look where the wanted one stands."""
    wanted = [data.draw(st.integers(0, 5)) for _ in rows]
    ranks = []
    for row, target in zip(rows, wanted, strict=True):
        ordered = sorted(range(6), key=lambda i, row=row, target=target: (-row[i], i == target))
        ranks.append(ordered.index(target) + 1)
    assert ranks == [rank_of(np.array(row, float), one) for row, one in zip(rows, wanted, strict=True)]
    assert ranks == [best_rank(np.array(row, float), [one]) for row, one in zip(rows, wanted, strict=True)]
    found = measures(ranks, range(len(ranks)), gallery=6)
    assert found["recall@5"].value == pytest.approx(sum(rank <= 5 for rank in ranks) / len(ranks))
    assert found["mrr"].value == pytest.approx(sum(1 / rank for rank in ranks) / len(ranks))
    assert found["median rank"].value == pytest.approx(float(np.median(ranks)))
    assert all(value.low <= value.value <= value.high for value in found.values() if value.n > 3)


def test_interval_agrees_with_a_plain_bootstrap() -> None:
    """Images drawn one after the other, their queries laid out and averaged."""
    rng = np.random.default_rng(5)
    images = np.repeat(np.arange(30), 3)
    ranks = rng.integers(1, 4, len(images))
    means = []
    for _ in range(2000):
        drawn = rng.integers(0, 30, 30)
        means.append(np.mean([ranks[images == image] == 1 for image in drawn]))
    low, high = np.quantile(means, (0.025, 0.975))
    found = measures(ranks.tolist(), images.tolist(), gallery=3)["recall@1"]
    assert found.low == pytest.approx(low, abs=0.02) and found.high == pytest.approx(high, abs=0.02)
