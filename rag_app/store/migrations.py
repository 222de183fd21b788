"""How an older library becomes a current one: one function a version, never changed once it was released."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Callable, Sequence


def from_1(connection: sqlite3.Connection) -> None:
    """The ledger learns which crop a row is about, the class of a failure, score and verdict; nodes may change."""
    connection.execute("""
        CREATE TABLE ledger_2(
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            document INTEGER NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
            element_id TEXT NOT NULL,
            kind TEXT NOT NULL,
            image TEXT NOT NULL,
            model TEXT NOT NULL,
            prompt_version TEXT NOT NULL,
            state TEXT NOT NULL CHECK(state IN ('pending', 'done', 'failed')),
            error TEXT,
            reason TEXT,
            result TEXT,
            score REAL,
            verified INTEGER,
            seconds REAL,
            attempts INTEGER NOT NULL DEFAULT 0,
            updated TEXT NOT NULL,
            UNIQUE(document, element_id, model, prompt_version)
        )""")
    images = {document: _images(body) for document, body in connection.execute("SELECT document, body FROM papers")}
    rows = connection.execute(
        "SELECT id, document, element_id, kind, model, prompt_version, state, reason, seconds, attempts, updated "
        "FROM ledger ORDER BY id"
    ).fetchall()
    for id_, document, element_id, kind, model, prompt_version, state, reason, seconds, attempts, updated in rows:
        image = images.get(document, {}).get(element_id)
        if image is None:  # without a crop there is nothing to show a model
            continue
        # Version 1 had no form for a description, and put none into a node: what it calls done is still to be done.
        now = "pending" if state == "done" else state
        connection.execute(
            "INSERT INTO ledger_2(id, document, element_id, kind, image, model, prompt_version, state, reason, seconds,"
            " attempts, updated) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (id_, document, element_id, kind, image, model, prompt_version, now, reason, seconds, attempts, updated),
        )
    connection.execute("DROP TABLE ledger")
    connection.execute("ALTER TABLE ledger_2 RENAME TO ledger")
    connection.execute("CREATE INDEX ledger_by_state ON ledger(state, model)")
    connection.execute("CREATE INDEX ledger_by_image ON ledger(image)")
    connection.execute("""
        CREATE TABLE changed_nodes(
            row INTEGER PRIMARY KEY REFERENCES nodes(row) ON DELETE CASCADE,
            generation INTEGER NOT NULL
        )""")
    connection.execute("CREATE INDEX changed_by_generation ON changed_nodes(generation)")


def _images(body: bytes) -> dict[str, str]:
    """Element id -> crop, of a Paper as it is stored."""
    elements = json.loads(zlib.decompress(body))["elements"]
    return {element["id"]: element["image"] for element in elements if element.get("image")}


def from_2(connection: sqlite3.Connection) -> None:
    """Nodes and vectors learn the sum of their content."""
    connection.execute("ALTER TABLE nodes ADD COLUMN crc INTEGER NOT NULL DEFAULT 0")
    connection.execute("ALTER TABLE vectors ADD COLUMN crc INTEGER NOT NULL DEFAULT 0")
    last = -1
    while True:
        found = connection.execute(
            "SELECT row, node_id, kind, page, label, image, text, metadata, extras FROM nodes WHERE row > ? "
            "ORDER BY row LIMIT 5000",
            (last,),
        ).fetchall()
        if not found:
            break
        last = found[-1][0]
        connection.executemany(
            "UPDATE nodes SET crc = ? WHERE row = ?", [(_sum_of_node(fields), row) for row, *fields in found]
        )
    for (space,) in connection.execute("SELECT id FROM spaces").fetchall():
        last = -1
        while True:
            found = connection.execute(
                "SELECT row, vector FROM vectors WHERE space = ? AND row > ? ORDER BY row LIMIT 5000", (space, last)
            ).fetchall()
            if not found:
                break
            last = found[-1][0]
            connection.executemany(
                "UPDATE vectors SET crc = ? WHERE row = ? AND space = ?",
                [(zlib.crc32(vector, row & 0xFFFFFFFF), row, space) for row, vector in found],
            )


def _sum_of_node(fields: Sequence[object]) -> int:
    """As `sums.of_node` was when this was released."""
    return zlib.crc32("\0".join(map(str, fields)).encode("utf-8", "surrogatepass"))


# version -> what turns a library of that version into the next one, inside the caller's transaction
MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = {1: from_1, 2: from_2}
