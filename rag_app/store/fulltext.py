"""The lexical half: FTS5 over `searchable` text, changed in the transaction that changes the nodes.

The table is contentless, so the text is not on disk twice. A contentless row is deleted by giving FTS5 the very words
it was given, which `searchable` makes again; `fingerprint` notices when `searchable` itself has changed, and the table
is then rebuilt before the next change. What is found in the index is scored in `words`.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable

from rag_app.searchable import searchable

# title, section, caption, body, context
WEIGHTS = (0.5, 1.0, 0.5, 1.0, 0.3)

_PROBE = (
    "Über the Ecosystems' naïve 28.4 % state-of-the-art x² ﬁnding 1,234 (Fig. 3), running studies; "
    "کتاب‌های يك ۱۲٫۵ بزرگ‌ترین"
)


def fingerprint() -> str:
    """Changes when `searchable` gives other words for the same text, or a column another weight."""
    return hashlib.sha256(f"{searchable(_PROBE)} {WEIGHTS}".encode()).hexdigest()[:16]


def columns(metadata: str, text: str) -> tuple[str, str, str, str, str]:
    """The searchable title, section, caption, body and context of a node from its stored metadata (JSON) and text."""
    found = json.loads(metadata)
    return (
        searchable(str(found.get("title") or "")),
        searchable(str(found.get("section") or "")),
        searchable(str(found.get("caption") or "")),
        searchable(text),
        searchable(str(found.get("context") or "")),
    )


def add(connection: sqlite3.Connection, nodes: Iterable[tuple[int, str, str]]) -> None:
    """Index (row, metadata, text) of each node, and note how long it is."""
    for row, metadata, text in nodes:
        words = columns(metadata, text)
        connection.execute(
            "INSERT INTO search(rowid, title, section, caption, body, context) VALUES(?, ?, ?, ?, ?, ?)", (row, *words)
        )
        connection.execute("INSERT INTO lengths VALUES(?, ?)", (row, sum(len(column.split()) for column in words)))


def delete(connection: sqlite3.Connection, nodes: Iterable[tuple[int, str, str]]) -> None:
    """Take (row, metadata, text) of each node out of the index, as it was put in."""
    connection.executemany(
        "INSERT INTO search(search, rowid, title, section, caption, body, context) VALUES('delete', ?, ?, ?, ?, ?, ?)",
        ((row, *columns(metadata, text)) for row, metadata, text in nodes),
    )


def rebuild(connection: sqlite3.Connection) -> None:
    """Index every node anew, inside the caller's transaction."""
    connection.execute("INSERT INTO search(search) VALUES('delete-all')")
    connection.execute("DELETE FROM lengths")
    add(connection, connection.execute("SELECT row, metadata, text FROM nodes ORDER BY row"))
    connection.execute("INSERT OR REPLACE INTO meta VALUES('searchable', ?)", (fingerprint(),))


def make_current(connection: sqlite3.Connection) -> None:
    """Rebuild the index when it was made by another `searchable`; call it before a change."""
    found = connection.execute("SELECT value FROM meta WHERE key = 'searchable'").fetchone()
    if found is None or found[0] != fingerprint():
        rebuild(connection)
