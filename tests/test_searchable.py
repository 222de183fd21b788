"""The one normal form of text and questions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_app.searchable import fold, query_terms, searchable, terms


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("كتاب‌هاي بزرگ", "کتاب های بزرگ"),  # Arabic kaf and yeh, ZWNJ or blank
        ("ﻛﺘﺎﺏ", "کتاب"),  # presentation forms
        ("۲۸٫۴ درصد", "28.4 درصد"),
        ("مُدلّ", "مدل"),
        ("نمایهٔ متن", "نمایه متن"),
        ("naïve ﬁnding", "naive finding"),
        ("103,000 examples", "103000 example"),
        ("Encoders", "encoder"),
    ],
)
def test_spellings_of_one_word_are_one(one: str, other: str) -> None:
    assert searchable(one) == searchable(other)


def test_a_hyphenated_word_is_found_by_its_parts_and_as_one() -> None:
    assert {"fine", "tune", "finetun"} <= set(terms("fine-tuning"))


def test_numbers_keep_their_decimals() -> None:
    assert terms("28.4") != terms("284")
    assert terms("0.4 and 04") == ["0d4", "and", "04"]


def test_a_question_loses_its_stop_words_in_both_languages() -> None:
    assert query_terms("What is the learning rate of the paper?") == ["learn", "rate"]
    assert query_terms("در این مقاله نرخ یادگیری چیست؟") == ["نرخ", "یادگیری"]


def test_a_question_of_stop_words_alone_keeps_them() -> None:
    assert query_terms("what is it") == ["what", "is", "it"]


@given(st.text())
def test_terms_are_letters_and_digits_alone_and_come_out_the_same_again(text: str) -> None:
    found = terms(text)
    assert all(term and not any(c.isspace() for c in term) for term in found)
    assert fold(fold(text)) == fold(text)
