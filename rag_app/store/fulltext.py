"""The lexical half: FTS5 over `searchable` text, changed in the transaction that changes the nodes.

The table is contentless: what it was given is kept once, compressed, in `nodes.words`, from which a deletion takes back
exactly what went in and a search reads a passage's terms without making them again. `fingerprint` notices when
`searchable` itself has changed; the table is then rebuilt before the next change. Scoring is in `words`.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from collections.abc import Sequence

from rag_app.errors import LibraryDamaged
from rag_app.searchable import searchable
from rag_app.store import sums

# title, section, caption, body, context
WEIGHTS = (0.5, 1.0, 0.5, 1.0, 0.3)

_PROBE = (
    "Über the Ecosystems' naïve 28.4 % state-of-the-art x² ﬁnding 1,234 (Fig. 3), running studies; "
    "کتاب‌های يك ۱۲٫۵ بزرگ‌ترین"
)


def fingerprint() -> str:
    """Changes when `searchable` gives other words for the same text, or a column another weight."""
    return hashlib.sha256(f"{searchable(_PROBE)} {WEIGHTS}".encode()).hexdigest()[:16]


def columns(metadata: str, text: str) -> tuple[str, ...]:
    """The searchable title, section, caption, body and context of a node from its stored metadata (JSON) and text.

    What a model read in a figure, table or formula counts as its caption.
    """
    found = json.loads(metadata)
    title, section, caption, context = (str(found.get(key) or "") for key in ("title", "section", "caption", "context"))
    description = found.get("description")
    if description:
        caption = "\n".join(part for part in (caption, description["summary"], description["text"]) if part)
    return searchable(title), searchable(section), searchable(caption), searchable(text), searchable(context)


def pack(words: Sequence[str]) -> bytes:
    """The searchable columns as `nodes.words` keeps them: a line each, compressed to half."""
    return zlib.compress("\n".join(words).encode(), 1)


def unpack(blob: bytes) -> list[str]:
    """The columns that `pack` was given. Raises LibraryDamaged."""
    try:
        return sums.inflated(blob).decode().split("\n")
    except (zlib.error, UnicodeDecodeError, TypeError) as exc:
        raise LibraryDamaged("The search terms of a node are damaged. Run: rag-app repair") from exc


def add(connection: sqlite3.Connection, row: int, words: Sequence[str]) -> None:
    """Index the columns of a node, and note how long it is."""
    connection.execute(
        "INSERT INTO search(rowid, title, section, caption, body, context) VALUES(?, ?, ?, ?, ?, ?)", (row, *words)
    )
    connection.execute(
        "INSERT OR REPLACE INTO lengths VALUES(?, ?)", (row, sum(len(column.split()) for column in words))
    )


def delete(connection: sqlite3.Connection, rows: str) -> None:
    """Take nodes out of the index; `rows` is a JSON list of numbers."""
    found = connection.execute("SELECT row, words FROM nodes WHERE row IN (SELECT value FROM json_each(?))", (rows,))
    connection.executemany(
        "INSERT INTO search(search, rowid, title, section, caption, body, context) VALUES('delete', ?, ?, ?, ?, ?, ?)",
        [(row, *unpack(words)) for row, words in found],
    )


def rebuild(connection: sqlite3.Connection) -> None:
    """Index every node anew, inside the caller's transaction."""
    connection.execute("INSERT INTO search(search) VALUES('delete-all')")
    connection.execute("DELETE FROM lengths")
    for row, metadata, text in connection.execute("SELECT row, metadata, text FROM nodes ORDER BY row").fetchall():
        words = columns(metadata, text)
        connection.execute("UPDATE nodes SET words = ? WHERE row = ?", (pack(words), row))
        add(connection, row, words)
    connection.execute("INSERT OR REPLACE INTO meta VALUES('searchable', ?)", (fingerprint(),))


def make_current(connection: sqlite3.Connection) -> None:
    """Rebuild the index when it was made by another `searchable`; call it before a change."""
    found = connection.execute("SELECT value FROM meta WHERE key = 'searchable'").fetchone()
    if found is None or found[0] != fingerprint():
        rebuild(connection)
