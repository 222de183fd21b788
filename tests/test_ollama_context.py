"""How large a context is asked for, and how a cut prompt is noticed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.ollama.context import Size, choose, measure, refuse_cut, refuse_too_long
from rag_app.errors import PromptTooLong


def test_the_estimate_by_hand() -> None:
    assert measure("") == Size(16, 0)
    assert measure("abc def") == Size(16 + 3, 2)  # 7 letters and blanks, three a token
    assert measure("3.14") == Size(16 + 4, 1)  # a token each
    assert measure("مدل زبانی") == Size(16 + 8 + 1, 2)  # 8 letters outside ASCII and a blank


@given(st.text())
def test_the_estimate_has_its_bounds_in_order(text: str) -> None:
    size = measure(text)
    assert 0 <= size.least <= size.most
    assert size.most <= len(text) + 17


def test_the_usual_size_is_kept_where_it_is_enough() -> None:
    for prompt in (0, 100, 6000):
        assert choose(prompt=Size(prompt, 0), reply_tokens=1024, at_least=8192, before=None, model_most=131072) == 8192


def test_a_longer_prompt_gets_the_next_rung() -> None:
    assert choose(prompt=Size(8000, 0), reply_tokens=1024, at_least=8192, before=8192, model_most=131072) == 12288
    assert choose(prompt=Size(12000, 0), reply_tokens=1024, at_least=8192, before=None, model_most=None) == 16384


@given(st.lists(st.integers(0, 300_000), min_size=1, max_size=12), st.one_of(st.none(), st.integers(512, 131_072)))
def test_it_never_shrinks_and_never_passes_the_model(prompts: list[int], most: int | None) -> None:
    before = None
    for prompt in prompts:
        now = choose(prompt=Size(prompt, 0), reply_tokens=512, at_least=8192, before=before, model_most=most)
        assert now >= (before or 0)
        assert most is None or now <= most
        assert now >= min(prompt + 512, most or 1 << 30)
        before = now


def test_a_prompt_that_surely_does_not_fit_is_refused() -> None:
    refuse_too_long("m", Size(9000, 4000), 8192)  # perhaps too long: the server decides
    with pytest.raises(PromptTooLong, match="9,000"):
        refuse_too_long("m", Size(20_000, 9000), 8192)
    refuse_too_long("m", Size(20_000, 9000), None)


@pytest.mark.parametrize(
    ("read", "context", "really", "cut"),
    [
        (259, 8192, 512, True),  # far fewer tokens than words, and the server gave less than it was asked for
        (259, 8192, 8192, False),  # it all fits: the rest stood in the server's cache
        (259, 8192, None, False),  # an old server that does not say; what was asked for is enough
        (259, 1024, None, True),  # and here it is not
        (1200, 8192, None, False),
        (8192, 8192, None, True),  # the context is full to the brim
        (None, 8192, None, False),
        (0, 8192, None, False),
    ],
)
def test_a_cut_prompt_is_noticed(read: int | None, context: int, really: int | None, cut: bool) -> None:
    prompt = measure("word " * 1000)
    if cut:
        with pytest.raises(PromptTooLong, match="thrown away"):
            refuse_cut("m", prompt, read=read, context_tokens=context, really=really)
    else:
        refuse_cut("m", prompt, read=read, context_tokens=context, really=really)


def test_a_short_prompt_is_not_suspected() -> None:
    refuse_cut("m", measure("one two three"), read=1, context_tokens=8192)
