"""Vectors with what is to be known of their nodes, for an index outside the library, and what became of them since."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rag_app.store import sums
from rag_app.store.filters import condition
from rag_app.store.records import Filter
from rag_app.store.spaces import VECTOR, find

# No vector is left out, even in a damaged library that has lost its generation.
_TOKEN = "coalesce(g.token, '00000000')"


@dataclass(frozen=True, slots=True)
class VectorRow:
    """A vector (dimension,) float32 of the node at `row`, and the generation that stored it with its token.

    document: row of the document, which is never given to another. pages: 1-based, ascending.
    """

    row: int
    generation: int
    token: str
    document: int
    kind: str
    pages: tuple[int, ...]
    vector: np.ndarray


def since(connection: sqlite3.Connection, name: str, generation: int, size: int) -> Iterator[list[VectorRow]]:
    """The vectors of a space stored after `generation`, in the order of their generations, at most `size` at a time."""
    found = find(connection, name)
    if found is None:
        return
    cursor = connection.execute(
        f"SELECT v.row, v.generation, {_TOKEN}, n.document, n.kind, "
        "(SELECT json_group_array(page) FROM (SELECT page FROM node_pages p WHERE p.row = v.row ORDER BY page)), "
        "v.vector, v.crc FROM vectors v CROSS JOIN nodes n ON n.row = v.row LEFT JOIN generations g USING(generation) "
        "WHERE v.space = ? AND v.generation > ? ORDER BY v.generation",
        (found[0], generation),
    )
    while block := cursor.fetchmany(size):
        yield [
            VectorRow(row, number, token, document, kind, tuple(json.loads(pages)), _vector(row, blob, crc))
            for row, number, token, document, kind, pages, blob, crc in block
        ]


def current(connection: sqlite3.Connection, name: str, rows: Sequence[int]) -> dict[int, tuple[str, np.ndarray]]:
    """Of those rows that have a vector in the space: the token of the generation that stored it, and the vector."""
    found = find(connection, name)
    if found is None:
        return {}
    return {
        row: (token, _vector(row, blob, crc))
        for row, token, blob, crc in connection.execute(
            f"SELECT v.row, {_TOKEN}, v.vector, v.crc FROM vectors v LEFT JOIN generations g USING(generation) "
            "WHERE v.space = ? AND v.row IN (SELECT value FROM json_each(?))",
            (found[0], json.dumps(list(rows))),
        )
    }


def count(connection: sqlite3.Connection, name: str) -> int:
    """How many vectors a space has."""
    found = find(connection, name)
    if found is None:
        return 0
    return connection.execute("SELECT count(*) FROM vectors WHERE space = ?", (found[0],)).fetchone()[0]


def touched(connection: sqlite3.Connection, name: str, after: int, until: int) -> list[int] | None:
    """Rows whose node was removed or whose vector was stored in those generations; None when that cannot be known."""
    oldest = connection.execute("SELECT value FROM meta WHERE key = 'tombstones_from'").fetchone()
    if oldest and after < int(oldest[0]):
        return None
    found = find(connection, name)
    return [
        row
        for (row,) in connection.execute(
            "SELECT row FROM removed_nodes WHERE generation > ? AND generation <= ? "
            "UNION SELECT row FROM vectors WHERE space = ? AND generation > ? AND generation <= ?",
            (after, until, found[0] if found else -1, after, until),
        )
    ]


def generation_at(connection: sqlite3.Connection, moment: str) -> int:
    """The last generation made at or before `moment` (UTC, ISO 8601, to the second); 0 when there is none."""
    found = connection.execute(
        "SELECT generation FROM generations WHERE at <= ? ORDER BY generation DESC LIMIT 1", (moment,)
    ).fetchone()
    return found[0] if found else 0


def documents_among(connection: sqlite3.Connection, filter: Filter) -> list[int] | None:
    """Rows of the documents that a filter's documents and folders name; None when it names neither."""
    if not (filter.documents or filter.folders):
        return None
    where, values = condition(Filter(documents=filter.documents, folders=filter.folders))
    found = connection.execute(
        f"SELECT document FROM (SELECT id AS document FROM documents) WHERE {where} ORDER BY document", values
    )
    return [document for (document,) in found]


def _vector(row: int, blob: bytes, crc: object) -> np.ndarray:
    sums.check_vector(row, blob, crc)
    return np.frombuffer(blob, VECTOR)
