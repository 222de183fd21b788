"""The shipped quiz: each item is answerable from its paper, in both languages, and its form gives nothing away."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from eval.questions import Question, read_questions
from rag_app.searchable import query_terms
from tests.test_sample_data import DATA, NAMES, stands_on, truth_json

TOPICS = {
    "what it adds",
    "CLIP",
    "architectures",
    "cross-modal attention",
    "captioning",
    "video",
    "cross-modal retrieval",
}


@pytest.fixture(scope="module")
def quiz() -> tuple[Question, ...]:
    return read_questions(DATA / "questions" / "vlm_quiz.jsonl")


def test_it_is_large_and_covers_every_topic_in_both_languages(quiz: tuple[Question, ...]) -> None:
    for language in ("en", "fa"):
        asked = [question for question in quiz if question.language == language]
        assert len(asked) >= 20
        assert {question.topic for question in asked} == TOPICS
    assert {question.document for question in quiz} == {f"{name}.pdf" for name in NAMES}


def test_both_languages_ask_the_same_of_the_english_paper(quiz: tuple[Question, ...]) -> None:
    by_language = {
        language: {
            question.id.removeprefix(f"quiz-{language}-"): (question.topic, question.pages, question.evidence)
            for question in quiz
            if question.language == language and question.document == "vision_language_models.pdf"
        }
        for language in ("en", "fa")
    }
    assert by_language["en"] == by_language["fa"]


def test_the_evidence_of_every_item_stands_on_its_page(quiz: tuple[Question, ...]) -> None:
    wrong = [
        (question.id, page, text)
        for question in quiz
        for page, text in zip(question.pages, question.evidence, strict=True)
        if not stands_on(Path(question.document or "").stem, page, text)
    ]
    assert wrong == []


def test_the_label_of_an_item_is_on_its_page(quiz: tuple[Question, ...]) -> None:
    pages = {(f"{name}.pdf", table["label"]): table["page"] for name in NAMES for table in truth_json(name)["tables"]}
    labelled = [question for question in quiz if question.label]
    assert labelled and all(
        pages[question.document or "", question.label or ""] in question.pages for question in labelled
    )


def test_texts_are_in_the_language_they_say(quiz: tuple[Question, ...]) -> None:
    """Persian with Persian letters, never Arabic ones, and no blank where a zero-width non-joiner belongs."""
    for question in quiz:
        for text in (question.question, *question.choices):
            arabic = len(re.findall(r"[\u0600-\u06ff]", text))
            if question.language == "en":
                assert not arabic, question.id
                continue
            assert arabic > len(re.findall(r"[A-Za-z]", text)), (question.id, text)
            assert not re.search(r"[كيى٠-٩]", text), (question.id, text)
            assert not re.search(r"\b(می|نمی) |\w (ها|های)\b", text), (question.id, text)


def longest(question: Question) -> str:
    return max(question.choices, key=len)


def shortest(question: Question) -> str:
    return min(question.choices, key=len)


def most_of_its_words(question: Question) -> str:
    asked = set(query_terms(question.question))
    return max(question.choices, key=lambda choice: len(asked & set(query_terms(choice))))


@pytest.mark.parametrize("language", ["en", "fa"])
@pytest.mark.parametrize("guess", [longest, shortest, most_of_its_words])
def test_no_rule_of_thumb_passes(quiz: tuple[Question, ...], guess: Callable[[Question], str], language: str) -> None:
    asked = [question for question in quiz if question.language == language]
    right = sum(guess(question) == question.answers[0] for question in asked)
    assert right / len(asked) <= 0.45, f"{guess.__name__} finds {right} of {len(asked)}"


def test_the_right_choice_has_no_usual_place(quiz: tuple[Question, ...]) -> None:
    places = Counter(question.choices.index(question.answers[0]) for question in quiz)
    assert set(places) == {0, 1, 2, 3} and max(places.values()) <= 0.4 * len(quiz)
