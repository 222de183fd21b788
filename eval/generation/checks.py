"""What a proposed question must pass: words of the paper behind it, and a question that stands alone."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from eval.generation.asking import PROMPT_VERSION, Candidate
from eval.questions import Origin, Question
from rag_app.answering.locating import WAYS, Place, fold_letters, folded
from rag_app.captioning.language import persian_letters
from rag_app.evidence import Passage
from rag_app.retrieval.question import language_of
from rag_app.searchable import STOP_TERMS, fold, query_terms, terms

Reason = Literal[
    "no words of the passage",
    "answer not in the quote",
    "gives its answer away",
    "does not stand alone",
    "wrong language",
    "no question",
    "asked already",
]
ALIKE = 0.8  # Jaccard similarity of telling terms, from which on two questions are one
_MOST_ANSWER_WORDS = 10
_WORDS = range(4, 61)  # of a question
_QUOTE_LETTERS = 8
_NUMBER = re.compile(r"\d+(?:\.\d+)?")

_LEANS = re.compile(
    r"\b(?:this|these|above|following|given|provided) (?:passage|text|paper|article|study|work|document|excerpt|"
    r"section|paragraph|sentence|evidence|table|figure|caption|row|column|author)s?\b"
    r"|\bthe (?:passage|paper|article|study|excerpt|authors?)\b"
    r"|\baccording to the (?:text|table|figure|caption|section)\b"
    r"|\b(?:in|from) the (?:text|table|figure|caption|section|row)(?=\s*[,?.:;])"
    r"|\b(?:mentioned|described|shown|listed) (?:above|below|here)\b"
    r"|(?:این|آن) (?:متن|مقاله|پژوهش|مطالعه|سند|بخش|پاراگراف|جمله|قطعه|جدول|شکل|نمودار|نوشته)"
    r"|(?:متن|جدول|شکل|نمودار|بخش) (?:بالا|زیر|فوق|داده‌شده|مذکور)|نویسندگان|نویسندهٔ? مقاله",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Dropped:
    """A proposed question that is none, and why."""

    question: str
    answer: str
    node_id: str
    reason: Reason


def checked(candidate: Candidate, passage: Passage, language: str, *, model: str) -> Question | Dropped:
    """The candidate as a question whose answer and evidence are the paper's own characters, or why it is none.

    Checked in this order: the quote stands in the passage, in other letter forms or nearly at worst; the answer is a
    few words of the quote; the question is one, in the language asked for; it stands without the passage; it does not
    hold its answer.
    """

    def drop(reason: Reason) -> Dropped:
        return Dropped(candidate.question.strip(), candidate.answer.strip(), passage.node_id, reason)

    place = _place(candidate.quote, passage)
    if place is None:
        return drop("no words of the passage")
    quote = passage.text[place.start : place.end]
    within = folded(candidate.answer, quote)
    if within is None or not _says_something(candidate.answer):
        return drop("answer not in the quote")
    answer = quote[within.start : within.end]
    question = " ".join(candidate.question.split())
    if not question.endswith(("?", "؟")) or len(question.split()) not in _WORDS:
        return drop("no question")
    if language_of(question) != language:
        return drop("wrong language")
    if language == "fa":
        question, _ = persian_letters(question)
    if _LEANS.search(question):
        return drop("does not stand alone")
    if _gives_away(question, answer):
        return drop("gives its answer away")
    by_page = _by_page(passage, place)
    digest = hashlib.sha256(f"{passage.node_id} {question}".encode()).hexdigest()
    return Question(
        id=f"gen-{digest[:12]}",
        question=question,
        language=language,
        kind=passage.kind,
        document=passage.document,
        answers=(answer,),
        pages=tuple(by_page),
        evidence=tuple(by_page.values()),
        label=passage.label,
        origin=Origin(passage.node_id, model, PROMPT_VERSION),
    )


def asked_already(question: Question, earlier: Iterable[Question]) -> bool:
    """Whether one of `earlier` asks the same in the same language: of the same paper in nearly the same words, or for
    the same answer out of the same sentence."""
    words = _telling(question.question)
    for other in earlier:
        if (other.language, other.document) != (question.language, question.document):
            continue
        theirs = _telling(other.question)
        union = words | theirs
        if not union or len(words & theirs) / len(union) >= ALIKE:
            return True
        if (other.answers, other.evidence) == (question.answers, question.evidence):
            return True
    return False


def _place(quote: str, passage: Passage) -> Place | None:
    """Where the quote stands in the passage's text; of a table the whole row."""
    if len(fold_letters(quote).letters) < _QUOTE_LETTERS:
        return None
    for way in WAYS:
        place = way(quote, passage.text)
        if place is not None and (place.how != "near" or _same_numbers(quote, passage.text[place.start : place.end])):
            return _whole_row(passage.text, place) if passage.kind == "table" else place
    return None


def _same_numbers(one: str, other: str) -> bool:
    """Whether both hold the same numbers as often: words nearly like those of the paper may not say another number."""
    return Counter(_NUMBER.findall(fold(one))) == Counter(_NUMBER.findall(fold(other)))


def _whole_row(text: str, place: Place) -> Place:
    end = text.find("\n", place.end)
    return Place(text.rfind("\n", 0, place.start) + 1, len(text) if end < 0 else end, place.how)


def _says_something(answer: str) -> bool:
    """Whether it is short and more than stop words."""
    return len(answer.split()) <= _MOST_ANSWER_WORDS and any(term not in STOP_TERMS for term in terms(answer))


def _gives_away(question: str, answer: str) -> bool:
    """Whether the answer, or each of its telling words, stands in the question."""
    telling = _telling(answer)
    return folded(answer, question) is not None or (bool(telling) and telling <= set(terms(question)))


def _telling(text: str) -> frozenset[str]:
    return frozenset(query_terms(text)) - STOP_TERMS


def _by_page(passage: Passage, place: Place) -> dict[int, str]:
    """The words at `place` by the pages they stand on."""
    parts: dict[int, list[str]] = {}
    for start, end, page, _ in passage.spans:
        words = passage.text[max(start, place.start) : min(end, place.end)].strip()
        if words:
            parts.setdefault(page, []).append(words)
    if not parts:
        return {passage.page: passage.text[place.start : place.end]}
    return {page: " ".join(words) for page, words in parts.items()}
