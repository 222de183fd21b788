"""Descriptions and the nodes they belong to; each function runs inside the caller's transaction.

The ledger is the truth of what models read; a node carries the one that wins for its element: a verified one before an
unverified one, then the higher score, then the newer. Equal crops of a kind share what was read in them.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ingestion.elements import Element
from rag_app.store import fulltext, spaces, sums
from rag_app.store.encoding import decode_node
from rag_app.store.generations import new_generation
from rag_app.store.records import LedgerKey, Reading

if TYPE_CHECKING:
    from llama_index.core.schema import BaseNode

_BEST = "verified DESC, score DESC, updated DESC, id DESC"
_CARRIED = (
    "image, kind, model, prompt_version, state, error, reason, result, score, verified, seconds, attempts, updated"
)


class NodeOf(NamedTuple):
    """The node of an element, as stored: `metadata` and `extras` are JSON."""

    row: int
    node_id: str
    metadata: str
    extras: str
    text: str

    @property
    def node(self) -> BaseNode:
        """The LlamaIndex node, without its vector."""
        return decode_node(self.node_id, self.text, json.loads(self.metadata), self.extras)


class Kept(NamedTuple):
    """Ledger rows of equal crops, to be written again for a newly parsed paper; in the columns of _CARRIED."""

    by_crop: Mapping[tuple[str, str], list[tuple[Any, ...]]]  # Any: SQLite values


def keep(connection: sqlite3.Connection, reading: Reading, now: str) -> int:
    """Note a reply that is not in its nodes yet, so that it is never asked for again; returns for how many rows."""
    description = reading.description
    return connection.execute(
        "UPDATE ledger SET result = ?, score = ?, verified = ?, seconds = ?, updated = ?, error = NULL, reason = NULL, "
        "state = 'pending', attempts = attempts + 1 "
        "WHERE image = ? AND kind = ? AND model = ? AND prompt_version = ? AND state != 'done'",
        (_json(description.to_dict()), description.score, description.verified, reading.seconds, now, *reading.key),
    ).rowcount


def settle(
    connection: sqlite3.Connection,
    readings: Sequence[Reading],
    vectors: Mapping[int, Mapping[str, np.ndarray]],
    now: str,
) -> int:
    """Make the rows of these readings done, and put those that win into their nodes; returns how many rows.

    vectors: by node row, then by space, made of the node with the reading's description. Rows that are done already, or
    are gone with their document, are left alone.
    """
    done = 0
    won: list[tuple[NodeOf, Reading]] = []
    for reading in readings:
        rows = _settle_rows(connection, reading, now)
        done += len(rows)
        for id_, document, element in rows:
            if _winner(connection, document, element) == id_:
                node = node_of(connection, document, element, reading.key.image)
                won += [(node, reading)] if node is not None else []
    if won:
        fulltext.make_current(connection)
        generation = new_generation(connection)
        for node, reading in won:
            put(connection, node, reading.description.to_dict(), generation, vectors.get(node.row, {}))
    return done


def _settle_rows(connection: sqlite3.Connection, reading: Reading, now: str) -> list[tuple[int, int, str]]:
    """Ledger row, document row and element id of what became done."""
    rows = connection.execute(
        "SELECT id, document, element_id FROM ledger "
        "WHERE image = ? AND kind = ? AND model = ? AND prompt_version = ? AND state != 'done'",
        reading.key,
    ).fetchall()
    description = reading.description
    values = (_json(description.to_dict()), description.score, description.verified, reading.seconds, now)
    connection.executemany(
        "UPDATE ledger SET state = 'done', error = NULL, reason = NULL, attempts = attempts + (result IS NULL), "
        "result = ?, score = ?, verified = ?, seconds = ?, updated = ? WHERE id = ?",
        [(*values, id_) for id_, _, _ in rows],
    )
    return rows


def would_win(connection: sqlite3.Connection, reading: Reading) -> list[NodeOf]:
    """The nodes that this reading would be put into now: those without a better one."""
    found = []
    rank = (reading.description.verified, reading.description.score)
    for document, element in connection.execute(
        "SELECT document, element_id FROM ledger "
        "WHERE image = ? AND kind = ? AND model = ? AND prompt_version = ? AND state != 'done'",
        reading.key,
    ).fetchall():
        best = connection.execute(
            "SELECT verified, score FROM ledger WHERE document = ? AND element_id = ? AND state = 'done' "
            f"ORDER BY {_BEST} LIMIT 1",
            (document, element),
        ).fetchone()
        if best is None or rank >= (bool(best[0]), best[1]):
            node = node_of(connection, document, element, reading.key.image)
            if node is not None:
                found.append(node)
    return found


def node_of(connection: sqlite3.Connection, document: int, element_id: str, image: str) -> NodeOf | None:
    """The node that was made from an element with that crop; None where there is none."""
    for row, crc, *fields in connection.execute(
        f"SELECT row, crc, {sums.FIELDS} FROM nodes WHERE image = ? AND document = ?", (image, document)
    ):
        sums.check_node(row, fields, crc)
        node_id, _, _, _, _, text, metadata, extras = fields
        if json.loads(metadata).get("elements") == [element_id]:
            return NodeOf(row, node_id, metadata, extras, text)
    return None


def described(node: NodeOf, description: Mapping[str, Any]) -> NodeOf:  # Any: JSON
    """The node with the description in it, hidden from LlamaIndex's own texts of a node: ours are made of its parts."""
    extras = json.loads(node.extras)
    for hidden in ("excluded_embed_metadata_keys", "excluded_llm_metadata_keys"):
        extras[hidden] = [*dict.fromkeys([*extras.get(hidden, ()), "description"])]
    metadata = {**json.loads(node.metadata), "description": dict(description)}
    return node._replace(metadata=_json(metadata), extras=_json(extras))


