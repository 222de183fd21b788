"""LaTeX against a text layer: cleaned, parsed, compared sign by sign; nothing that a model writes breaks it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.describe.findings import BAR, Checks
from ingestion.describe.latex import clean_latex, latex_problems, mathml
from ingestion.describe.schemas import FormulaReading, SymbolMeaning
from ingestion.describe.signs import of_mathml, of_text
from ingestion.describe.verification import verify
from ingestion.elements import Element, Place

LOSS = "ℒ = −1/(2N) ∑_{i=1}^{N}(logp_{i→i} + logq_{i→i})"
LATEX = r"\mathcal{L} = -\frac{1}{2N}\sum_{i=1}^{N}\bigl(\log p_{i\to i} + \log q_{i\to i}\bigr)"


def check(latex: str, text: str, *, symbols: tuple[tuple[str, str], ...] = (), context: str = "") -> Checks:
    element = Element(id="e1", order=1, kind="formula", places=(Place(1, (0, 0, 9, 9)),), text=text)
    meanings = [SymbolMeaning(symbol=s, meaning=m) for s, m in symbols]
    return verify("formula", FormulaReading(latex=latex, symbols=meanings, summary=""), element, context=context)


@pytest.mark.parametrize(
    "written",
    [
        "$$a = b$$", "$a = b$", r"\[ a = b \]", r"\( a = b \)", "```latex\na = b\n```", "```\n$$a = b$$\n```",
        r"\begin{equation}\label{eq:1} a = b \end{equation}", r"\begin{equation*}a = b\end{equation*}",
        r"a = b \tag{5}", r"a = b \qquad (5)", r"a = b \quad \quad (۵)", r"  a = b \nonumber ", r"$$a = b \tag*{(5)}$$",
    ],
)  # fmt: skip
def test_clean_up(written: str) -> None:
    assert clean_latex(written) == "a = b"


@pytest.mark.parametrize("kept", ["$a$ and $b$", r"f(x) \quad (x)", r"\begin{aligned}a\end{aligned}", "", r"\$5"])
def test_what_clean_up_leaves(kept: str) -> None:
    assert clean_latex(kept) == kept


@pytest.mark.parametrize(
    "broken",
    [
        "", "  ", r"\frac{a}{b", r"\frac{a}", "a}", r"\left( a", r"a \right)", "a_b_c", "a^b^c", "a^", r"\sqrt{",
        r"\begin{aligned} a", r"\begin{aligned} a \end{matrix}", r"\farc{a}{b}", r"\def\a{\a}\a",
        r"\input{/etc/passwd}",
    ],
)  # fmt: skip
def test_broken_latex_is_told(broken: str) -> None:
    assert latex_problems(broken)
    assert not check(broken, LOSS).verified


@pytest.mark.parametrize(
    "good",
    [
        LATEX, r"\dfrac12", r"\operatorname*{arg\,max}_{c} x", r"\lVert u \rVert", r"\mathbb{1}[x \leqslant 1]",
        r"\begin{cases} 1 & x > 0 \\ 0 & \text{otherwise} \end{cases}", r"\boldsymbol{\theta} \coloneqq \bm{x}",
    ],
)  # fmt: skip
def test_good_latex_has_no_problem(good: str) -> None:
    assert latex_problems(good) == []


def test_agreement_is_told_with_its_reasons() -> None:
    found = check(LATEX, LOSS)
    assert (found.score, found.verified) == (1.0, True)
    assert found.reasons == ("All 26 signs agree with the text layer.", "They stand in the same order.")


@pytest.mark.parametrize(
    ("latex", "reason"),
    [
        (LATEX.replace("2N", "3N"), "lacks '2'"),
        (LATEX.replace("+", "-"), "lacks '+'"),
        (LATEX.replace("-\\frac", "\\frac"), "lacks '-'"),
        (LATEX.replace("\\sum", "\\prod"), "'Π'"),
        (LATEX.replace("_{i=1}", "_{i}=1"), "Indices differ"),
        (LATEX.replace("q_{i\\to i}", "q_i"), "lacks"),
        (LATEX.replace("log p", "log q").replace("+ \\log q", "+ \\log p"), "changed places"),
        (LATEX.replace("\\bigr)", "\\bigr) + \\lambda"), "text layer has not"),
        ("x = y", "shares"),
    ],
)
def test_each_error_is_named(latex: str, reason: str) -> None:
    found = check(latex, LOSS)
    assert not found.verified
    assert found.score < BAR
    assert any(reason in said for said in found.reasons), found.reasons


def test_fonts_name_signs_oddly() -> None:
    assert check(r"\|u\| \leq \epsilon \cdot \varphi", "‖𝒖‖ ⩽ ϵ·ϕ").verified
    assert check(r"K^\top x \not= y', f \notin G", "K^T x ≠ y′, f ∉ G").verified
    assert check(r"\text{office } \hat{c} = 1", "oﬃce ĉ = 1").verified
    assert not check(r"x \in G + 1", "x ∉ G + 1").verified
    assert not check(r"c + b = 1", "ĉ + b = 1").verified


def test_a_glyph_without_name_may_be_any_sign_but_is_told() -> None:
    found = check("v(t - t_0) = 1", "v(t \ufffd t_0) = 1")
    assert found.verified
    assert any("no name" in reason for reason in found.reasons)
    assert not check("v(t - s_0) = 1", "v(t \ufffd t_0) = 1").verified


def test_a_text_layer_without_indices_says_nothing_of_them() -> None:
    found = check("x_i + y_j = 1", "xi + yj = 1")
    assert found.verified
    assert any("indices were not compared" in reason for reason in found.reasons)


def test_the_number_of_the_equation_is_not_part_of_it() -> None:
    assert check("a + b = c", "a + b = c (12)").verified
    assert check("a + b = c", "a + b = c\n(A.2)").verified


@pytest.mark.parametrize("text", ["", " ", "x", "(3)", "=="])
def test_without_a_text_layer_nothing_is_verified(text: str) -> None:
    found = check("a + b = c", text)
    assert (found.score, found.verified) == (0.0, False)
    assert "no text layer" in found.reasons[0]


def test_meanings_come_from_the_text_and_symbols_from_the_formula() -> None:
    context = "Here tau is the temperature of the softmax."
    given = (("\\tau", "the temperature"),)
    assert check(r"s/\tau + 1", "s/τ + 1", symbols=given, context=context).score == 1.0
    unsaid = check(r"s/\tau + 1", "s/τ + 1", symbols=(("\\tau", "Planck's constant"),), context=context)
    assert 0.9 < unsaid.score < 1.0
    absent = check(r"s/\tau + 1", "s/τ + 1", symbols=(("\\alpha", "the temperature"),), context=context)
    assert not absent.verified


LETTERS = "abxyzN αβ\\{}_^&$%()[]+-=/,.123\n"
MACROS = ("\\frac", "\\left(", "\\right)", "\\sum", "\\sqrt", "\\begin{aligned}", "\\end{aligned}", "\\hat", "\\text")


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.one_of(st.sampled_from(MACROS), st.text(alphabet=LETTERS, max_size=5)), max_size=12).map("".join),
    st.text(alphabet=LETTERS + "∑ℒ𝐱\ufffd\u0302˜", max_size=40),
)
def test_nothing_breaks_the_checks(latex: str, text: str) -> None:
    cleaned = clean_latex(latex)
    assert clean_latex(cleaned) == cleaned
    found = check(cleaned, text)
    assert 0.0 <= found.score <= 1.0
    assert found.verified == (found.score >= BAR)
    assert found.reasons


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=80))
def test_any_text_has_signs_and_problems(text: str) -> None:
    of_text(text).neighbours()
    latex_problems(text)
    tree = mathml(text)
    assert isinstance(tree, str) or of_mathml(tree).counts() is not None


@settings(max_examples=60)
@given(st.lists(st.sampled_from(["x_{ij}", "\\alpha", "+", "n^2", "\\frac{a}{b}", "-", "c"]), min_size=4, max_size=10))
def test_a_formula_agrees_with_its_own_signs(parts: list[str]) -> None:
    latex = " ".join(parts)
    text = latex.replace("\\alpha", "α").replace("\\frac{a}{b}", "a/b")
    assert check(latex, text).verified


def test_deep_nesting_ends_in_time() -> None:
    began = time.monotonic()
    for latex in ("{" * 600 + "}" * 600, "\\frac{" * 200, "x_{" * 300 + "}" * 300, "\\left(" * 200, "^" * 1500):
        assert not check(latex[:1800], LOSS).verified
    assert time.monotonic() - began < 20
