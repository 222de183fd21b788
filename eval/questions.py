"""Question sets: one JSON object a line, checked when read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag_app.errors import InputError

KINDS = ("text", "table", "formula", "figure", "cross_page", "unanswerable")
Record = Mapping[str, Any]  # Any: JSON


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its gold answer.

    language   of the question: "en" or "fa"
    kind       see KINDS: what holds the answer
    document   file name of the paper that answers; None for most unanswerable ones
    answers    accepted strings: one of them in the answer makes it right, all of them for cross_page
    pages      pages with the evidence, 1-based; a passage from any of them counts
    evidence   text that stands on the page in the same place of `pages`
    label      the element that answers, "Table 2"; None where text does
    tolerance  a numeric answer may be off by this much
    """

    id: str
    question: str
    language: str
    kind: str
    document: str | None
    answers: tuple[str, ...]
    pages: tuple[int, ...]
    evidence: tuple[str, ...] = ()
    label: str | None = None
    tolerance: float | None = None

    @property
    def answerable(self) -> bool:
        return self.kind != "unanswerable"


def read_questions(paths: Path | Sequence[Path]) -> tuple[Question, ...]:
    """All questions of one or more JSONL files, in order.

    Lines with an `id` are in this project's form (data/README.md), lines with a `qid` in the form of page-level
    question sets over real papers (see `_from_page_set`).

    Raises InputError with file and line on anything else, on an id used twice, and on an empty file.
    """
    questions: dict[str, Question] = {}
    for path in [paths] if isinstance(paths, Path) else paths:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as exc:
            raise InputError(f"{path} cannot be read as a question set: {exc}.") from exc
        before = len(questions)
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                question = _question(json.loads(line))
            except (ValueError, KeyError, TypeError) as exc:
                reason = f"the field {exc} is missing" if isinstance(exc, KeyError) else str(exc)
                raise InputError(f"{path}, line {number}: {reason}.") from exc
            if question.id in questions:
                raise InputError(f"{path}, line {number}: the id {question.id!r} is used twice.")
            questions[question.id] = question
        if len(questions) == before:
            raise InputError(f"{path} holds no question.")
    return tuple(questions.values())


def _question(record: object) -> Question:
    if not isinstance(record, dict):
        raise ValueError("a question is a JSON object")
    read: Callable[[Record], Question] = _from_page_set if "qid" in record else _from_own
    question = read(record)
    if not question.question.strip():
        raise ValueError("the question is empty")
    if question.kind not in KINDS:
        raise ValueError(f"kind is {question.kind!r}, not one of {', '.join(KINDS)}")
    if question.language not in ("en", "fa"):
        raise ValueError(f"language is {question.language!r}, not en or fa")
    if question.answerable and not (question.document and question.answers):
        raise ValueError("an answerable question needs document and answers")
    if not question.answerable and (question.answers or question.pages):
        raise ValueError("an unanswerable question has neither answers nor pages")
    if any(page < 1 for page in question.pages):
        raise ValueError("pages count from 1")
    return question


def _from_own(record: Record) -> Question:
    unknown = set(record) - set(Question.__dataclass_fields__)
    if unknown:
        raise ValueError(f"unknown field {', '.join(sorted(unknown))}")
    question = Question(
        id=_text(record, "id"),
        question=_text(record, "question"),
        language=_text(record, "language"),
        kind=_text(record, "kind"),
        document=record["document"],
        answers=_texts(record, "answers"),
        pages=_pages(record["pages"]),
        evidence=_texts(record, "evidence"),
        label=record.get("label"),
        tolerance=record.get("tolerance"),
    )
    if len(question.evidence) != len(question.pages):
        raise ValueError("evidence and pages differ in length")
    if question.answerable and not question.pages:
        raise ValueError("an answerable question needs pages")
    return question


def _from_page_set(record: Record) -> Question:
    """A record with qid, pdf, question, answers, kind, and page_1based or evidence_pages_1based (pages, one list for
    each piece of evidence, or null where it was not located)."""
    kind = _text(record, "kind")
    unanswerable = kind.startswith("unanswerable")
    pages = [record["page_1based"]] if "page_1based" in record else record.get("evidence_pages_1based") or []
    flat = [p for page in pages for p in (page if isinstance(page, list) else [page]) if p is not None]
    question = _text(record, "question")
    return Question(
        id=_text(record, "qid"),
        question=question,
        language="fa" if any("\u0600" <= c <= "\u06ff" for c in question) else "en",
        kind="unanswerable" if unanswerable else kind if kind in KINDS else "text",
        document=record.get("pdf"),
        answers=() if unanswerable else _texts(record, "answers"),
        pages=() if unanswerable else _pages(list(dict.fromkeys(flat))),
    )


def _text(record: Record, key: str) -> str:
    value = record[key]
    if not isinstance(value, str):
        raise ValueError(f"{key} is {value!r}, not text")
    return value


def _texts(record: Record, key: str) -> tuple[str, ...]:
    value = record[key]
    if not isinstance(value, list) or not all(isinstance(v, str) and v.strip() for v in value):
        raise ValueError(f"{key} is {value!r}, not a list of texts")
    return tuple(value)


def _pages(value: object) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(isinstance(v, int) and not isinstance(v, bool) for v in value):
        raise ValueError(f"pages are {value!r}, not a list of whole numbers")
    return tuple(value)
