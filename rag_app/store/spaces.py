"""Embedding spaces: which there are, which one answers, and their vectors (float32, as stored, little-endian).

A space is named "<role>:<model>:<dimension>", such as "text:builtin-minilm:384". The first of a role becomes the one
that answers; a later one is filled beside it and answers once no node is missing.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime

import numpy as np

from rag_app.errors import SpaceMismatch
from rag_app.store import sums
from rag_app.store.records import Active, SpaceInfo

VECTOR = np.dtype("<f4")


def parse(name: str) -> tuple[str, str, int]:
    """Role, model and dimension of a space's name; raises SpaceMismatch when it is not one."""
    role, _, rest = name.partition(":")
    model, _, dim = rest.rpartition(":")
    if not (role and model and dim.isascii() and dim.isdecimal() and int(dim) > 0):
        raise SpaceMismatch(f"{name!r} does not name an embedding space; the form is text:builtin-minilm:384.")
    return role, model, int(dim)


def ensure(connection: sqlite3.Connection, name: str) -> tuple[int, int]:
    """Id and dimension of the space, made when missing; the first of its role becomes active."""
    found = connection.execute("SELECT id, dim FROM spaces WHERE name = ?", (name,)).fetchone()
    if found:
        return found
    role, _, dim = parse(name)
    cursor = connection.execute(
        "INSERT INTO spaces(name, role, dim, added) VALUES(?, ?, ?, ?)",
        (name, role, dim, datetime.now(UTC).isoformat(timespec="seconds")),
    )
    connection.execute("INSERT OR IGNORE INTO meta VALUES(?, ?)", (f"active:{role}", name))
    assert cursor.lastrowid is not None
    return cursor.lastrowid, dim


def find(connection: sqlite3.Connection, name: str) -> tuple[int, int] | None:
    """Id and dimension of a space, or None."""
    return connection.execute("SELECT id, dim FROM spaces WHERE name = ?", (name,)).fetchone()


def active(connection: sqlite3.Connection, role: str) -> str | None:
    """Name of the space that answers for the role, or None when it has none."""
    found = connection.execute("SELECT value FROM meta WHERE key = ?", (f"active:{role}",)).fetchone()
    return found[0] if found else None


def add_matrix(
    connection: sqlite3.Connection, name: str, rows: Sequence[int], matrix: np.ndarray, generation: int
) -> None:
    """Store one vector a row; a row of NaN means the node has none in this space.

    Raises SpaceMismatch when the matrix is not (len(rows), dimension of the space) or holds infinities or partial NaN.
    """
    space, dim = ensure(connection, name)
    matrix = np.asarray(matrix, dtype=VECTOR)
    if matrix.shape != (len(rows), dim):
        raise SpaceMismatch(
            f"The space {name} takes ({len(rows)}, {dim}) vectors for {len(rows)} nodes, not {matrix.shape}. "
            "Name the space after the model that made the vectors."
        )
    finite = np.isfinite(matrix)
    has = finite.all(axis=1)
    if not (has | np.isnan(matrix).all(axis=1)).all():
        raise SpaceMismatch(f"A vector for the space {name} holds NaN or infinity; the embedding model failed.")
    chosen = [(rows[i], matrix[i].tobytes()) for i in np.flatnonzero(has).tolist()]
    connection.executemany(
        "INSERT OR REPLACE INTO vectors(row, space, generation, vector, crc) VALUES(?, ?, ?, ?, ?)",
        [(row, space, generation, vector, sums.of_vector(row, vector)) for row, vector in chosen],
    )


def vectors(connection: sqlite3.Connection, name: str, rows: Sequence[int]) -> dict[int, np.ndarray]:
    """The vectors of those rows that have one, each (dimension,)."""
    found = find(connection, name)
    if found is None:
        return {}
    chosen = {}
    for row, blob, crc in connection.execute(
        "SELECT row, vector, crc FROM vectors WHERE space = ? AND row IN (SELECT value FROM json_each(?))",
        (found[0], json.dumps([int(row) for row in rows])),
    ):
        sums.check_vector(row, blob, crc)
        chosen[row] = np.frombuffer(blob, dtype=VECTOR)
    return chosen


