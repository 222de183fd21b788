"""A Filter as an SQL condition over `nodes`, so that it works inside the search and never after it."""

from __future__ import annotations

import json

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
    for key, value in filter.metadata:
        path = json_path(key)
        parts.append(
            "(CAST(json_extract(nodes.metadata, ?) AS TEXT) = ? OR document IN "
            "(SELECT id FROM documents WHERE CAST(json_extract(documents.metadata, ?) AS TEXT) = ?))"
        )
        values += [path, value, path, value]
    return " AND ".join(parts) or "1", values


def json_path(key: str) -> str:
    """SQLite's JSON path to the member `key`."""
    return '$."' + key.replace('"', '\\"') + '"'
