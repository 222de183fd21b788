"""What captions tell, by hand: things, attributes, numbers, purity of language, variety; in English and Persian."""

from __future__ import annotations

import pytest

from eval.captions.words import Told, purity, told, variety
from rag_app.captioning.language import Language
from tests import caption_replies as replies


def says(things: str, attributes: str = "", numbers: str = "") -> Told:
    return Told(frozenset(things.split()), frozenset(attributes.split()), frozenset(numbers.split()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A brown dog sits on the green grass.", says("dog grass", "brown green")),
        ("Two dogs and a dog; 3.5 metres of red, red ribbon", says("dog metre ribbon", "red", "two 3.5")),
        ("The women are standing near old buildings, smiling happily.", says("woman building", "old")),
        ("Figure 3 shows a double-decker bus.", says("figure bus", "double-decker", "3")),
        ("It is what it is.", says("")),
    ],
)
def test_english(text: str, expected: Told) -> None:
    assert told(text, "en") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("سگ قهوه‌ای روی چمن سبز نشسته است.", says("سگ چمن", "قهوه‌ای سبز")),
        ("دو مرد کنار میزها ایستاده‌اند و ۳ کتاب دارند.", says("مرد میز کتاب", "", "دو 3")),
        ("زن به کودک نگاه می‌کند.", says("زن کودک")),  # «نگاه می‌کند» is one verb
        ("مردی با کلاه قرمزتری می‌رود.", says("مرد کلاه", "قرمزتری")),
        ("كتاب‌هاي آبي", says("کتاب", "آبی")),  # typed with Arabic letters
    ],
)
def test_persian(text: str, expected: Told) -> None:
    assert told(text, "fa") == expected


def test_singular_plural_and_article_are_one_thing() -> None:
    assert told("مرد و مردی و مردان", "fa").things == {"مرد"}
    assert told("box boxes, city cities, people person, skis ski", "en").things == {"box", "city", "person", "ski"}


@pytest.mark.parametrize(
    ("text", "language", "share"),
    [
        (replies.ENGLISH[1], "en", 1.0),
        (replies.PERSIAN[1], "fa", 1.0),  # quoted English may stay
        (replies.ARABIC[1], "fa", 0.0),
        (replies.PERSIAN[0], "en", 0.0),
        ("A dog sits on the grass. سگ روی چمن نشسته است.", "en", 6 / 11),
        (replies.LEFTOVERS[0], "fa", 8 / 10),
    ],
)
def test_purity(text: str, language: Language, share: float) -> None:
    assert purity(text, language) == pytest.approx(share)


def test_no_words_have_no_purity() -> None:
    assert purity("...", "en") is None


def test_variety() -> None:
    assert variety("a b c a b c a b") == pytest.approx(3 / 6)  # abc bca cab abc bca cab
    assert variety("one two three four") == 1
    assert variety("one two three") is None
    looped, told_once = variety(replies.LOOP[1]), variety(replies.ENGLISH[1])
    assert looped is not None and looped < 0.1 and told_once is not None and told_once > 0.9