def since(connection: sqlite3.Connection, name: str, generation: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows (n,) int64 and vectors (n, dimension) float32 stored after `generation`; 0 gives all."""
    found = find(connection, name)
    dim = found[1] if found else parse(name)[2]
    if found is None:
        return np.empty(0, np.int64), np.empty((0, dim), VECTOR)
    count = connection.execute(
        "SELECT count(*) FROM vectors WHERE space = ? AND generation > ?", (found[0], generation)
    ).fetchone()[0]
    rows, matrix = np.empty(count, np.int64), np.empty((count, dim), VECTOR)
    cursor = connection.execute(
        "SELECT row, vector, crc FROM vectors WHERE space = ? AND generation > ?", (found[0], generation)
    )
    for i, (row, blob, crc) in enumerate(cursor):
        sums.check_vector(row, blob, crc)
        rows[i] = row
        matrix[i] = np.frombuffer(blob, VECTOR)
    return rows, matrix


def batches(connection: sqlite3.Connection, name: str, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """All rows (n,) int64 and vectors (n, dimension) float32 of a space, at most `size` at a time, in order of rows."""
    found = find(connection, name)
    last = -1
    while found is not None:
        block = connection.execute(
            "SELECT row, vector, crc FROM vectors WHERE space = ? AND row > ? ORDER BY row LIMIT ?",
            (found[0], last, size),
        ).fetchall()
        if not block:
            return
        last = block[-1][0]
        for row, blob, crc in block:
            sums.check_vector(row, blob, crc)
        vectors_of = np.frombuffer(b"".join(blob for _, blob, _ in block), VECTOR).reshape(len(block), found[1])
        yield np.array([row for row, _, _ in block], np.int64), vectors_of


def removed_since(connection: sqlite3.Connection, generation: int) -> np.ndarray | None:
    """Rows (n,) int64 of nodes removed after `generation`; None when that is too long ago to know."""
    oldest = connection.execute("SELECT value FROM meta WHERE key = 'tombstones_from'").fetchone()
    if oldest and generation < int(oldest[0]):
        return None
    found = connection.execute("SELECT row FROM removed_nodes WHERE generation > ?", (generation,)).fetchall()
    return np.array([row for (row,) in found], dtype=np.int64)


# A vector of an earlier generation than its node's words was made from other words.
_CURRENT = (
    "SELECT vectors.row FROM vectors LEFT JOIN changed_nodes USING(row) "
    "WHERE space = ? AND vectors.generation >= coalesce(changed_nodes.generation, 0)"
)


# What an image space holds: figures with a picture, whatever becomes of their words.
_PICTURES = "kind = 'figure' AND image IS NOT NULL"


def missing(connection: sqlite3.Connection, name: str) -> list[int]:
    """Rows with a vector in the space that answers for this role, but no current one in `name`."""
    role = parse(name)[0]
    found, now = find(connection, name), active(connection, role)
    if now is None or now == name:
        return []
    answering = find(connection, now)
    assert answering is not None
    current = _CURRENT if role == "text" else "SELECT row FROM vectors WHERE space = ?"
    return [
        row
        for (row,) in connection.execute(
            f"SELECT row FROM vectors WHERE space = ? AND row NOT IN ({current}) ORDER BY row",
            (answering[0], found[0] if found else -1),
        )
    ]


def unembedded(connection: sqlite3.Connection, name: str) -> list[int]:
    """Rows of nodes that belong into `name` and have no current vector there, whatever answers now."""
    found = find(connection, name)
    if parse(name)[0] == "image":
        which = f"{_PICTURES} AND row NOT IN (SELECT row FROM vectors WHERE space = ?)"
    else:
        which = f"kind != 'reference' AND row NOT IN ({_CURRENT})"
    return [
        row
        for (row,) in connection.execute(
            f"SELECT row FROM nodes WHERE {which} ORDER BY row", (found[0] if found else -1,)
        )
    ]


def pictures(connection: sqlite3.Connection) -> int:
    """How many nodes an image space has to hold."""
    return connection.execute(f"SELECT count(*) FROM nodes WHERE {_PICTURES}").fetchone()[0]


def behind(connection: sqlite3.Connection, name: str) -> list[int]:
    """Rows whose vector in `name` was made before their words changed; cheap, unlike `unembedded`."""
    found = find(connection, name)
    return [
        row
        for (row,) in connection.execute(
            "SELECT vectors.row FROM changed_nodes JOIN vectors USING(row) "
            "WHERE space = ? AND vectors.generation < changed_nodes.generation ORDER BY vectors.row",
            (found[0] if found else -1,),
        )
    ]


def unchanged(connection: sqlite3.Connection, rows: Sequence[int], generation: int) -> set[int]:
    """Those of `rows` that are nodes now and whose words have not changed after `generation`."""
    return {
        row
        for (row,) in connection.execute(
            "SELECT row FROM nodes LEFT JOIN changed_nodes USING(row) "
            "WHERE row IN (SELECT value FROM json_each(?)) AND coalesce(changed_nodes.generation, 0) <= ?",
            (json.dumps([int(row) for row in rows]), generation),
        )
    }


def activate(connection: sqlite3.Connection, name: str, *, without: Collection[int] = ()) -> Active:
    """Let `name` answer for its role when no node is missing in it but those `without`; says how far it has got."""
    ensure(connection, name)
    left = len(set(missing(connection, name)).difference(without))
    if left == 0:
        connection.execute("INSERT OR REPLACE INTO meta VALUES(?, ?)", (f"active:{parse(name)[0]}", name))
    return Active(name, left == 0, left)


def drop(connection: sqlite3.Connection, name: str) -> None:
    """Forget a space and its vectors. Raises SpaceMismatch for the one that answers."""
    found = find(connection, name)
    if found is None:
        return
    if active(connection, parse(name)[0]) == name:
        raise SpaceMismatch(f"The space {name} is the one that answers; complete another before dropping it.")
    connection.execute("DELETE FROM vectors WHERE space = ?", (found[0],))
    connection.execute("DELETE FROM spaces WHERE id = ?", (found[0],))


def listing(connection: sqlite3.Connection) -> list[SpaceInfo]:
    """All spaces, oldest first."""
    found = connection.execute(
        "SELECT name, role, dim, (SELECT count(*) FROM vectors WHERE space = spaces.id) FROM spaces ORDER BY id"
    )
    return [
        SpaceInfo(name, role, dim, count, active(connection, role) == name)
        for name, role, dim, count in found.fetchall()
    ]
