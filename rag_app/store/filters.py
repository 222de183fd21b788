"""A Filter as an SQL condition over `nodes`, so that it works inside the search and never after it."""

from __future__ import annotations

import json
import os

from rag_app.errors import UsageError
from rag_app.store.records import Filter


def condition(filter: Filter) -> tuple[str, list[str]]:
    """SQL that holds for the nodes that pass, over table `nodes`, and its parameters."""
    parts: list[str] = []
    values: list[str] = []
    if filter.documents:
        parts.append("document IN (SELECT id FROM documents WHERE document_id IN (SELECT value FROM json_each(?)))")
        values.append(json.dumps(filter.documents))
    if filter.pages:
        parts.append("row IN (SELECT row FROM node_pages WHERE page IN (SELECT value FROM json_each(?)))")
        values.append(json.dumps(filter.pages))
    if filter.kinds:
        parts.append("kind IN (SELECT value FROM json_each(?))")
        values.append(json.dumps(filter.kinds))
    if filter.exclude_kinds:
        parts.append("kind NOT IN (SELECT value FROM json_each(?))")
        values.append(json.dumps(filter.exclude_kinds))
    if filter.folders:
        parts.append(
            "document IN (SELECT aliases.document FROM aliases JOIN json_each(?) AS folder ON aliases.path > "
            "json_extract(folder.value, '$[0]') AND aliases.path < json_extract(folder.value, '$[1]'))"
        )
        values.append(json.dumps([_inside(folder) for folder in filter.folders]))
    for key, value in filter.metadata:
        path = json_path(key)
        parts.append(
            "(CAST(json_extract(nodes.metadata, ?) AS TEXT) = ? OR document IN "
            "(SELECT id FROM documents WHERE CAST(json_extract(documents.metadata, ?) AS TEXT) = ?))"
        )
        values += [path, value, path, value]
    return " AND ".join(parts) or "1", values


def _inside(folder: str) -> tuple[str, str]:
    """Between which two texts the paths of all files below a folder lie."""
    start = folder.rstrip(os.sep) + os.sep
    return start, start[:-1] + chr(ord(os.sep) + 1)


def json_path(key: str) -> str:
    """SQLite's JSON path to the member `key`, spelt as it stands in the stored JSON.

    Raises UsageError for a quotation mark in it, with which SQLite (3.40) finds no member.
    """
    if '"' in key:
        raise UsageError(
            f"There can be no filter on {key!r}: a quotation mark in the name of metadata is not looked up."
        )
    return f"$.{json.dumps(key, ensure_ascii=False)}"
