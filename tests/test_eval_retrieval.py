"""Retrieval measures, worked by hand."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest

from eval.questions import Question
from eval.retrieval import Ranked, ndcg_at, pages_at, recall_at, reciprocal_rank, run
from eval.statistics import mean
from rag_app.errors import LibraryError


def ranked(gold: set[int], *shown: set[int]) -> Ranked:
    return Ranked("q", "en", "text", frozenset(gold), tuple(frozenset(s) for s in shown))


def test_third_passage_is_right() -> None:
    r = ranked({4}, set(), set(), {4}, {4})
    assert r.rank == 3
    assert [recall_at(r, k) for k in (1, 2, 3, 5)] == [0, 0, 1, 1]
    assert reciprocal_rank(r, 10) == pytest.approx(1 / 3)
    assert reciprocal_rank(r, 2) == 0
    assert ndcg_at(r, 10) == pytest.approx(1 / math.log2(4))  # the repeat at rank 4 gains nothing


def test_two_gold_pages() -> None:
    r = ranked({2, 7}, {2}, set(), {2, 7})
    assert pages_at(r, 1) == 0.5 and pages_at(r, 3) == 1
    ideal = 1 + 1 / math.log2(3)
    assert ndcg_at(r, 3) == pytest.approx((1 + 1 / math.log2(4)) / ideal)
    assert ndcg_at(r, 1) == pytest.approx(1.0)  # at depth 1 only one page can be shown


def test_ndcg_agrees_with_the_textbook_form() -> None:
    """Against DCG written out over gains, for every arrangement of two gold pages in four ranks."""
    for first in range(4):
        for second in range(4):
            shown: list[set[int]] = [set(), set(), set(), set()]
            shown[first].add(1)
            shown[second].add(2)
            gains = [1 if s else 0 for s in shown]
            dcg = sum(g / math.log2(i + 2) for i, g in enumerate(gains))
            assert ndcg_at(ranked({1, 2}, *shown), 4) == pytest.approx(dcg / (1 + 1 / math.log2(3)))


def test_nothing_found_and_k_beyond_the_list() -> None:
    r = ranked({1})
    assert (r.rank, recall_at(r, 5), reciprocal_rank(r, 5), ndcg_at(r, 5), pages_at(r, 5)) == (None, 0, 0, 0, 0)


def test_mean_and_interval() -> None:
    m = mean([0, 1, 1, 1])
    assert m.value == 0.75 and m.n == 4 and 0 <= m.low <= 0.75 <= m.high <= 1
    assert mean([1, 1, 1]).low == 1
    assert mean([0, 1] * 8) == mean([0, 1] * 8)  # seeded
    assert math.isnan(mean([]).value) and str(mean([])) == "-"


@dataclass(frozen=True)
class Hit:
    document: str
    pages: tuple[int, ...]
    kind: str = "text"


@dataclass(frozen=True)
class Found:
    hits: tuple[Hit, ...]


class Shelf:
    """A library of canned hits; 'broken' cannot be searched."""

    def search(self, text: str, *, k: int = 10) -> Found:
        if text == "broken":
            raise LibraryError("no index")
        return Found((Hit("other.pdf", (3,)), Hit("a.pdf", (2, 3)), Hit("a.pdf", (9,)))[:k])


def question(id: str, text: str, kind: str = "text", pages: tuple[int, ...] = (3,)) -> Question:
    return Question(id, text, "en", kind, "a.pdf", ("x",) if pages else (), pages)


def test_run_counts_documents_and_all_pages_of_a_passage() -> None:
    asked = [question("1", "works"), question("2", "broken"), question("3", "none", "unanswerable", ())]
    report = run(Shelf(), asked, k=5)
    assert [r.rank for r in report.ranked] == [2, None]  # page 3 of another document does not count
    assert report.ranked[1].error == "no index"
    as_json = report.to_dict()
    assert (as_json["scored"], as_json["failed"], as_json["skipped"]) == (2, 1, 1)
    assert as_json["groups"]["all"]["recall@5"]["value"] == 0.5
    assert "recall@5" in report.table() and "1 of them failed" in report.table()


def test_k_limits_what_is_looked_at() -> None:
    assert run(Shelf(), [question("1", "works")], k=1).ranked[0].rank is None
