"""Whether Persian is Persian and English is English, over a table of captions as models give them."""

from __future__ import annotations

import pytest

from rag_app.captioning.language import english_leftovers, language_problem, persian_letters
from tests.caption_replies import ARABIC, ENGLISH, LEFTOVERS, OLD_LETTERS, PERSIAN
from tests.caption_texts import TEXTS


@pytest.mark.parametrize("language", ["fa", "en"])
def test_table_of_captions(language: str) -> None:
    """Counted, so that the numbers stand here: how many there are, kept in error, refused in error."""
    asked = [text for text in TEXTS if text.language == language]
    refused = [text.text for text in asked if text.good and language_problem(text.text, text.language)]
    kept = [text.text for text in asked if not text.good and not language_problem(text.text, text.language)]
    assert (len(asked), refused, kept) == ({"fa": 72, "en": 32}[language], [], [])


def test_the_table_is_large_enough() -> None:
    assert len({(text.language, text.text) for text in TEXTS}) == len(TEXTS) >= 40
    assert {(text.language, text.good) for text in TEXTS} == {("fa", True), ("fa", False), ("en", True), ("en", False)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("رجل يركب دراجة في الشارع", "Arabic, not Persian"),
        ("رجل یرکب دراجة فی الشارع", "Arabic, not Persian"),
        ("مردي در خيابان است.", "Arabic letters where Persian has its own: ي"),
        ("زنی کنار window ایستاده است.", "English was left in it: window"),
        ("سگی 草地 در باغ می‌دود.", "another script: 草地"),
        ("ایک آدمی سڑک پر ہے۔", "Urdu"),
        ("پیاوێک لە شەقامەکەدا", "Kurdish"),
        ("A dog.", "no Persian"),
    ],
)
def test_the_reason_says_what_is_wrong(text: str, said: str) -> None:
    assert said in language_problem(text, "fa")


def test_one_foreign_sentence_among_many_is_found() -> None:
    sentences = PERSIAN[1].split(". ")
    for place in range(len(sentences)):
        arabic = [*sentences[:place], "تقف امرأة ترتدي معطفا أحمر أمام المبنى", *sentences[place:]]
        assert "Arabic" in language_problem(". ".join(arabic), "fa"), place
        english = [*sentences[:place], "The dog looks at the camera", *sentences[place:]]
        assert "English" in language_problem(". ".join(english), "fa"), place
    parts = ENGLISH[1].split(". ")
    for place in range(1, len(parts)):
        french = [*parts[:place], "Un homme avec un chapeau est assis dans le jardin", *parts[place:]]
        assert "French" in language_problem(". ".join(french), "en"), place


def test_whole_captions() -> None:
    for good in PERSIAN:
        assert language_problem(good, "fa") == ""
        assert language_problem(good, "en")
    for good in ENGLISH:
        assert language_problem(good, "en") == ""
        assert language_problem(good, "fa")
    for bad in (*ARABIC, *LEFTOVERS):
        assert language_problem(bad, "fa")


def test_arabic_letters_are_put_right_and_counted() -> None:
    fixed, changed = persian_letters("كتابي ٣ ﻛﺘﺎﺏ")
    assert fixed == "کتابی ۳ کتاب"
    assert changed >= 4
    assert persian_letters(PERSIAN[1]) == (PERSIAN[1], 0)
    old = persian_letters(OLD_LETTERS[1])
    assert old[0] == PERSIAN[1] and old[1] == PERSIAN[1].count("ی") + PERSIAN[1].count("ک")


def test_putting_letters_right_does_not_make_arabic_persian() -> None:
    for text in ARABIC:
        assert "Arabic" in language_problem(persian_letters(text)[0], "fa")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("کفش Nike و دوربین Canon EOS 5D", []),
        ("ارتفاع 3 m و وزن 20 kg", []),
        ("نوشتهٔ open روی در", []),
        ("تابلوی Museum of Modern Art", []),
        ("نشانی info@example.com و www.example.org", []),
        ("برند adidas روی لباس", []),
        ("یک dog سیاه", ["dog"]),
        ("تابلوی The Museum و یک cat", ["cat"]),
        ("This مرد است", ["This"]),
        ("ساعت 10 AM است", []),
    ],
)
def test_latin_words_that_may_stay(text: str, left: list[str]) -> None:
    assert english_leftovers(text) == left
