"""Reading question sets: the two forms, and errors that name file and line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from eval.questions import Origin, Question, as_lines, read_questions
from rag_app.errors import InputError

GOOD: dict[str, Any] = {  # Any: JSON
    "id": "q1",
    "question": "How many?",
    "language": "en",
    "kind": "table",
    "document": "a.pdf",
    "answers": ["3"],
    "pages": [2],
    "evidence": ["three"],
    "label": "Table 1",
    "tolerance": 0,
}
ORIGIN = {"node_id": "ab-text-00003", "model": "ollama:tiny", "prompt_version": "questions-1", "found_at": 2}
NONE = {**GOOD, "id": "q2", "kind": "unanswerable", "document": None, "answers": [], "pages": [], "evidence": []}


def write(folder: Path, *records: object) -> Path:
    path = folder / "set.jsonl"
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in records), encoding="utf-8")
    return path


def test_own_form(tmp_path: Path) -> None:
    first, second = read_questions(write(tmp_path, GOOD, "", NONE))
    assert (first.pages, first.label, first.answerable) == ((2,), "Table 1", True)
    assert not second.answerable


def test_page_level_form(tmp_path: Path) -> None:
    asked = read_questions(
        write(
            tmp_path,
            {"qid": "a", "pdf": "x.pdf", "question": "Why?", "answers": ["so"], "kind": "text", "page_1based": 4},
            {"qid": "b", "pdf": "x.pdf", "question": "چرا؟", "answers": ["چون"], "kind": "table",
             "evidence_pages_1based": [[6], [6, 7], None]},
            {"qid": "c", "pdf": "x.pdf", "question": "Who?", "answers": ["not stated"], "kind": "unanswerable",
             "page_1based": None},
            {"qid": "d", "pdf": "x.pdf", "question": "Where?", "answers": ["here"], "kind": "text",
             "evidence_pages_1based": None},
        )
    )  # fmt: skip
    assert [q.pages for q in asked] == [(4,), (6, 7), (), ()]
    assert [q.language for q in asked] == ["en", "fa", "en", "en"]
    assert [q.answerable for q in asked] == [True, True, False, True]


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ("{not json", "Expecting property name"),
        ("[1]", "JSON object"),
        ({k: v for k, v in GOOD.items() if k != "pages"}, "field pages is missing"),
        ({**GOOD, "kind": "picture"}, "'picture', not text, table"),
        ({**GOOD, "language": "de"}, "'de', not en or fa"),
        ({**GOOD, "pages": [0]}, "from 1"),
        ({**GOOD, "pages": ["2"]}, "whole numbers"),
        ({**GOOD, "pages": [True]}, "whole numbers"),
        ({**GOOD, "evidence": []}, "differ in length"),
        ({**GOOD, "answers": "3"}, "not a list of texts"),
        ({**GOOD, "answers": []}, "needs document and answers"),
        ({**GOOD, "pages": [], "evidence": []}, "needs pages"),
        ({**NONE, "answers": ["yes"]}, "neither answers nor pages"),
        ({**GOOD, "question": " "}, "question is empty"),
        ({**GOOD, "lable": "Table 1"}, "unknown field lable"),
        ({**GOOD, "lable": "Table 1"}, "did you mean label"),
        ({**GOOD, "id": "first"}, "used twice"),
        ({**GOOD, "id": " "}, "id is empty"),
        ({**GOOD, "document": 3}, "document is 3"),
        ({**GOOD, "label": ["Table 1"]}, "neither text nor null"),
        ({**GOOD, "tolerance": "5 %"}, "tolerance is '5 %'"),
        ({**GOOD, "tolerance": -1}, "tolerance is -1"),
        ({**GOOD, "choices": ["3"]}, "there are 1 choices"),
        ({**GOOD, "choices": ["3", "4", " 4"]}, "two choices are the same"),
        ({**GOOD, "choices": ["4", "5"]}, "one of its choices"),
        ({**GOOD, "choices": ["3", "4"], "answers": ["3", "4"]}, "one of its choices"),
        ({**NONE, "choices": ["3", "4"]}, "nor choices"),
        ({**GOOD, "origin": "by hand"}, "origin is 'by hand'"),
        ({**GOOD, "origin": {**ORIGIN, "review": "fine"}}, "in origin, review is 'fine', not pending, kept or edited"),
        ({**GOOD, "origin": {**ORIGIN, "in_file": "yes"}}, "in origin, in_file is 'yes'"),
        ({**GOOD, "origin": {**ORIGIN, "found_at": 0}}, "in origin, found_at is 0"),
        ({**GOOD, "origin": {"node_id": "n"}}, "in origin, the field model is missing"),
    ],
)
def test_errors_name_file_and_line(tmp_path: Path, record: object, said: str) -> None:
    path = write(tmp_path, {**GOOD, "id": "first"}, record)
    with pytest.raises(InputError, match=said) as caught:
        read_questions(path)
    assert f"{path}, line 2" in str(caught.value)


def test_missing_and_empty_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read as a question set"):
        read_questions(tmp_path / "none.jsonl")
    with pytest.raises(InputError, match="holds no question"):
        read_questions(write(tmp_path, ""))


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    """Every field, in lines that hold a line separator of Unicode inside a text."""
    record = {**GOOD, "question": "How\u2028many\x85?", "choices": ["2", "3"], "topic": "sums", "origin": ORIGIN}
    (read,) = read_questions(write(tmp_path, json.dumps(record, ensure_ascii=False)))
    assert read.origin == Origin("ab-text-00003", "ollama:tiny", "questions-1", 2, "unchecked", "pending")
    path = tmp_path / "again.jsonl"
    path.write_text(as_lines([read, Question.from_dict(NONE)]), encoding="utf-8")
    assert read_questions(path) == (read, Question.from_dict(NONE))
    assert Question.from_dict(json.loads(json.dumps(read.to_dict()))) == read
    assert set(Question.from_dict(GOOD).to_dict()) == set(GOOD)


def test_a_question_of_a_page_set_can_be_kept_and_rebuilt(tmp_path: Path) -> None:
    """Its pages come without evidence, which only a question set of our own must have."""
    record = {"qid": "a", "pdf": "x.pdf", "question": "Why?", "answers": ["so"], "kind": "text", "page_1based": 4}
    (question,) = read_questions(write(tmp_path, record))
    assert Question.from_dict(question.to_dict()) == question
