"""Text for display: ligatures, accents, Arabic letters, direction, language."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.script import language_of, letter_direction, logical_order, mend_brackets, normalise_line
from ingestion.unnamed import learn_letters, name_letters

TEXTS = st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=60)
PERSIAN = st.text(alphabet="ابپتجدرسشکگلمنوهی‌ ﻻﻼﺎلاأإ()«»0123۴۵.،�", max_size=40)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("eﬃcient ﬁgures ﬂow", "efficient figures flow"),
        ("G¨odel and M´ınáˇc", "Gödel and Mínáč"),
        ("soft\u00adware", "software"),
        ("hyphen\u00ad", "hyphen-"),
        ("𝒖 ∈ 𝑬", "u ∈ E"),
        ("ﺟﺪﻭﻝ ۲", "جدول ۲"),
        ("می\u200cشود", "می\u200cشود"),
        ("کاال", "کالا"),
        ("اإلنتاجية", "الإنتاجية"),
        ("نگیرید .", "نگیرید."),
        ("‘‘vogue’’", "“vogue”"),
    ],
)
def test_normalised_line(raw: str, shown: str) -> None:
    assert normalise_line(raw) == shown


@given(st.one_of(TEXTS, PERSIAN))
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalise_line(text)
    assert normalise_line(once) == once


@given(st.lists(st.text(min_size=1, max_size=2), max_size=30), st.booleans())
def test_order_keeps_every_character(chars: list[str], rtl: bool) -> None:
    assert sorted("".join(logical_order(chars, rtl=rtl)).translate(_TURNED)) == sorted(
        "".join(chars).translate(_TURNED)
    )


_TURNED = str.maketrans(")]}»>›", "([{«<‹")


@pytest.mark.parametrize(
    ("seen", "read"),
    [  # seen: as drawn, from left to right
        ("ملس", "سلم"),
        ("CLIP لدم", "مدل CLIP"),
        ("دراد 95.25% تقد", "دقت 95.25% دارد"),
        ("۱۴۰۴ ید", "دی ۱۴۰۴"),
        ("Python و R تغل", "لغت R و Python"),
    ],
)
def test_right_to_left_lines_are_read_from_the_right(seen: str, read: str) -> None:
    assert logical_order(list(reversed(seen)), rtl=True) == read


def test_a_word_of_persian_in_an_english_line() -> None:
    assert logical_order(list(reversed("the word باتک means")), rtl=False) == "the word کتاب means"


def test_brackets_kept_as_drawn_are_turned() -> None:
    assert mend_brackets(")آ( مورد ۱") == "(آ) مورد ۱"
    assert mend_brackets("(آ) مورد ۱") == "(آ) مورد ۱"


def test_a_citation_after_a_latin_word_stays_with_it() -> None:
    assert logical_order(list("مدل ]۱[ PILC"), rtl=True) == "مدل CLIP [۱]"
    assert logical_order(list("مدل [۱] خوب"), rtl=True) == "مدل [۱] خوب"


def test_direction() -> None:
    assert letter_direction("مدل CLIP") < 0
    assert letter_direction("see شکل here") > 0
    assert letter_direction("12 + 3") == 0


def test_language() -> None:
    assert language_of("The quick brown fox jumps over the lazy dog again and again.") == "en"
    assert language_of("این نوشته درباره‌ی چگونگی جست‌وجوی تصویر به زبان فارسی است و کاربرد آن.") == "fa"
    assert language_of("تعتبر البرمجة من الأدوات القوية التي يمكن أن تعزز الإنتاجية في العمل") == "ar"
    assert language_of("12.5") == "und"


def test_unnamed_letters_are_learnt_from_frequent_words() -> None:
    kaf, gaf, ye = "\U000f037a", "\U000f037d", "\U000f036c"
    texts = [f"ی{kaf} دانشکده", f"ش{kaf}ل و مش{kaf}ل", f"دانش{gaf}اه", f"م{ye}\u200cشود نم{ye}"]
    letters = learn_letters(texts)
    assert letters == {kaf: "ک", gaf: "گ", ye: "ی"}
    assert name_letters(f"ی{kaf} دانش{gaf}اه", letters) == "یک دانشگاه"


@pytest.mark.parametrize("text", ["", "�", "\U000f037a"])
def test_nothing_to_learn(text: str) -> None:
    assert set(learn_letters([text])) <= {"\U000f037a"}
