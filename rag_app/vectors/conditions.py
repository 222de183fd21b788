"""LlamaIndex MetadataFilters as an SQL condition over the store's nodes; no operator is ignored."""

from __future__ import annotations

import json
from collections.abc import Callable

from llama_index.core.vector_stores import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters

from rag_app.errors import UsageError
from rag_app.store.filters import json_path

Sql = tuple[str, list[object]]

# metadata keys with a column of their own
_COLUMNS = {
    "document_id": "(SELECT document_id FROM documents WHERE id = nodes.document)",
    "document": "(SELECT name FROM documents WHERE id = nodes.document)",
    "kind": "nodes.kind",
    "label": "nodes.label",
}
_COMPARISONS = {
    FilterOperator.EQ: "=",
    FilterOperator.GT: ">",
    FilterOperator.GTE: ">=",
    FilterOperator.LT: "<",
    FilterOperator.LTE: "<=",
}


def condition(filters: MetadataFilters) -> Sql:
    """SQL over `nodes` and its parameters. Raises UsageError for an operator or value that has no meaning here."""
    parts: list[str] = []
    values: list[object] = []
    for entry in filters.filters:
        sql, found = condition(entry) if isinstance(entry, MetadataFilters) else _single(entry)
        parts.append(f"({sql})")
        values += found
    if not parts:
        return "1", []
    if filters.condition == FilterCondition.NOT:
        return f"NOT ({' OR '.join(parts)})", values
    return (" OR " if filters.condition == FilterCondition.OR else " AND ").join(parts), values


def _single(entry: MetadataFilter) -> Sql:
    value, operator = entry.value, entry.operator
    column, given = _column(entry.key)
    if operator in _COMPARISONS:
        _need(entry, isinstance(value, (str, int, float)), "one string or number")
        return f"{column} {_COMPARISONS[operator]} ?", [*given, value]
    if operator == FilterOperator.NE:
        _need(entry, isinstance(value, (str, int, float)), "one string or number")
        return f"{column} IS NOT ?", [*given, value]
    if operator in (FilterOperator.IN, FilterOperator.NIN):
        _need(entry, isinstance(value, list), "a list")
        inside = f"coalesce({column} IN (SELECT value FROM json_each(?)), 0)"
        return (inside if operator == FilterOperator.IN else f"NOT {inside}"), [*given, json.dumps(value)]
    if operator in (FilterOperator.TEXT_MATCH, FilterOperator.TEXT_MATCH_INSENSITIVE):
        _need(entry, isinstance(value, str), "a string")
        if operator == FilterOperator.TEXT_MATCH:
            return f"instr({column}, ?) > 0", [*given, value]
        return f"instr(lower({column}), lower(?)) > 0", [*given, value]
    if operator == FilterOperator.IS_EMPTY:
        return f"coalesce({column}, '') IN ('', '[]', '{{}}')", given
    return _of_list(entry)


def _of_list(entry: MetadataFilter) -> Sql:
    """any, all, contains: what the metadata holds is a list."""
    inner: dict[FilterOperator, Callable[[str], str]] = {
        FilterOperator.ANY: lambda members: f"EXISTS (SELECT 1 FROM json_each(?) w WHERE w.value IN ({members}))",
        FilterOperator.ALL: lambda members: (
            f"NOT EXISTS (SELECT 1 FROM json_each(?) w WHERE w.value NOT IN ({members}))"
        ),
        FilterOperator.CONTAINS: lambda members: f"? IN ({members})",
    }
    if entry.operator not in inner:
        raise UsageError(
            f"The filter operator {entry.operator.value!r} on {entry.key!r} is not supported; "
            f"use one of {', '.join(o.value for o in FilterOperator if o in inner or o in _COMPARISONS)}."
        )
    if entry.operator == FilterOperator.CONTAINS:
        _need(entry, isinstance(entry.value, (str, int, float)), "one string or number")
        wanted: object = entry.value
    else:
        _need(entry, isinstance(entry.value, list), "a list")
        wanted = json.dumps(entry.value)
    members = "SELECT m.value FROM json_each(nodes.metadata, ?) m"
    return inner[entry.operator](members), [wanted, json_path(entry.key)]


def _column(key: str) -> Sql:
    if key in _COLUMNS:
        return _COLUMNS[key], []
    return "json_extract(nodes.metadata, ?)", [json_path(key)]


def _need(entry: MetadataFilter, holds: bool, what: str) -> None:
    if not holds:
        raise UsageError(f"The filter {entry.key!r} {entry.operator.value} takes {what}, not {entry.value!r}.")
