"""Question sets: one JSON object a line, checked when read. docs/question_sets.md describes every field."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval import json_fields as fields
from rag_app.errors import InputError
from rag_app.outside import json_value

KINDS = ("text", "table", "formula", "figure", "cross_page", "unanswerable")
LANGUAGES = ("en", "fa")
REVIEWS = ("pending", "kept", "edited")
IN_FILE = ("verbatim", "by words", "unchecked", "differs")
FEWEST_CHOICES, MOST_CHOICES = 2, 9


@dataclass(frozen=True, slots=True)
class Origin:
    """How a question was made by a model.

    node_id         the passage it was made from; the question's evidence is words of its text
    model           full name of the model; prompt_version of the prompt it was asked with
    found_at        rank, from 1, of the first passage from the gold page when the question was searched for; None
                    where it was not among the first ten
    in_file         one of IN_FILE: how the evidence stands in the PDF's own text; unchecked: a scan; differs: the
                    text layer spells other characters than the page shows, or the parser erred
    review          one of REVIEWS: what a person said of it
    """

    node_id: str
    model: str
    prompt_version: str
    found_at: int | None = None
    in_file: str = "unchecked"
    review: str = "pending"


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
    choices    of a multiple-choice question, in any order; `answers` is then the right one alone
    topic      what it is about, to split results by
    origin     of a question that a model made
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
    choices: tuple[str, ...] = ()
    topic: str | None = None
    origin: Origin | None = None

    @property
    def answerable(self) -> bool:
        return self.kind != "unanswerable"

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        """The line of a question set; choices, topic and origin only where there are any."""
        record = dataclasses.asdict(self)
        return {name: value for name, value in record.items() if value or name not in _OPTIONAL}

    @staticmethod
    def from_dict(raw: object) -> Question:
        """Rebuild what `to_dict` gave, after JSON. ValueError says what is wrong with anything else."""
        if not isinstance(raw, dict):
            raise ValueError("a question is a JSON object")
        fields.only_known(raw, Question)
        return _checked(
            Question(
                id=fields.text(raw, "id"),
                question=fields.text(raw, "question"),
                language=fields.text(raw, "language"),
                kind=fields.text(raw, "kind"),
                document=fields.maybe_text(raw, "document", required=True),
                answers=fields.texts(raw, "answers"),
                pages=fields.pages(fields.there(raw, "pages")),
                evidence=fields.texts(raw, "evidence"),
                label=fields.maybe_text(raw, "label"),
                tolerance=fields.tolerance(raw.get("tolerance")),
                choices=fields.texts(raw, "choices") if "choices" in raw else (),
                topic=fields.maybe_text(raw, "topic"),
                origin=_origin(raw.get("origin")),
            ),
        )


_OPTIONAL = ("choices", "topic", "origin")


def read_questions(paths: Path | Sequence[Path]) -> tuple[Question, ...]:
    """All questions of one or more JSONL files, in order.

    Lines with an `id` are in this project's form (docs/question_sets.md), lines with a `qid` in the form of page-level
    question sets over real papers (see `_from_page_set`).

    Raises InputError with file and line on anything else, on an id used twice, and on an empty file.
    """
    questions: dict[str, Question] = {}
    for path in [paths] if isinstance(paths, Path) else paths:
        try:
            lines = path.read_text(encoding="utf-8-sig").split("\n")  # splitlines() would cut at U+2028 inside a text
        except (OSError, UnicodeDecodeError) as exc:
            raise InputError(f"{path} cannot be read as a question set: {exc}.") from exc
        before = len(questions)
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                question = _read(line)
            except ValueError as exc:
                raise InputError(f"{path}, line {number}: {exc}.") from exc
            if question.id in questions:
                raise InputError(f"{path}, line {number}: the id {question.id!r} is used twice.")
            questions[question.id] = question
        if len(questions) == before:
            raise InputError(f"{path} holds no question.")
    return tuple(questions.values())


def as_lines(questions: Sequence[Question]) -> str:
    """The text of a question set with these questions."""
    return "".join(json.dumps(question.to_dict(), ensure_ascii=False) + "\n" for question in questions)


def _read(line: str) -> Question:
    try:
        record = json_value(line)
    except json.JSONDecodeError as exc:
        raise ValueError(f"it is no JSON: {exc.msg} at character {exc.pos + 1}") from exc
    if isinstance(record, dict) and "qid" in record:
        return _checked(_from_page_set(record))
    question = Question.from_dict(record)
    if question.answerable and not question.pages:
        raise ValueError("an answerable question needs pages")
    if len(question.evidence) != len(question.pages):
        raise ValueError(
            f"evidence and pages differ in length ({len(question.evidence)} and {len(question.pages)}): give a piece "
            "of evidence for each page"
        )
    return question


def _from_page_set(record: fields.Record) -> Question:
    """A record with qid, pdf, question, answers, kind, and page_1based or evidence_pages_1based (pages, one list for
    each piece of evidence, or null where it was not located)."""
    kind = fields.text(record, "kind")
    unanswerable = kind.startswith("unanswerable")
    pages = [record["page_1based"]] if "page_1based" in record else record.get("evidence_pages_1based") or []
    flat = [p for page in pages for p in (page if isinstance(page, list) else [page]) if p is not None]
    question = fields.text(record, "question")
    return Question(
        id=fields.text(record, "qid"),
        question=question,
        language="fa" if any("\u0600" <= c <= "\u06ff" for c in question) else "en",
        kind="unanswerable" if unanswerable else kind if kind in KINDS else "text",
        document=fields.maybe_text(record, "pdf"),
        answers=() if unanswerable else fields.texts(record, "answers"),
        pages=() if unanswerable else fields.pages(list(dict.fromkeys(flat))),
    )


def _checked(question: Question) -> Question:
    """The question, if its fields agree."""
    if not question.id.strip():
        raise ValueError("the id is empty")
    if not question.question.strip():
        raise ValueError("the question is empty")
    fields.one_of("kind", question.kind, KINDS)
    fields.one_of("language", question.language, LANGUAGES)
    if question.answerable and not (question.document and question.answers):
        raise ValueError("an answerable question needs document and answers")
    if not question.answerable and (question.answers or question.pages or question.choices):
        raise ValueError("an unanswerable question has neither answers nor pages nor choices")
    if any(page < 1 for page in question.pages):
        raise ValueError("pages count from 1")
    if question.choices:
        _check_choices(question)
    return question


def _check_choices(question: Question) -> None:
    if not FEWEST_CHOICES <= len(question.choices) <= MOST_CHOICES:
        raise ValueError(f"there are {len(question.choices)} choices, not {FEWEST_CHOICES} to {MOST_CHOICES}")
    if len({" ".join(choice.split()).casefold() for choice in question.choices}) < len(question.choices):
        raise ValueError("two choices are the same")
    if len(question.answers) != 1 or question.answers[0] not in question.choices:
        raise ValueError("answers of a multiple-choice question is one of its choices, word for word")


def _origin(value: object) -> Origin | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ValueError(f"origin is {value!r}, not a JSON object")
    try:
        fields.only_known(value, Origin)
        found_at = value.get("found_at")
        if found_at is not None and not (fields.whole(found_at) and found_at >= 1):
            raise ValueError(f"found_at is {found_at!r}, neither null nor a rank from 1")
        in_file, review = value.get("in_file", "unchecked"), value.get("review", "pending")
        fields.one_of("in_file", in_file, IN_FILE)
        fields.one_of("review", review, REVIEWS)
        return Origin(
            fields.text(value, "node_id"),
            fields.text(value, "model"),
            fields.text(value, "prompt_version"),
            found_at,
            in_file,
            review,
        )
    except ValueError as exc:
        raise ValueError(f"in origin, {exc}") from exc
