"""Formulas in one spelling and as pictures: right spellings stay right, planted errors are seen."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from eval.metrics.formulas import edit_similarity, latex_tokens, picture_similarity
from eval.planted.formulas import LATEX_ERRORS
from eval.planted.spellings import LATEX_VARIANTS
from rag_app.render.formula_pictures import formula_png

TRUTHS = sorted((Path(__file__).parent.parent / "data" / "papers").glob("*.truth.json"))
FORMULAS = [formula["latex"] for path in TRUTHS for formula in json.loads(path.read_text("utf-8"))["formulas"]]
# Not among them: other letters (\varepsilon), another alphabet (\boldsymbol as plain), other brackets.
SPELLINGS = (
    "dfrac", "tfrac", "blanks", "no blanks", "left and right", "norms", "transposed", "intercal", "upper index first",
    "dots", "le", "arrows", "bars", "split", "align", "function names", "upright functions", "braced indices", "script",
    "displaystyle", "limits", "prime", "delimiters", "number", "punctuation",
)  # fmt: skip


@pytest.mark.parametrize("name", SPELLINGS)
def test_another_spelling_is_the_same_formula(name: str) -> None:
    rng = random.Random(7)
    made = [(latex, LATEX_VARIANTS[name](latex, rng)) for latex in FORMULAS]
    for latex, other in made:
        if other is not None:
            assert edit_similarity(other, latex) == 1, (latex_tokens(other), latex_tokens(latex))


@pytest.mark.parametrize("name", [name for name in LATEX_ERRORS if name not in ("broken LaTeX", "brace lost")])
def test_a_planted_error_is_seen(name: str) -> None:
    rng = random.Random(7)
    for latex in FORMULAS:
        wrong = LATEX_ERRORS[name](latex, rng)
        if wrong is not None and wrong != latex:
            assert edit_similarity(wrong, latex) < 1, (wrong, latex)


@pytest.mark.parametrize(
    ("found", "true", "expected"),
    [
        ("x+y", "x-y", 2 / 3),
        (r"$$\frac12$$", r"\frac{1}{2}", 1),
        (r"x^{a}_{b}", "x_b^a", 1),
        ("x_b^a", "x_{ba}", 1 - 3 / 6),  # x _ { b a } against x _ b ^ a: a brace put in, ^ changed, a brace put in
        (r"\alpha*x", r"\alpha\ast x", 1),
        ("", "x", 0),
        ("", "", 1),
        ("x_{", "x_", 1),  # what is not closed ends at the end
    ],
)
def test_by_hand(found: str, true: str, expected: float) -> None:
    assert edit_similarity(found, true) == pytest.approx(expected)


def test_deep_nesting_is_read() -> None:
    deep = "x^{" * 3000 + "y" + "}" * 3000
    assert edit_similarity(deep, deep) == 1


def bars(*columns: int) -> bytes:
    """A picture of bars, two pixels wide and so high, side by side on one line."""
    image = Image.new("RGB", (4 * len(columns) + 4, 20), "white")
    draw = ImageDraw.Draw(image)
    for i, high in enumerate(columns):
        draw.rectangle((4 * i + 2, 16 - high, 4 * i + 3, 15), fill="black")
    held = io.BytesIO()
    image.save(held, "PNG")
    return held.getvalue()


def test_pictures_by_hand() -> None:
    """Bars of 8 and of 4 pixels: Dice 2 · 4 / 12; columns of white between them do not count."""
    pictures = {"aaa": bars(8, 8, 8), "aba": bars(8, 4, 8), "aa": bars(8, 8), "none": None}
    assert picture_similarity("aaa", "aaa", pictures.__getitem__) == 1
    assert picture_similarity("aba", "aaa", pictures.__getitem__) == pytest.approx(1 - 2 * (1 - 8 / 12) / 6)
    assert picture_similarity("aa", "aaa", pictures.__getitem__) == pytest.approx(4 / 6)
    assert picture_similarity("none", "aaa", pictures.__getitem__) == 0
    assert picture_similarity("aaa", "none", pictures.__getitem__) is None


def test_a_formula_that_is_set_looks_like_itself_and_less_like_another() -> None:
    rng = random.Random(7)
    for latex in FORMULAS[::2]:
        same = LATEX_VARIANTS["blanks"](latex, rng) or latex
        lost = LATEX_ERRORS["symbol lost"](latex, rng)
        alike = picture_similarity(same, latex, formula_png)
        assert alike is not None and alike > 0.75, same
        less = picture_similarity(lost, latex, formula_png) if lost else None
        assert less is None or less < 1, lost
        other = picture_similarity(FORMULAS[(FORMULAS.index(latex) + 1) % len(FORMULAS)], latex, formula_png)
        assert other is not None and other < alike, latex
