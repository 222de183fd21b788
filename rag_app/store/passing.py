"""Which nodes pass a filter: looked up once, then brought up to date by what has come and gone since.

Asking SQLite takes half a second where a filter lets most of a million nodes through; a paper adds and removes few.
"""

from __future__ import annotations

import json
import sqlite3
from collections import OrderedDict
from threading import Lock
from typing import NamedTuple

import numpy as np

from rag_app.store import reading, spaces
from rag_app.store.filters import condition
from rag_app.store.records import Filter

_REMEMBERED_BYTES = 48 * 2**20  # of rows; six filters that let a million nodes through
_REMEMBERED = 64


class _Known(NamedTuple):
    """Rows (n,) int64, ascending, that passed in a state of the library, and the highest row there was."""

    generation: int
    token: str
    last: int
    rows: np.ndarray


class Passing:
    """The filters that were asked for last, with the rows that pass. Safe between threads."""

    def __init__(self) -> None:
        self._known: OrderedDict[Filter, _Known] = OrderedDict()
        self._guard = Lock()

    def rows(self, connection: sqlite3.Connection, filter: Filter) -> np.ndarray:
        """Rows (n,) int64, ascending, of the nodes that pass in the state that this connection sees; not to be changed.

        Call it inside a snapshot.
        """
        generation, token = connection.execute(
            "SELECT generation, token FROM generations ORDER BY generation DESC LIMIT 1"
        ).fetchone() or (0, "")
        with self._guard:
            known = self._known.get(filter)
            if known is not None and (known.generation, known.token) == (generation, token):
                self._known.move_to_end(filter)
                return known.rows
        rows = None
        if known is not None and known.generation < generation:
            rows = _brought_forward(connection, filter, known)
        if rows is None:
            rows = reading.row_ids(connection, filter)
        rows.flags.writeable = False
        last = connection.execute("SELECT coalesce(max(row), 0) FROM nodes").fetchone()[0]
        with self._guard:
            self._known[filter] = _Known(generation, token, last, rows)
            self._known.move_to_end(filter)
            while len(self._known) > 1 and (
                len(self._known) > _REMEMBERED
                or sum(one.rows.nbytes for one in self._known.values()) > _REMEMBERED_BYTES
            ):
                self._known.popitem(last=False)
        return rows


def _brought_forward(connection: sqlite3.Connection, filter: Filter, known: _Known) -> np.ndarray | None:
    """The rows that pass now; None when it is not known what has changed since.

    A row is never given twice, so later nodes have higher rows. What passes by folder depends on the places of
    documents, which leave no mark at their nodes.
    """
    if filter.folders:
        return None
    token = connection.execute("SELECT token FROM generations WHERE generation = ?", (known.generation,)).fetchone()
    removed = spaces.removed_since(connection, known.generation)
    if token != (known.token,) or removed is None:
        return None
    changed = [
        row
        for (row,) in connection.execute(
            "SELECT row FROM changed_nodes WHERE generation > ? AND row <= ?", (known.generation, known.last)
        )
    ]
    where, values = condition(filter)
    later = reading.rows_where(connection, f"row > ? AND ({where})", [known.last, *values])
    rows = known.rows
    if len(removed) or changed:
        rows = rows[~np.isin(rows, np.concatenate([removed, np.array(changed, np.int64)]))]
    if changed:
        again = f"row IN (SELECT value FROM json_each(?)) AND ({where})"
        rows = np.union1d(rows, reading.rows_where(connection, again, [json.dumps(changed), *values]))
    return np.concatenate([rows, later])
