"""Numbers in all spellings are the same values; no text breaks the reading of them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.describe.numbers import numbers_in


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("28.4", ["28.4"]),
        ("2,048 and 16,384", ["2048", "16384"]),
        ("2\u2009048", ["2048"]),
        ("2{,}048", ["2048"]),
        ("۵۸٫۰ و ۲٬۰۴۸", ["58", "2048"]),
        ("٤٤٫٥", ["44.5"]),
        ("-0.5", ["-0.5"]),
        ("\u22120.5", ["-0.5"]),
        ("5-10", ["5", "10"]),
        ("5–10", ["5", "10"]),
        ("BLEU-4", ["4"]),
        ("1.0 · 10^20", ["1E+20"]),
        (r"1.0 \cdot 10^{20}", ["1E+20"]),
        ("1.0×10²⁰", ["1E+20"]),
        ("10⁻⁴", ["0.0001"]),
        ("1e-5", ["0.00001"]),
        ("28.4%", ["28.4"]),
        ("۲۵٪", ["25"]),
        ("16 64 256 1024", ["16", "64", "256", "1024"]),
        ("0.7±0.1", ["0.7", "0.1"]),
        (".05", ["0.05"]),
        ("(11)", ["11"]),
        ("R@1", ["1"]),
        ("", []),
        ("none", []),
        ("9" * 60, []),
    ],
)
def test_spellings(text: str, values: list[str]) -> None:
    assert [number.value for number in numbers_in(text)] == [Decimal(v) for v in values]


def test_suffixes_percent_and_estimates() -> None:
    [thousand] = numbers_in("100K")
    assert thousand.same(numbers_in("100,000")[0])
    assert thousand.same(numbers_in("100")[0])
    assert numbers_in("28.4 %")[0].percent
    for text in ("about 72", "approximately 72", "~72", "حدود ۷۲", "تقریباً ۷۲", "close to 72"):
        assert numbers_in(text)[0].about, text
    assert not numbers_in("Table 72")[0].about


def test_rounding_is_near_and_another_number_is_not() -> None:
    [rough], [fine], [other] = numbers_in("72"), numbers_in("72.3"), numbers_in("73.2")
    assert rough.near(fine)
    assert fine.near(rough)
    assert not rough.near(other)
    assert not fine.same(rough)


def test_counts_in_prose() -> None:
    assert numbers_in("3 lines")[0].plain_count
    for text in ("3.5", "21", "5 %", "2 million"):
        assert not numbers_in(text)[0].plain_count


@given(st.text(max_size=200))
def test_no_text_breaks_it(text: str) -> None:
    for number in numbers_in(text):
        assert number.value.is_finite()


@given(st.text(alphabet="0123456789.,-+−×·^eE{}\\ %kM۰۱۲٫٬⁰²⁻", max_size=60))
def test_no_run_of_signs_breaks_it(text: str) -> None:
    for number in numbers_in(text):
        assert number.same(number)
        assert number.near(number)


@given(st.integers(0, 10**9), st.integers(0, 3))
def test_digits_of_every_script_are_the_same_number(whole: int, decimals: int) -> None:
    latin = f"{whole:,}" + ("." + "125"[:decimals] if decimals else "")
    persian = latin.translate(str.maketrans("0123456789.,", "۰۱۲۳۴۵۶۷۸۹٫٬"))
    assert [n.value for n in numbers_in(latin)] == [n.value for n in numbers_in(persian)]
    assert len(numbers_in(latin)) == 1
