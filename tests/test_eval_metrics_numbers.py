"""Quantities: read in every script and unit, compared within a tolerance."""

from __future__ import annotations

import pytest

from eval.metrics.numbers import Quantity, is_quantity, numeric_match, quantities


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("28.4 BLEU", [Quantity(28.4)]),
        ("16,384 tokens", [Quantity(16384)]),
        ("۱۶٬۳۸۴ توکن و ۱۲٫۵", [Quantity(16384), Quantity(12.5)]),
        ("400M pairs", [Quantity(400, 1e6)]),
        ("۴۰۰ میلیون جفت", [Quantity(400, 1e6)]),
        ("3.3e18, 3.3 × 10^18 or 3.3·10¹⁸ FLOPs", [Quantity(3.3e18)] * 3),
        ("2.5 × 10^{-4}", [Quantity(2.5e-4)]),
        ("12ms", [Quantity(12, 1, "time", 1e-3)]),
        ("2 minutes", [Quantity(2, 1, "time", 60)]),
        ("۳۸٫۵ درصد", [Quantity(38.5, 1, "share", 0.01)]),
        ("۵ میلی‌متر", [Quantity(5, 1, "length", 1e-3)]),
        ("a fall of −3 points", [Quantity(-3)]),
        ("from 5-10", [Quantity(5), Quantity(10)]),
        ("It is so [32].", []),
        ("ResNet50, v1.2.3, O(log_k(n))", []),
        ("1e999, " + "9" * 400, []),
        ("2 m", [Quantity(2, 1, "length", 1)]),
    ],
)
def test_quantities(text: str, expected: list[Quantity]) -> None:
    assert list(quantities(text)) == expected


@pytest.mark.parametrize(
    ("text", "gold", "tolerance", "expected"),
    [
        ("It rose to 28.4 points.", "28.4", 0.0, 1),
        ("It rose to 28.45 points.", "28.4", 0.0, 0),
        ("It rose to 28.45 points.", "28.4", 0.05, 1),
        ("it took 120 s", "2 min", 0.0, 1),
        ("it took 130 s", "2 min", 0.0, 0),
        ("it took 130 s", "2 min", 0.2, 1),  # the tolerance is in the unit of the gold answer
        ("a share of 2 %", "2 min", 0.0, 0),
        ("a share of 2", "2 %", 0.0, 1),  # the unit stands in the table's head
        ("0.4 billion", "400 million", 0.0, 1),
        ("400", "400 million", 0.0, 0),
        ("400 million", "400", 0.0, 1),
        ("دقت ۳۸٫۵ درصد", "38.5%", 0.0, 1),
        ("lr of 1e-4", "0.0001", 0.0, 1),
        ("between 3 and 5", "3 to 5", 0.0, 1),
        ("between 3 and 6", "3 to 5", 0.0, 0),
    ],
)
def test_numeric_match(text: str, gold: str, tolerance: float, expected: float) -> None:
    assert numeric_match(text, [gold], tolerance=tolerance) == expected


def test_one_of_several_gold_answers_is_enough_and_words_are_no_numbers() -> None:
    assert numeric_match("it is 7", ["many", "6", "7"]) == 1
    assert numeric_match("it is 7", ["many"]) is None
    assert numeric_match("many", ["many", "7"]) == 0


def test_what_is_a_quantity() -> None:
    assert all(map(is_quantity, ["28.4", " 400 million ", "12 ms", "۳۸٫۵ درصد", "1e-4"]))
    assert not any(map(is_quantity, ["28.4 BLEU", "about 3", "3 to 5", "ResNet50", ""]))
