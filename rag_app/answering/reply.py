"""A model's reply as claims: the JSON that was asked for, or plain text with [n] marks from servers that cannot."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from rag_app.answering.fencing import restored
from rag_app.answering.support import Claim
from rag_app.citations import without_marks
from rag_app.outside import json_value, whole_characters
from rag_app.sentences import sentences

_THOUGHT = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL)
_FENCED = re.compile(r"```(?:json)?\s*(\{.*\})\s*```", re.DOTALL)
_MARK = re.compile(r"\s*[\[［]\s*(\d{1,3}(?:\s*[,;،]\s*\d{1,3})*)\s*[\]］]")
_MARKS_AFTER_END = re.compile(r"([.!?؟])((?:\s*[\[［]\s*\d{1,3}(?:\s*[,;،]\s*\d{1,3})*\s*[\]］])+)")


@dataclass(frozen=True, slots=True)
class Drafted:
    """What the model replied, read; answerable as it says itself."""

    answerable: bool
    claims: tuple[Claim, ...]


def schema(passages: int, statements: int) -> dict[str, Any]:  # Any: JSON
    """JSON Schema of the reply to a prompt with so many passages."""
    statement = {
        "type": "object",
        "properties": {
            "text": {"type": "string"},
            "source": {"type": "integer", "minimum": 1, "maximum": passages},
            "quote": {"type": "string"},
        },
        "required": ["text", "source", "quote"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {
            "answerable": {"type": "boolean"},
            "statements": {"type": "array", "items": statement, "maxItems": statements},
        },
        "required": ["answerable", "statements"],
        "additionalProperties": False,
    }


def read_reply(text: str) -> Drafted:
    """The claims of a reply. Raises ValueError, saying what is wrong, for anything that is neither form."""
    text = _THOUGHT.sub("", text).strip()
    if not text:
        raise ValueError("it is empty")
    fenced = _FENCED.search(text)
    body = fenced[1] if fenced else text[text.find("{") : text.rfind("}") + 1]
    if text.startswith("{") or fenced or '"statements"' in text:
        try:
            raw = json_value(body)
        except ValueError as exc:
            what = exc.msg if isinstance(exc, json.JSONDecodeError) else str(exc)
            raise ValueError(f"its JSON breaks off or is broken ({what})") from exc
        return _from_json(raw)
    return _from_text(text)


def _from_json(raw: Any) -> Drafted:  # Any: what a model wrote
    if not isinstance(raw, dict) or not isinstance(raw.get("answerable"), bool):
        raise ValueError('"answerable" is missing or neither true nor false')
    rows = raw.get("statements")
    if not isinstance(rows, list):
        raise ValueError('"statements" is no list')
    return Drafted(raw["answerable"], tuple(_claim(row) for row in rows))


def _claim(row: Any) -> Claim:  # Any: what a model wrote
    if not isinstance(row, dict) or not isinstance(row.get("text"), str):
        raise ValueError('a statement has no "text"')
    quote = row.get("quote")
    sources = re.findall(r"\d+", str(row.get("source", "")))
    return Claim(
        text=_clean(row["text"]),
        sources=tuple(int(n) for n in sources if len(n) < 4),
        quote=_clean(quote) if isinstance(quote, str) else "",
    )


def _from_text(text: str) -> Drafted:
    """Each sentence with the marks in it or right behind it; without any mark it is no answer in this form."""
    text = _MARKS_AFTER_END.sub(lambda match: f"{match[2]}{match[1]}", text)  # "It is so. [1]" -> "It is so [1]."
    claims = []
    for sentence in sentences(text):
        sources = [int(n) for marks in _MARK.findall(sentence.text) for n in re.findall(r"\d+", marks)]
        said = without_marks(sentence.text).strip(" \n-*•")
        if said:
            claims.append(Claim(_clean(said), tuple(sources)))
    if not any(claim.sources for claim in claims):
        raise ValueError("it is neither the JSON that was asked for nor text with [n] marks")
    return Drafted(True, tuple(claims))


def _clean(text: str) -> str:
    return whole_characters(restored(text))
