"""Numbers of an answer that no evidence holds are found, in any script, and no others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_app.answering.numbers import claimed, unsupported


@pytest.mark.parametrize(
    ("said", "held", "flagged"),
    [
        ("It reaches 28.4 BLEU.", "BLEU of 28.4", ()),
        ("It reaches 28.9 BLEU.", "BLEU of 28.4", ("28.9",)),
        ("دقت ۲۸٫۴ است.", "BLEU of 28.4", ()),
        ("دقت ۲۸/۴ است.", "BLEU of 28.4", ()),
        ("دقت ۲۸٫۹ است.", "BLEU of 28.4", ("۲۸٫۹",)),
        ("It starts at 0.07.", "دمای آغازین ۰٫۰۷ است", ()),
        # thousands, scales
        ("400 million pairs", "on 400,000,000 pairs", ()),
        ("400 million pairs", "on 400M pairs", ()),
        ("۴۰۰ میلیون زوج", "400 million pairs", ()),
        ("0.4 billion pairs", "400 million pairs", ()),
        ("400 million pairs", "400 billion pairs", ("400 million",)),
        ("400 million pairs", "| pairs (millions) | 400 |", ()),
        ("۱٬۲۸۱٬۱۶۷ تصویر", "1281167 images", ()),
        ("12,800 images", "12.8 GB", ("12,800",)),
        # percent
        ("76.2 % of them", "an accuracy of 0.762", ()),
        ("an accuracy of 0.762", "76.2% of them", ()),
        ("۷۶٫۲ درصد", "76.2%", ()),
        ("76.2 % of them", "0.672", ("76.2 %",)),
        # rounding: rightly, to two digits or more, is let pass; anything else is not
        ("about 28 BLEU", "28.4", ()),
        ("about 29 BLEU", "28.4", ("29",)),
        ("about 30 BLEU", "28.4", ("30",)),
        ("about 0.71", "0.7063", ()),
        ("about 0.7", "0.7063", ("0.7",)),
        ("exactly 28.40", "28.4", ()),
        ("28.41", "28.4", ("28.41",)),
        # small numbers in words, names, places
        ("It has 2 towers and two more.", "two towers", ()),
        ("دو برج", "", ()),
        ("It has 3 towers.", "two towers", ("3",)),
        ("GPT-4, ResNet50, ViT-B/32 and BLIP-2 were used.", "", ()),
        ("on page 7, صفحهٔ ۷", "", ()),
        ("1. First\n2. Second", "", ()),
        ("32 query vectors, 32 of them", "none", ("32",)),
        (".07", "0.07", ()),
    ],
)
def test_numbers_in_no_evidence(said: str, held: str, flagged: tuple[str, ...]) -> None:
    assert unsupported(said, [held]) == flagged


def test_a_number_may_stand_in_any_of_the_evidence() -> None:
    assert unsupported("from 1 to 2.5", ["one", "2.5 points"]) == ()


@given(st.integers(0, 10**9), st.integers(0, 3))
def test_a_number_is_in_itself_in_either_script(value: int, places: int) -> None:
    text = f"{value / 10**places:.{places}f}"
    persian = text.translate(str.maketrans("0123456789.", "۰۱۲۳۴۵۶۷۸۹٫"))
    assert unsupported(f"is {text} here", [f"«{persian}»"]) == ()
    assert unsupported(f"برابر {persian} است", [text]) == ()
    assert [number.value for number in claimed(f"{value:,}")] == [value]


@given(st.text(max_size=60))
def test_any_text_holds_its_own_numbers(text: str) -> None:
    assert unsupported(text, [text]) == ()
