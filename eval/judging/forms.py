"""What a judge's reply must be beyond the form that Ragas gives it, and repairs of replies that are nearly that.

Ragas takes any whole number for a verdict, leaves missing verdicts out of the share, and scores an empty list as 0 or
as a perfect match. Here such a reply is no reply: the judge is asked again, and then the metric counts as not scored.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from rag_app.models import first_problem

Form = TypeVar("Form", bound=BaseModel)
_CLASSES = {"TP", "FP", "FN"}  # of answer correctness: any of these lists may be empty, not all
_OPTIONAL = {"reason"}  # texts that no score depends on
_COMMA = re.compile(r",(?=\s*[}\]])")


def tightened(form: type[BaseModel]) -> dict[str, Any]:  # Any: JSON Schema
    """The JSON Schema of `form` with what a schema can say of `read_reply`: verdicts 0 or 1, lists not empty."""
    return _tighter(form.model_json_schema(), "")


def _tighter(schema: Any, name: str) -> Any:  # Any: JSON
    if isinstance(schema, list):
        return [_tighter(one, name) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "integer":
        return {**schema, "enum": [0, 1]}
    inner = {
        key: {field: _tighter(one, field) for field, one in value.items()}
        if key in ("properties", "$defs")
        else _tighter(value, name)
        for key, value in schema.items()
    }
    return {**inner, "minItems": 1} if schema.get("type") == "array" and name not in _CLASSES else inner


def read_reply(text: str, form: type[Form], *, verdicts: int | None = None) -> tuple[Form | None, str]:
    """The reply as a record of `form`, or None and what is wrong with it, a phrase.

    verdicts: how many statements were put to the judge, where it is to give a verdict on each.
    """
    wrong = "it is no JSON"
    for candidate in _candidates(text, form):
        try:
            record = form.model_validate(candidate)
        except ValidationError as exc:
            wrong = first_problem(exc)
            continue
        wrong = _problem(record, verdicts)
        if not wrong:
            return record, ""
    return None, wrong


def statements_of(record: BaseModel) -> int | None:
    """How many statements the reply breaks a text into; None for a reply of another kind."""
    for name in ("statements", "claims"):
        listed = getattr(record, name, None)
        if isinstance(listed, list) and all(isinstance(one, str) for one in listed):
            return len(listed)
    return None


def _problem(record: BaseModel, verdicts: int | None) -> str:
    for name, value in _values(record):
        if isinstance(value, int) and not isinstance(value, bool) and value not in (0, 1):
            return f"{name} is {value}, neither 0 nor 1"
        if isinstance(value, str) and not value.strip() and name not in _OPTIONAL:
            return f"{name} is empty"
        if isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value):
            return f"{name} holds half a character"
        if isinstance(value, list) and not value and name not in _CLASSES:
            return f"{name} holds nothing"
    fields = type(record).model_fields
    if fields.keys() == _CLASSES and not any(getattr(record, name) for name in fields):
        return "no statement is classified"
    judged = getattr(record, "statements", None)
    if verdicts is not None and judged and isinstance(judged[0], BaseModel) and len(judged) != verdicts:
        return f"there are {len(judged)} verdicts on {verdicts} statements"
    return ""


def _values(record: BaseModel) -> Iterator[tuple[str, Any]]:  # Any: what a field holds
    """Each field of the record and of the records inside it; texts in a list by the list's name."""
    for name in type(record).model_fields:
        value = getattr(record, name)
        yield name, value
        for one in value if isinstance(value, list) else ():
            if isinstance(one, BaseModel):
                yield from _values(one)
            else:
                yield name, one


def _candidates(text: str, form: type[BaseModel]) -> Iterator[Any]:  # Any: JSON
    """What the reply may mean, the likeliest first: as it stands, then repaired. A cut reply is never completed."""
    for written in dict.fromkeys((text, _bracketed(text), _COMMA.sub("", _bracketed(text)))):
        value = _parsed(written)
        if isinstance(value, str):  # JSON inside a JSON string
            value = _parsed(value)
        if isinstance(value, Mapping):
            yield value
        elif isinstance(value, list) and len(form.model_fields) == 1:  # the list without its object
            yield {next(iter(form.model_fields)): value}


def _parsed(text: str) -> Any:  # Any: JSON
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text.strip())  # single quotes, True, None: as Python writes it
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return None


def _bracketed(text: str) -> str:
    """From the first bracket to the last: without a fence or words around it."""
    starts = [place for place in (text.find("{"), text.find("[")) if place >= 0]
    end = max(text.rfind("}"), text.rfind("]"))
    return text[min(starts) : end + 1] if starts and end >= 0 else text
