"""Citations, refusals and numbers of an answer against its evidence, by hand."""

from __future__ import annotations

import pytest

from eval.metrics.evidence import (
    citation_precision,
    citation_recall,
    refusal_precision,
    refusal_recall,
    unsupported_number_rate,
)

GOLD = {("a.pdf", 3), ("a.pdf", 7)}


def test_citations() -> None:
    cited = [{("a.pdf", 2), ("a.pdf", 3)}, {("b.pdf", 7)}, {("a.pdf", 3)}]
    assert citation_precision(cited, GOLD) == pytest.approx(2 / 3)
    assert citation_recall(cited, GOLD) == 0.5
    assert citation_precision([], GOLD) is None and citation_recall([], GOLD) == 0
    assert citation_precision(cited, set()) is None and citation_recall(cited, set()) is None


def test_precision_and_recall_of_refusals_are_the_means() -> None:
    """Of 4 refusals 3 were right, of 5 unanswerable questions 3 were refused."""
    asked = [(True, False)] * 3 + [(True, True)] + [(False, False)] * 2 + [(False, True)] * 4
    precision = [refusal_precision(refused=refused, answerable=answerable) for refused, answerable in asked]
    recall = [refusal_recall(refused=refused, answerable=answerable) for refused, answerable in asked]
    assert [one for one in precision if one is not None] == [1, 1, 1, 0]
    assert [one for one in recall if one is not None] == [1, 1, 1, 0, 0]


@pytest.mark.parametrize(
    ("text", "sources", "expected"),
    [
        ("It rose from 12 to 28.4.", ["from 12", "28.4 points"], 0),
        ("It rose from 12 to 28.5.", ["from 12", "28.4 points"], 0.5),
        ("It has 400 million.", ["400M pairs"], 0),
        ("دقت ۲۸٫۴ است", ["an accuracy of 28.4"], 0),
        ("99 and again 99, and 12", ["12"], 0.5),  # each number counts once
        ("It rose.", ["12"], None),
        ("It is 12.", [], 1),
    ],
)
def test_numbers_that_nothing_supports(text: str, sources: list[str], expected: float | None) -> None:
    assert unsupported_number_rate(text, sources) == expected
