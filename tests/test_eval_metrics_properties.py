"""What holds for any text: values lie between 0 and 1, a text is most like itself, and nothing raises."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.metrics import formulas, texts
from eval.metrics.evidence import unsupported_number_rate
from eval.metrics.numbers import is_quantity, numeric_match, quantities
from eval.metrics.ranking import hit_at, ndcg_at, precision_at, recall_at, reciprocal_rank
from eval.metrics.tables import teds

SCRIPTS = st.text(
    st.sampled_from("abc xyz 0123456789.,-−–e^%×·⁰¹²⁻كکييۀة‌َُ۰۱۲۳٫٬،؟ میلیون درصد ms kM[]{}()\\n"), max_size=60
)
ANY_TEXT = st.one_of(st.text(max_size=60), SCRIPTS)
LATEX = st.one_of(
    st.text(st.sampled_from(r"\{}_^'&$ abxy12+-=()[]|.,"), max_size=60),
    st.lists(st.sampled_from([r"\frac", "{", "}", "_", "^", "'", r"\left", "(", r"\begin{aligned}", "x", "&", "\\\\"]))
    .map("".join),
)  # fmt: skip
GRID = st.lists(st.lists(st.text("ab1 ", max_size=3), min_size=1, max_size=3), max_size=3)


@given(ANY_TEXT, st.lists(ANY_TEXT, min_size=1, max_size=3))
def test_texts(found: str, golds: list[str]) -> None:
    values = [texts.exact_match(found, golds), texts.token_f1(found, golds), texts.token_recall(found, golds)]
    values += [texts.bleu(found, golds), texts.chrf(found, golds), *texts.rouge(found, golds).values()]
    assert all(value is None or 0 <= value <= 1 + 1e-9 for value in values)


@given(ANY_TEXT, st.lists(ANY_TEXT, max_size=3))
def test_a_text_is_most_like_itself(text: str, others: list[str]) -> None:
    golds = [*others, text]
    assert texts.exact_match(text, golds) == 1 and texts.token_f1(text, golds) == 1
    if texts.tokens(text):
        assert texts.rouge(text, golds)["rouge1"] == pytest.approx(1)


@given(ANY_TEXT, ANY_TEXT)
def test_numbers(found: str, gold: str) -> None:
    assert numeric_match(found, [gold]) in (None, 0.0, 1.0)
    held = list(quantities(gold))
    if held:
        assert numeric_match(gold, [gold]) == 1
    if is_quantity(gold):
        assert len(held) == 1
    rate = unsupported_number_rate(found, [gold])
    assert rate is None or 0 <= rate <= 1
    assert unsupported_number_rate(found, [found]) in (None, 0)


@given(LATEX, LATEX)
def test_formulas(found: str, true: str) -> None:
    value = formulas.edit_similarity(found, true)
    assert 0 <= value <= 1 and value == formulas.edit_similarity(true, found)
    assert formulas.edit_similarity(true, true) == 1


@given(GRID, GRID, st.booleans())
def test_tables(found: list[list[str]], true: list[list[str]], structure_only: bool) -> None:
    value = teds(found, true, structure_only=structure_only)
    assert 0 <= value <= 1 and value == pytest.approx(teds(true, found, structure_only=structure_only))
    assert teds(true, true) == 1


@given(st.lists(st.frozensets(st.integers(0, 3), max_size=3), max_size=8), st.integers(1, 10))
def test_ranked_lists(shown: list[frozenset[int]], k: int) -> None:
    values = [hit_at(shown, k), recall_at(shown, 4, k), precision_at(shown, k), reciprocal_rank(shown, k)]
    values += [ndcg_at(shown, 4, k)]
    assert all(value is not None and 0 <= value <= 1 for value in values)
    assert (hit_at(shown, k) == 0) == (reciprocal_rank(shown, k) == 0) == (ndcg_at(shown, 4, k) == 0)
