"""Ranked lists: worked by hand, and equal to trec_eval on random lists."""

from __future__ import annotations

import math
import random

import pytest
import pytrec_eval

from eval.metrics.ranking import Shown, first_rank, hit_at, ndcg_at, precision_at, recall_at, reciprocal_rank

A, B, NONE = frozenset("a"), frozenset("b"), frozenset[str]()


def test_the_third_is_right() -> None:
    shown: Shown = [NONE, NONE, A, A]
    assert first_rank(shown) == 3
    assert [hit_at(shown, k) for k in (1, 2, 3, 5)] == [0, 0, 1, 1]
    assert reciprocal_rank(shown, 10) == pytest.approx(1 / 3) and reciprocal_rank(shown, 2) == 0
    assert ndcg_at(shown, 1, 10) == pytest.approx(1 / math.log2(4))  # shown again at rank 4, it gains nothing
    assert precision_at(shown, 4) == 0.5 and precision_at(shown, 10) == 0.2  # the empty places count


def test_two_gold_units() -> None:
    shown: Shown = [A, NONE, A | B]
    assert recall_at(shown, 2, 1) == 0.5 and recall_at(shown, 2, 3) == 1
    assert ndcg_at(shown, 2, 3) == pytest.approx((1 + 1 / math.log2(4)) / (1 + 1 / math.log2(3)))
    assert ndcg_at(shown, 2, 1) == 1  # at depth 1 only one can be shown
    assert ndcg_at([A | B], 2, 5) == 1  # both at once is the best there can be


def test_nothing_found_and_nothing_to_find() -> None:
    assert (first_rank([]), hit_at([], 5), recall_at([], 1, 5), precision_at([], 5)) == (None, 0, 0, 0)
    assert (reciprocal_rank([], 5), ndcg_at([], 1, 5)) == (0, 0)
    assert recall_at([A], 0, 5) is None and ndcg_at([A], 0, 5) is None


def test_equal_to_trec_eval() -> None:
    """300 random lists of 0 to 30 documents, 1 to 8 of 12 relevant, some of them not in the list, no equal scores."""
    rng = random.Random(20260115)
    names = [f"d{i:02}" for i in range(40)]
    qrels: dict[str, dict[str, int]] = {}
    runs: dict[str, dict[str, float]] = {}
    orders: dict[str, list[str]] = {}
    for i in range(300):
        relevant = rng.sample(names[:12], rng.randint(1, 8))
        order = rng.sample(names, rng.randint(1, 30))
        qrels[f"q{i}"] = {name: int(name in relevant) for name in names[:12]}
        orders[f"q{i}"] = order
        runs[f"q{i}"] = {name: 1.0 - rank / 100 for rank, name in enumerate(order)}
    measures = {"recip_rank", "success.1,3,5,10", "recall.1,3,5,10", "P.1,3,5,10", "ndcg_cut.1,3,5,10"}
    theirs = pytrec_eval.RelevanceEvaluator(qrels, measures).evaluate(runs)
    for query, order in orders.items():
        gold = {name for name, held in qrels[query].items() if held}
        shown = [frozenset({name} & gold) for name in order]
        assert reciprocal_rank(shown, 100) == pytest.approx(theirs[query]["recip_rank"], abs=1e-6)
        for k in (1, 3, 5, 10):
            ours = {
                f"success_{k}": hit_at(shown, k),
                f"recall_{k}": recall_at(shown, len(gold), k),
                f"P_{k}": precision_at(shown, k),
                f"ndcg_cut_{k}": ndcg_at(shown, len(gold), k),
            }
            for name, value in ours.items():
                assert value == pytest.approx(theirs[query][name], abs=1e-6), (query, name)
