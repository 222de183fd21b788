"""Questions to the tables about documents and nodes."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from ingestion.elements import Paper, Problem
from rag_app.errors import UsageError
from rag_app.store import sums
from rag_app.store.filters import condition
from rag_app.store.records import Alias, DocumentInfo, Filter, StoredNode


def documents(connection: sqlite3.Connection, only: int | None = None) -> list[DocumentInfo]:
    """All documents in the order they came, or the one with row id `only`."""
    where, values = ("WHERE document = ?", (only,)) if only is not None else ("", ())
    kinds: dict[int, dict[str, int]] = defaultdict(dict)
    for document, kind, count in connection.execute(
        f"SELECT document, kind, count(*) FROM nodes {where} GROUP BY document, kind", values
    ):
        kinds[document][kind] = count
    problems: dict[int, list[Problem]] = defaultdict(list)
    for document, stage, page, message in connection.execute(
        f"SELECT document, stage, page, message FROM problems {where} ORDER BY id", values
    ):
        problems[document].append(Problem(stage, page, message))
    aliases: dict[int, list[Alias]] = defaultdict(list)
    for document, name, path in connection.execute(
        f"SELECT document, name, path FROM aliases {where} ORDER BY rowid", values
    ):
        aliases[document].append(Alias(name, path))
    found = connection.execute(
        "SELECT id, document_id, name, title, language, pages, parser, added, seconds, metadata FROM documents "
        f"{where.replace('document =', 'id =')} ORDER BY id",
        values,
    )
    return [
        DocumentInfo(
            document_id=document_id,
            name=name,
            aliases=tuple(aliases[id_]),
            title=title,
            language=language,
            pages=pages,
            parser=parser,
            nodes=kinds[id_],
            problems=tuple(problems[id_]),
            added=added,
            seconds=seconds,
            metadata=json.loads(metadata),
        )
        for id_, document_id, name, title, language, pages, parser, added, seconds, metadata in found
    ]


def paper(connection: sqlite3.Connection, document: int) -> Paper | None:
    """The parsed paper, or None for a document that came as bare nodes."""
    found = connection.execute("SELECT body FROM papers WHERE document = ?", (document,)).fetchone()
    return Paper.from_json(sums.unpacked(found[0], "a parsed paper")) if found else None


def row_ids(connection: sqlite3.Connection, filter: Filter) -> np.ndarray:
    """Rows (n,) int64, ascending, of the nodes that pass."""
    where, values = condition(filter)
    return rows_where(connection, where, values)


def rows_where(connection: sqlite3.Connection, where: str, values: Sequence[object]) -> np.ndarray:
    """Rows (n,) int64, ascending, of the nodes for which the SQL condition holds.

    Raises UsageError for a value that no library can hold: a whole number over 64 bits, half of a character.
    """
    # One string of numbers crosses from SQLite to numpy five times as fast as one tuple a row.
    query = f"SELECT group_concat(row, ' ') FROM nodes WHERE {where}"
    try:
        found = connection.execute(query, list(values)).fetchone()[0]
    except (OverflowError, UnicodeEncodeError) as exc:
        raise UsageError(f"A filter has a value that no library can hold ({exc}); name another value.") from exc
    return np.sort(np.array(found.split(), dtype=np.int64)) if found else np.empty(0, np.int64)


def nodes(connection: sqlite3.Connection, rows: Sequence[int]) -> list[StoredNode]:
    """The nodes in the order of `rows`; a row that is gone is left out."""
    wanted = [int(row) for row in rows]
    found = {}
    for row, document_id, document, words, crc, *fields in connection.execute(
        f"SELECT row, documents.document_id, documents.name, words, crc, {sums.FIELDS} "
        "FROM nodes JOIN documents ON documents.id = nodes.document WHERE row IN (SELECT value FROM json_each(?))",
        (json.dumps(wanted),),
    ):
        sums.check_node(row, fields, crc)
        node_id, kind, page, label, _, text, metadata, extras = fields
        found[row] = StoredNode(row, node_id, document_id, document, kind, page, text, label, metadata, extras, words)
    return [found[row] for row in wanted if row in found]


def existing(connection: sqlite3.Connection, rows: Sequence[int]) -> set[int]:
    """Those of `rows` that are nodes now."""
    found = connection.execute(
        "SELECT row FROM nodes WHERE row IN (SELECT value FROM json_each(?))", (json.dumps([int(row) for row in rows]),)
    )
    return {row for (row,) in found}


def rows_of(connection: sqlite3.Connection, node_ids: Sequence[str]) -> dict[str, int]:
    """Row of each node id that is in the library."""
    return dict(
        connection.execute(
            "SELECT node_id, row FROM nodes WHERE node_id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(node_ids)),),
        ).fetchall()
    )


def labelled(connection: sqlite3.Connection, labels: Sequence[str], filter: Filter | None) -> list[int]:
    """Rows of the nodes that are one of `labels`, in reading order."""
    if not labels:
        return []
    where, values = condition(filter) if filter else ("1", [])
    return [
        row
        for (row,) in connection.execute(
            "SELECT row FROM nodes INDEXED BY nodes_by_label "  # SQLite would rather read all nodes of a kind
            f"WHERE label IS NOT NULL AND label IN (SELECT value FROM json_each(?)) AND {where} "
            "ORDER BY document, position",
            [json.dumps(list(labels)), *values],
        )
    ]


def mentioning(connection: sqlite3.Connection, label: str, document_id: str) -> list[int]:
    """Rows of the document's nodes whose text mentions `label`, in reading order."""
    return [
        row
        for (row,) in connection.execute(
            "SELECT nodes.row FROM nodes JOIN documents ON documents.id = nodes.document AND documents.document_id = ? "
            "JOIN mentions ON mentions.row = nodes.row AND mentions.label = ? ORDER BY position",
            (document_id, label),
        )
    ]


def neighbours(connection: sqlite3.Connection, row: int, *, before: int, after: int) -> list[int]:
    """Rows just before and after in the same document, in reading order, without the node itself.

    Stored captions stand after everything else of a document and beside nothing.
    """
    found = connection.execute("SELECT document, position FROM nodes WHERE row = ?", (int(row),)).fetchone()
    if found is None:
        return []
    query = (
        "SELECT row FROM nodes WHERE document = ? AND position {} ? AND kind != 'caption' ORDER BY position {} LIMIT ?"
    )
    earlier = connection.execute(query.format("<", "DESC"), (*found, before)).fetchall()
    later = connection.execute(query.format(">", "ASC"), (*found, after)).fetchall()
    return [row for (row,) in [*reversed(earlier), *later]]


def size(connection: sqlite3.Connection) -> int:
    """How many nodes can be evidence: all but stored captions."""
    return connection.execute(
        "SELECT (SELECT count(*) FROM nodes) - (SELECT count(*) FROM nodes WHERE kind = 'caption')"
    ).fetchone()[0]


def holds(connection: sqlite3.Connection, kind: str) -> bool:
    """Whether there is any node of that kind."""
    return connection.execute("SELECT EXISTS(SELECT 1 FROM nodes WHERE kind = ?)", (kind,)).fetchone()[0] == 1


def crops(connection: sqlite3.Connection, document_id: str) -> list[str]:
    """Crop files that the nodes of a document name."""
    found = connection.execute(
        "SELECT DISTINCT nodes.image FROM nodes JOIN documents ON documents.id = nodes.document "
        "WHERE documents.document_id = ? AND nodes.image IS NOT NULL",
        (document_id,),
    )
    return [name for (name,) in found]
