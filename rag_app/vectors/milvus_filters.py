"""A Filter as an expression of Milvus."""

from __future__ import annotations

import json
import sqlite3

from rag_app.store import Filter
from rag_app.store.vector_rows import documents_among

_MOST_DOCUMENTS = 10_000  # named in one expression, about 70 kB


def expression(connection: sqlite3.Connection, filter: Filter) -> str | None:
    """The filter as an expression over a collection's fields; None where only the store can tell who passes.

    That is metadata that Milvus does not have, and more than 10,000 documents or none.
    """
    documents = documents_among(connection, filter)
    if filter.metadata or (documents is not None and not 0 < len(documents) <= _MOST_DOCUMENTS):
        return None
    parts: list[str] = []
    if documents is not None:
        parts.append(f"document in {json.dumps(documents)}")
    if filter.pages:
        parts.append(f"array_contains_any(pages, {json.dumps([int(page) for page in filter.pages])})")
    if filter.kinds:
        parts.append(f"kind in {_texts(filter.kinds)}")
    if filter.exclude_kinds:
        parts.append(f"kind not in {_texts(filter.exclude_kinds)}")
    return " and ".join(parts)


def _texts(values: tuple[str, ...]) -> str:
    return json.dumps(values, ensure_ascii=False)