def change(connection: sqlite3.Connection, node: NodeOf, generation: int) -> None:
    """Write a node's metadata and extras, and its words into the full text; its row and id stay."""
    words = fulltext.columns(node.metadata, node.text)
    fulltext.delete(connection, json.dumps([node.row]))
    connection.execute(
        "UPDATE nodes SET metadata = ?, extras = ?, words = ? WHERE row = ?",
        (node.metadata, node.extras, fulltext.pack(words), node.row),
    )
    fields = connection.execute(f"SELECT {sums.FIELDS} FROM nodes WHERE row = ?", (node.row,)).fetchone()
    connection.execute("UPDATE nodes SET crc = ? WHERE row = ?", (sums.of_node(fields), node.row))
    fulltext.add(connection, node.row, words)
    connection.execute("INSERT OR REPLACE INTO changed_nodes VALUES(?, ?)", (node.row, generation))


def put(
    connection: sqlite3.Connection,
    node: NodeOf,
    description: Mapping[str, Any],  # Any: JSON
    generation: int,
    vectors: Mapping[str, np.ndarray],
) -> None:
    """Put a description into its node, with the vectors (dimension,) made of it, by space; NaN for none."""
    change(connection, described(node, description), generation)
    for space, vector in vectors.items():
        if spaces.find(connection, space) is not None:
            spaces.add_matrix(connection, space, [node.row], vector.reshape(1, -1), generation)


def known(
    connection: sqlite3.Connection, images: Collection[str]
) -> dict[tuple[str, str], dict[str, Any]]:  # Any: JSON
    """By (crop, kind): the description that wins among all that were read in such a crop, in any document."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for image, kind, result in connection.execute(
        "SELECT image, kind, result FROM ledger WHERE state = 'done' AND image IN (SELECT value FROM json_each(?)) "
        f"ORDER BY {_BEST}",
        (json.dumps(sorted(images)),),
    ):
        found.setdefault((image, kind), json.loads(result))
    return found


def reading_of(connection: sqlite3.Connection, key: LedgerKey) -> str | None:
    """What this model read in such a crop with this prompt, wherever it stands, as JSON; None when it did not yet."""
    found = connection.execute(
        "SELECT result FROM ledger WHERE image = ? AND kind = ? AND model = ? AND prompt_version = ? "
        "AND result IS NOT NULL ORDER BY updated DESC LIMIT 1",
        key,
    ).fetchone()
    return found[0] if found else None


def of_crops(connection: sqlite3.Connection, elements: Iterable[Element], going: Sequence[int]) -> Kept:
    """What the ledger knows of these elements' crops: all that is done, and every row of the documents `going`."""
    images = json.dumps(sorted({element.image for element in elements if element.image}))
    by_crop: dict[tuple[str, str], list[tuple[Any, ...]]] = {}
    for row in connection.execute(
        f"SELECT {_CARRIED} FROM ledger WHERE image IN (SELECT value FROM json_each(?)) "
        "AND (state = 'done' OR document IN (SELECT value FROM json_each(?))) ORDER BY state = 'done' DESC, id",
        (images, json.dumps(list(going))),
    ):
        by_crop.setdefault((row[0], row[1]), []).append(row)
    return Kept(by_crop)


def carry_over(
    connection: sqlite3.Connection, document: int, elements: Iterable[Element], kept: Kept
) -> list[tuple[NodeOf, str]]:
    """Write what was kept for these elements; the nodes that lack the description (JSON) that wins for them."""
    lacking = []
    for element in elements:
        rows = kept.by_crop.get((element.image or "", element.kind), ())
        if not rows:
            continue
        connection.executemany(
            f"INSERT OR IGNORE INTO ledger(document, element_id, {_CARRIED}) VALUES({', '.join('?' * 15)})",
            [(document, element.id, *row) for row in rows],
        )
        winner = _winner(connection, document, element.id)
        node = node_of(connection, document, element.id, str(element.image))
        if winner is None or node is None:
            continue
        result = connection.execute("SELECT result FROM ledger WHERE id = ?", (winner,)).fetchone()[0]
        if json.loads(node.metadata).get("description") != json.loads(result):
            lacking.append((node, result))
    return lacking


def _winner(connection: sqlite3.Connection, document: int, element_id: str) -> int | None:
    """The ledger row whose description the element's node carries."""
    found = connection.execute(
        f"SELECT id FROM ledger WHERE document = ? AND element_id = ? AND state = 'done' ORDER BY {_BEST} LIMIT 1",
        (document, element_id),
    ).fetchone()
    return found[0] if found else None


def _json(value: Mapping[str, Any]) -> str:  # Any: JSON
    return json.dumps(value, ensure_ascii=False)
