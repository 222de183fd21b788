"""Display formulas in reading order, and their numbers."""

from __future__ import annotations

import pytest

from ingestion.formulas import equation_number, linear, read_formula
from ingestion.glyphs import Glyph, make_run
from ingestion.merged_rows import Rule


def glyphs(text: str, x: float, base: float, *, size: float = 10.0, font: str = "CMMI10") -> list[Glyph]:
    step = 0.5 * size
    return [
        Glyph(c, x + i * step, base - 0.75 * size, x + (i + 1) * step, base + 0.25 * size, base, size, font, 0)
        for i, c in enumerate(text)
        if c != " "
    ]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("(5)", "5"),
        ("(A.2)", "A.2"),
        ("[12]", "12"),
        ("(3a)", "3a"),
        ("(۲.۱)", "2.1"),
        ("(5", None),
        ("f(5)", None),
        ("()", None),
    ],
)
def test_equation_number(text: str, number: str | None) -> None:
    assert equation_number(text) == number


def test_indices() -> None:
    items = glyphs("x", 0, 100) + glyphs("i", 5, 102, size=7) + glyphs("2", 5, 96, size=7) + glyphs("=y", 12, 100)
    assert linear(items, []).replace(" ", "") == "x_i^2=y"


def test_a_fraction_with_a_root_below() -> None:
    top = glyphs("QK", 20, 90)
    below = glyphs("√", 20, 106, font="CMSY10") + glyphs("d", 25, 107) + glyphs("k", 30, 109, size=7)
    text = linear([*glyphs("f=", 0, 100), *top, *below], [Rule(96, 20, 34), Rule(98.5, 25, 34)])
    assert text.replace(" ", "") == "f=(QK)/(√(d_k))"


def test_limits_follow_their_operator() -> None:
    items = [
        *glyphs("∑", 10, 103, size=14, font="CMEX10"),
        *glyphs("i=1", 6, 116, size=7),
        *glyphs("N", 12, 88, size=7),
        *glyphs("x", 24, 100),
    ]
    assert linear(items, []).replace(" ", "") == "∑_{i=1}^{N}x"


def test_rows_of_a_system_stay_apart() -> None:
    items = glyphs("n=TM", 0, 100) + glyphs("a=n", 0, 116) + glyphs("2", 15, 112, size=7)
    assert linear(items, []).replace(" ", "") == "n=TM\na=n^2"


def test_a_rule_under_columns_is_no_fraction() -> None:
    items = [*glyphs("a", 0, 90), *glyphs("b", 80, 90), *glyphs("c", 0, 106), *glyphs("d", 80, 106)]
    assert "/" not in linear(items, [Rule(96, 0, 86)])


def test_the_number_is_taken_out_of_the_text() -> None:
    runs = [make_run(glyphs("a=b", 100, 100)), make_run(glyphs("(7)", 280, 100, font="CMR10"))]
    formula = read_formula([run for run in runs if run is not None], [], (100, 90, 300, 104))
    assert formula.number == "7"
    assert formula.text.replace(" ", "") == "a=b"


def test_nothing_gives_nothing() -> None:
    assert linear([], []) == ""
