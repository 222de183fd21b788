"""Changes to documents and nodes; each function runs inside the caller's transaction."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ingestion.elements import Paper
from rag_app.store import captions, descriptions, fulltext, naming, spaces, sums
from rag_app.store.encoding import encode_extras
from rag_app.store.generations import new_generation, now
from rag_app.store.records import CommitResult

if TYPE_CHECKING:
    from llama_index.core.schema import BaseNode

_KEPT_TOMBSTONES = 200_000  # older ones go; an index that is further behind is rebuilt


def commit(
    connection: sqlite3.Connection,
    paper: Paper,
    nodes: Sequence[BaseNode],
    vectors: Mapping[str, np.ndarray],
    *,
    path: Path | None,
    seconds: float | None,
) -> CommitResult:
    """Put `paper` in, and take out what it replaces; see `Store.commit`."""
    generation = new_generation(connection)
    fulltext.make_current(connection)
    where = naming.place(path)
    gone, kept = naming.superseded(connection, paper.sha256, paper.name, where)
    parsed_before = connection.execute("SELECT id FROM documents WHERE document_id = ?", (paper.sha256,)).fetchone()
    read = descriptions.of_crops(connection, paper.elements, [*gone, *(parsed_before or ())])
    said = captions.keep(connection, [*gone, *(parsed_before or ())])
    replaced = [_remove(connection, document, generation) for document in gone]
    for document in kept:
        connection.execute("DELETE FROM aliases WHERE path = ?", (where,))
        _rename_from_aliases(connection, document)
    document = _put_document(connection, paper, where, seconds, generation)
    rows = add_nodes(connection, document, nodes, generation)
    for space, matrix in vectors.items():
        spaces.add_matrix(connection, space, rows, matrix, generation)
    renewed = captions.renewed(said, nodes)
    below = add_nodes(connection, document, [node for node, _ in renewed], generation)
    captions.put_vectors(connection, below, [kept for _, kept in renewed], generation)
    # A description that came while the paper was embedded: its node changes, and its vectors are behind.
    lacking = descriptions.carry_over(connection, document, paper.elements, read)
    if lacking:
        generation = new_generation(connection)
    for node, result in lacking:
        descriptions.put(connection, node, json.loads(result), generation, {})
    name = connection.execute("SELECT name FROM documents WHERE id = ?", (document,)).fetchone()[0]
    return CommitResult(paper.sha256, name, tuple(rows), tuple(replaced), generation)


def remove(connection: sqlite3.Connection, document: int) -> int:
    """Take a document out; returns how many nodes it had."""
    fulltext.make_current(connection)
    count = connection.execute("SELECT count(*) FROM nodes WHERE document = ?", (document,)).fetchone()[0]
    _remove(connection, document, new_generation(connection))
    return count


def add_alias(connection: sqlite3.Connection, document: int, name: str, where: str | None) -> bool:
    """Note that the document was also found as `name` at `where`; False when that was known."""
    known = connection.execute(
        "SELECT count(*) FROM aliases WHERE document = ? AND name = ? AND path IS ?", (document, name, where)
    ).fetchone()[0]
    if known:
        return False
    connection.execute("INSERT OR REPLACE INTO aliases VALUES(?, ?, ?)", (document, name, where))
    return True


def bare_document(connection: sqlite3.Connection, document_id: str, name: str) -> int:
    """Row id of the document for nodes that came without a Paper (the LlamaIndex vector store); made when missing."""
    found = connection.execute("SELECT id FROM documents WHERE document_id = ?", (document_id,)).fetchone()
    if found:
        return found[0]
    free = naming.free_name(connection, name, None)
    cursor = connection.execute(
        "INSERT INTO documents(document_id, name, file_name, title, language, pages, parser, metadata, added) "
        "VALUES(?, ?, ?, '', 'und', 0, 'llama_index', '{}', ?)",
        (document_id, free, name, now()),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def add_nodes(connection: sqlite3.Connection, document: int, nodes: Sequence[BaseNode], generation: int) -> list[int]:
    """Append nodes to a document in reading order; a node whose id is there already is replaced. Returns their rows."""
    ids = json.dumps([node.node_id for node in nodes])
    remove_nodes(
        connection,
        [row for (row,) in connection.execute(
            "SELECT row FROM nodes WHERE node_id IN (SELECT value FROM json_each(?))", (ids,)
        )],
        generation,
    )  # fmt: skip
    position = connection.execute(
        "SELECT coalesce(max(position), -1) + 1 FROM nodes WHERE document = ?", (document,)
    ).fetchone()[0]
    rows: list[int] = []
    for offset, node in enumerate(nodes):
        pages, first = _pages(node.metadata)
        metadata, text = json.dumps(node.metadata, ensure_ascii=False), node.get_content()
        words = fulltext.columns(metadata, text)
        fields = (
            node.node_id,
            str(node.metadata.get("kind") or "text"),
            first,
            node.metadata.get("label"),
            node.metadata.get("image"),
            text,
            metadata,
            encode_extras(node),
        )
        cursor = connection.execute(
            "INSERT INTO nodes(document, position, node_id, kind, page, label, image, text, metadata, extras, words, "
            "crc) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (document, position + offset, *fields, fulltext.pack(words), sums.of_node(fields)),
        )
        row = cursor.lastrowid
        assert row is not None
        rows.append(row)
        fulltext.add(connection, row, words)
        connection.executemany("INSERT INTO node_pages VALUES(?, ?)", [(row, page) for page in pages])
        mentions = {str(label) for label in node.metadata.get("mentions") or ()}
        connection.executemany("INSERT INTO mentions VALUES(?, ?)", [(row, label) for label in sorted(mentions)])
    return rows


def remove_nodes(connection: sqlite3.Connection, rows: Iterable[int], generation: int) -> None:
    """Take nodes out of the tables, the full text and (by tombstones) the derived indexes."""
    gone = json.dumps(sorted(rows))
    if gone == "[]":
        return
    chosen = "row IN (SELECT value FROM json_each(?))"
    fulltext.delete(connection, gone)
    connection.execute("INSERT INTO removed_nodes SELECT value, ? FROM json_each(?)", (generation, gone))
    connection.execute(f"DELETE FROM nodes WHERE {chosen}", (gone,))
    _forget_old_tombstones(connection)


def _forget_old_tombstones(connection: sqlite3.Connection) -> None:
    oldest = connection.execute(
        "SELECT generation FROM removed_nodes ORDER BY generation DESC LIMIT 1 OFFSET ?", (_KEPT_TOMBSTONES,)
    ).fetchone()
    if oldest:
        connection.execute("DELETE FROM removed_nodes WHERE generation <= ?", oldest)
        connection.execute("INSERT OR REPLACE INTO meta VALUES('tombstones_from', ?)", (str(oldest[0]),))


def _remove(connection: sqlite3.Connection, document: int, generation: int) -> str:
    rows = [row for (row,) in connection.execute("SELECT row FROM nodes WHERE document = ?", (document,))]
    remove_nodes(connection, rows, generation)
    document_id = connection.execute("SELECT document_id FROM documents WHERE id = ?", (document,)).fetchone()[0]
    connection.execute("DELETE FROM documents WHERE id = ?", (document,))
    return document_id


def _put_document(
    connection: sqlite3.Connection, paper: Paper, where: str | None, seconds: float | None, generation: int
) -> int:
    known = connection.execute("SELECT id, name FROM documents WHERE document_id = ?", (paper.sha256,)).fetchone()
    values = (
        paper.title,
        paper.language,
        len(paper.pages),
        paper.parser,
        json.dumps(paper.metadata, ensure_ascii=False),
        now(),
        seconds,
    )
    if known:  # the same content, parsed anew: it keeps its names
        document = known[0]
        rows = [row for (row,) in connection.execute("SELECT row FROM nodes WHERE document = ?", (document,))]
        remove_nodes(connection, rows, generation)
        for table in ("papers", "problems", "ledger"):
            connection.execute(f"DELETE FROM {table} WHERE document = ?", (document,))
        connection.execute(
            "UPDATE documents SET title = ?, language = ?, pages = ?, parser = ?, metadata = ?, added = ?, seconds = ? "
            "WHERE id = ?",
            (*values, document),
        )
    else:
        name = naming.free_name(connection, paper.name, where)
        cursor = connection.execute(
            "INSERT INTO documents(document_id, name, file_name, title, language, pages, parser, metadata, added, "
            "seconds) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (paper.sha256, name, paper.name, *values),
        )
        assert cursor.lastrowid is not None
        document = cursor.lastrowid
    add_alias(connection, document, paper.name, where)
    connection.execute("INSERT INTO papers VALUES(?, ?)", (document, zlib.compress(paper.to_json().encode())))
    connection.executemany(
        "INSERT INTO problems(document, stage, page, message) VALUES(?, ?, ?, ?)",
        [(document, problem.stage, problem.page, problem.message) for problem in paper.problems],
    )
    return document


def _rename_from_aliases(connection: sqlite3.Connection, document: int) -> None:
    """Name a document after the first place it is still known from."""
    name, where = connection.execute(
        "SELECT name, path FROM aliases WHERE document = ? ORDER BY rowid LIMIT 1", (document,)
    ).fetchone()
    free = naming.free_name(connection, name, where, besides=document)
    connection.execute("UPDATE documents SET name = ?, file_name = ? WHERE id = ?", (free, name, document))


def _pages(metadata: dict[str, object]) -> tuple[list[int], int]:
    """The pages a node touches, and the first, from its metadata; page 0 stands for none."""
    pages = metadata.get("pages")
    found = sorted({int(page) for page in pages}) if isinstance(pages, (list, tuple)) else []
    first = metadata.get("page")
    if isinstance(first, int):
        return (found or [first]), first
    return found, (found[0] if found else 0)
