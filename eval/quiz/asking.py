"""The quiz: multiple-choice questions, asked closed book and with what the library holds, so that the value of
retrieval is a number."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from eval.questions import Question
from eval.quiz.examinees import Examinee, Sheet
from eval.runs.rows import Row
from rag_app.errors import IncompleteReply, InputError, RagAppError, UnusableReply
from rag_app.evidence import Passage
from rag_app.retrieval.retriever import HybridRetriever

CLOSED_BOOK, WITH_LIBRARY = "closed_book", "with_library"
SITTINGS = (CLOSED_BOOK, WITH_LIBRARY)
PAGE_FOUND = "page_found"
SEED = 20260115


def quiz_questions(questions: Sequence[Question]) -> tuple[Question, ...]:
    """Those with choices. Raises InputError when there are none."""
    found = tuple(question for question in questions if question.choices)
    if not found:
        raise InputError(
            "No question has choices, so there is no quiz: give multiple-choice questions, as in "
            "data/questions/vlm_quiz.jsonl."
        )
    return found


def sheet(question: Question, *, seed: int = SEED) -> Sheet:
    """The question with its choices in the order of both sittings, which hangs on seed and id, not on the file."""
    order = sorted(question.choices)
    random.Random(f"{seed}:{question.id}").shuffle(order)
    return Sheet(question, tuple(order))


@dataclass(frozen=True, slots=True)
class Given:
    """What one sitting gave. choice: its text, None when refused or unparsable; problem: why it was unparsable."""

    choice: str | None
    seconds: float
    problem: str | None = None

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return {"choice": self.choice, "refused": self.choice is None and self.problem is None, "problem": self.problem}


def rows(
    examinee: Examinee, retriever: HybridRetriever, questions: Sequence[Question], *, seed: int = SEED
) -> Iterator[Row]:
    """The row of each question, one after another; see `quiz_row`."""
    for question in questions:
        yield quiz_row(examinee, retriever, question, seed=seed)


def quiz_row(examinee: Examinee, retriever: HybridRetriever, question: Question, *, seed: int = SEED) -> Row:
    """One question, asked closed book and then with the passages that are found for it without its choices.

    Scores, 0 or 1; those of closed book only of an examinee that can be asked so:

    closed_book, with_library                    the right choice was taken; a refusal is not right
    closed_book_answered, with_library_answered  a choice was taken, none refused
    page_found                                   a gold page is among the passages

    A reply that is no choice leaves its sitting unscored, with the reason; any other failure fails the question.
    """
    put = sheet(question, seed=seed)
    groups = {"language": question.language, "kind": question.kind}
    if question.topic:
        groups["topic"] = question.topic
    record: dict[str, Any] = {"question": question.to_dict(), "choices": list(put.choices)}  # Any: JSON
    try:
        closed = _sit(examinee, put, None) if examinee.knows else None
        started = time.perf_counter()
        passages = retriever.with_neighbours(retriever.find(question.question))
        retrieved = time.perf_counter() - started
        opened = _sit(examinee, put, passages)
    except RagAppError as exc:
        return Row(question.id, groups, error=str(exc), record=record)
    scores: dict[str, float] = {}
    unscored: dict[str, str] = {}
    for sitting, given in zip(SITTINGS, (closed, opened), strict=True):
        if given is None:
            continue
        record[sitting] = given.to_dict()
        if given.problem is not None:
            unscored[sitting] = unscored[f"{sitting}_answered"] = given.problem
        else:
            scores[sitting] = float(given.choice == question.answers[0])
            scores[f"{sitting}_answered"] = float(given.choice is not None)
    scores[PAGE_FOUND] = float(_shows_gold(passages, question))
    record["passages"] = [
        {"node_id": p.node_id, "document": p.document, "pages": _pages(p), "score": round(p.score, 6)} for p in passages
    ]
    seconds = {"retrieve": retrieved, WITH_LIBRARY: opened.seconds}
    if closed is not None:
        seconds = {CLOSED_BOOK: closed.seconds, **seconds}
    return Row(question.id, groups, scores, unscored, seconds=seconds, record=record)


def _sit(examinee: Examinee, put: Sheet, passages: Sequence[Passage] | None) -> Given:
    started = time.perf_counter()
    try:
        taken = examinee.choose(put, passages)
    except (UnusableReply, IncompleteReply) as exc:
        return Given(None, time.perf_counter() - started, str(exc))
    return Given(None if taken is None else put.choices[taken], time.perf_counter() - started)


def _pages(passage: Passage) -> list[int]:
    return sorted({page for page, _ in passage.places})


def _shows_gold(passages: Sequence[Passage], question: Question) -> bool:
    gold = set(question.pages)
    return any(passage.document == question.document and gold & set(_pages(passage)) for passage in passages)
