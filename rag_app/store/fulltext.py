"""The lexical half: FTS5 over `searchable` text, changed in the transaction that changes the nodes.

The table is contentless, so the text is not on disk twice. A contentless row is deleted by giving FTS5 the very words
it was given, which `searchable` makes again; `fingerprint` notices when `searchable` itself has changed, and the table
is then rebuilt before the next change.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Sequence

from rag_app.searchable import searchable
from rag_app.store.filters import condition
from rag_app.store.records import Filter, Scored

# title, section, caption, body, context
WEIGHTS = (0.5, 1.0, 0.5, 1.0, 0.3)

_PROBE = (
    "Über the Ecosystems' naïve 28.4 % state-of-the-art x² ﬁnding 1,234 (Fig. 3), running studies; "
    "کتاب‌های يك ۱۲٫۵ بزرگ‌ترین"
)


def fingerprint() -> str:
    """Changes when `searchable` gives other words for the same text."""
    return hashlib.sha256(searchable(_PROBE).encode()).hexdigest()[:16]


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
    """Index (row, metadata, text) of each node."""
    connection.executemany(
        "INSERT INTO search(rowid, title, section, caption, body, context) VALUES(?, ?, ?, ?, ?, ?)",
        ((row, *columns(metadata, text)) for row, metadata, text in nodes),
    )


def delete(connection: sqlite3.Connection, nodes: Iterable[tuple[int, str, str]]) -> None:
    """Take (row, metadata, text) of each node out of the index, as it was put in."""
    connection.executemany(
        "INSERT INTO search(search, rowid, title, section, caption, body, context) VALUES('delete', ?, ?, ?, ?, ?, ?)",
        ((row, *columns(metadata, text)) for row, metadata, text in nodes),
    )


def rebuild(connection: sqlite3.Connection) -> None:
    """Index every node anew, inside the caller's transaction."""
    connection.execute("INSERT INTO search(search) VALUES('delete-all')")
    add(connection, connection.execute("SELECT row, metadata, text FROM nodes ORDER BY row"))
    connection.execute("INSERT OR REPLACE INTO meta VALUES('searchable', ?)", (fingerprint(),))


def make_current(connection: sqlite3.Connection) -> None:
    """Rebuild the index when it was made by another `searchable`; call it before a change."""
    found = connection.execute("SELECT value FROM meta WHERE key = 'searchable'").fetchone()
    if found is None or found[0] != fingerprint():
        rebuild(connection)


def lexical(connection: sqlite3.Connection, terms: Sequence[str], *, k: int, allowed: Filter | None) -> list[Scored]:
    """The `k` best nodes by BM25 for any of `terms`, best first."""
    words = [word for term in terms for word in term.split()]
    if not words or k <= 0:
        return []
    match = " OR ".join(f'"{word}"' for word in dict.fromkeys(word.replace('"', "") for word in words) if word)
    if not match:
        return []
    where, values = condition(allowed) if allowed else ("", [])
    restriction = f"AND search.rowid IN (SELECT row FROM nodes WHERE {where})" if where else ""
    weights = ", ".join(str(weight) for weight in WEIGHTS)
    found = connection.execute(
        f"SELECT search.rowid, -bm25(search, {weights}) AS score FROM search WHERE search MATCH ? {restriction} "
        "ORDER BY score DESC, search.rowid LIMIT ?",
        [match, *values, k],
    )
    return [Scored(row, score) for row, score in found]


def document_frequency(connection: sqlite3.Connection, terms: Sequence[str]) -> dict[str, int]:
    """How many nodes hold each term, 0 for those that none holds; reads the index's term list, not its postings."""
    found = dict.fromkeys(terms, 0)
    for term in found:
        row = connection.execute("SELECT doc FROM search_terms WHERE term = ?", (term,)).fetchone()
        found[term] = row[0] if row else 0
    return found


def frequency_in(
    connection: sqlite3.Connection, document_id: str, terms: Sequence[str]
) -> tuple[int, dict[str, int]]:
    """How many nodes a document has, and how many of them hold each term.

    A document's rows lie side by side, so FTS5 reads only that part of each posting list.
    """
    count, first, last = connection.execute(
        "SELECT count(*), min(nodes.row), max(nodes.row) FROM nodes JOIN documents ON documents.id = nodes.document "
        "WHERE documents.document_id = ?",
        (document_id,),
    ).fetchone()
    found = dict.fromkeys(terms, 0)
    for term in found:
        (found[term],) = connection.execute(
            "SELECT count(*) FROM search WHERE search MATCH ? AND rowid BETWEEN ? AND ?", (f'"{term}"', first, last)
        ).fetchone()
    return count, found
