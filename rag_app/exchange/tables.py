"""The tables of an exported library and what may stand in them. docs/exchange.md says the same for people."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

FORMAT = "rag-app library"
VERSION = 1
MANIFEST = "export.json"
CROPS, ORIGINALS = "crops", "originals"
BATCH = 2_000  # rows written and read at a time

Type = Literal["text", "integer", "number", "boolean", "json", "texts", "vector"]
Row = dict[str, Any]  # Any: a value of the column's Type; a vector is float32 (dim,)

_LARGEST = 2**53  # integers that every reader of JSON takes


class Unfit(Exception):
    """What a row or a file is not, as part of a sentence; who reads it says which row, and raises InputError."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column. json: any JSON value, in Parquet as text. texts: a list of texts. optional: may be null."""

    name: str
    type: Type
    optional: bool = False


def _columns(words: str) -> tuple[Column, ...]:
    """ "name type, name type?": a question mark makes a column optional."""
    pairs = (word.split() for word in words.split(","))
    return tuple(Column(name, kind.rstrip("?"), kind.endswith("?")) for name, kind in pairs)  # pyright: ignore[reportArgumentType]  # the kinds stand below


# In the order in which they are written and read: what a row names is in an earlier table, or in this one.
TABLES: dict[str, tuple[Column, ...]] = {
    "documents": _columns(
        "document_id text, name text, file_name text, title text, language text, pages integer, parser text, "
        "metadata json, added text, seconds number?, aliases json, problems json, parsed json?, original text?"
    ),
    "elements": _columns(
        "document_id text, id text, order integer, kind text, section texts, text text, level integer?, label text?, "
        "caption text?, caption_place json?, places json, markdown text?, cells json?, header_rows integer, "
        "latex text?, image text?, mentions texts, ocr boolean"
    ),
    "nodes": _columns(
        "node_id text, document_id text, kind text, page integer, label text?, image text?, text text, metadata json, "
        "extras json"
    ),
    "vectors": _columns("node_id text, space text, vector vector, behind boolean"),
    "ledger": _columns(
        "document_id text, element_id text, kind text, image text, model text, prompt_version text, state text, "
        "error text?, reason text?, result json?, score number?, verified boolean?, seconds number?, "
        "attempts integer, updated text"
    ),
    "answers": _columns("id integer, at text, question text, generation integer, body json"),
}


def check_row(table: str, row: Mapping[str, Any]) -> None:  # Any: what a stranger wrote
    """Raises Unfit when a row has not just the table's columns, or a value of another type."""
    columns = TABLES[table]
    if row.keys() != {column.name for column in columns}:
        unlike = row.keys() ^ {column.name for column in columns}
        raise Unfit(f"the columns {', '.join(sorted(map(repr, unlike)))} are missing or unknown")
    for column in columns:
        value = row[column.name]
        if value is None and column.optional:
            continue
        if not _fits(value, column.type):
            raise Unfit(f"{column.name} is {_short(value)}, not {_NOUNS[column.type]}")


def parse_json(text: str | bytes) -> Any:  # Any: JSON
    """A JSON value as RFC 8259 has it. Raises Unfit, also for NaN, and for nesting that nobody writes."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as exc:
        raise Unfit(f"it is not JSON ({type(exc).__name__})") from exc


_NOUNS: dict[str, str] = {
    "text": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "json": "a JSON value",
    "texts": "a list of texts",
    "vector": "a list of numbers",
}


def _fits(value: Any, kind: Type) -> bool:  # Any: what a stranger wrote
    match kind:
        case "text":
            return isinstance(value, str) and _is_unicode(value)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool) and -_LARGEST <= value <= _LARGEST
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        case "boolean":
            return isinstance(value, bool)
        case "json":
            return isinstance(value, dict | list) and _is_unicode(json.dumps(value, ensure_ascii=False))
        case "texts":
            return isinstance(value, list) and all(isinstance(text, str) and _is_unicode(text) for text in value)
        case "vector":
            return isinstance(value, np.ndarray) and value.ndim == 1 and bool(np.isfinite(value).all())


def _is_unicode(text: str) -> bool:
    """Whether it has no half of a surrogate pair, which JSON can spell and no file holds."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _short(value: Any) -> str:  # Any: what a stranger wrote
    said = ascii(value)
    return said if len(said) <= 60 else f"{said[:60]}…"


def _refuse(constant: str) -> None:
    raise ValueError(constant)
