"""Which replies of a judge count, which are repaired, and which are none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from eval.judging.forms import read_reply, statements_of, tightened


class Verdict(BaseModel):
    statement: str
    reason: str
    verdict: int


class Verdicts(BaseModel):
    statements: list[Verdict]


class Statements(BaseModel):
    statements: list[str]


class Classes(BaseModel):
    TP: list[Verdict]
    FP: list[Verdict]
    FN: list[Verdict]


GOOD: dict[str, Any] = {"statements": [{"statement": "One.", "reason": "it says so", "verdict": 1}]}
TEXT = json.dumps(GOOD)


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        f"```json\n{TEXT}\n```",
        f"Here are my verdicts: {TEXT} I hope this helps.",
        json.dumps(TEXT),  # JSON in a JSON string
        json.dumps(GOOD["statements"]),  # the list without its object
        TEXT.replace("}]}", "},]}"),
        str(GOOD),  # as Python writes it
        TEXT.replace("1}", '"1"}'),
        TEXT.replace("1}", "true}"),
    ],
)
def test_repaired(text: str) -> None:
    record, problem = read_reply(text, Verdicts, verdicts=1)
    assert record is not None and record.model_dump() == GOOD
    assert problem == ""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "it is no JSON"),
        ("I cannot say.", "it is no JSON"),
        (TEXT[:-20], "it is no JSON"),  # a cut reply is never completed: its verdicts are lost
        ("[]", "statements holds nothing"),
        ('{"statements": []}', "statements holds nothing"),
        ('{"verdicts": []}', "statements: Field required"),
        (TEXT.replace("1}", "2}"), "verdict is 2, neither 0 nor 1"),
        (TEXT.replace("1}", '"yes"}'), "statements.0.verdict: Input should be a valid integer"),
        (TEXT.replace("One.", " "), "statement is empty"),
        (TEXT.replace("One.", r"\ud800"), "statement holds half a character"),
    ],
)
def test_none(text: str, problem: str) -> None:
    record, said = read_reply(text, Verdicts)
    assert record is None
    assert said.startswith(problem)


def test_a_verdict_on_each_statement() -> None:
    assert read_reply(TEXT, Verdicts, verdicts=2) == (None, "there are 1 verdicts on 2 statements")
    assert read_reply('{"statements": ["One."]}', Statements, verdicts=2)[0] is not None  # those are no verdicts


def test_a_reason_may_be_empty() -> None:
    assert read_reply(TEXT.replace("it says so", ""), Verdicts)[0] is not None


def test_of_a_classification_some_lists_may_be_empty_and_not_all() -> None:
    one = GOOD["statements"]
    assert read_reply(json.dumps({"TP": [], "FP": one, "FN": []}), Classes)[0] is not None
    assert read_reply(json.dumps({"TP": [], "FP": [], "FN": []}), Classes) == (None, "no statement is classified")


def test_statements_are_counted() -> None:
    assert statements_of(Statements(statements=["a", "b"])) == 2
    assert statements_of(Verdicts.model_validate(GOOD)) is None


def test_the_schema_says_it_to_the_model() -> None:
    schema = tightened(Verdicts)
    assert schema["properties"]["statements"]["minItems"] == 1
    assert schema["$defs"]["Verdict"]["properties"]["verdict"]["enum"] == [0, 1]
    assert all("minItems" not in tightened(Classes)["properties"][name] for name in ("TP", "FP", "FN"))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=12,
)


@given(st.text() | json_values.map(json.dumps) | json_values.map(str) | st.text().map(lambda text: TEXT + text))
def test_any_reply_is_a_good_record_or_a_phrase(text: str) -> None:
    record, problem = read_reply(text, Verdicts)
    assert (record is None) == bool(problem)
    if record is not None:
        assert record.statements and all(one.verdict in (0, 1) for one in record.statements)
        record.model_dump_json().encode()  # can be kept
