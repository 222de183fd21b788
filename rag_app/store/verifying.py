"""What SQLite holds twice, compared: full text, lengths, pages and mentions against nodes, documents against papers.

SQLite's own check finds a broken page or index, not a changed number in one; this does. Reads everything: about 0.1 ms
a node, most of it to index the nodes' words a second time.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import numpy as np

from rag_app.errors import LibraryDamaged
from rag_app.store import fulltext, postings, schema, sums

_REPAIR = "run: rag-app repair"
# The pages of a node, or its first one where there are none, as `writing` puts them into node_pages.
_PAGES = (
    "CASE WHEN json_array_length(metadata, '$.pages') > 0 THEN json_extract(metadata, '$.pages') "
    "WHEN json_type(metadata, '$.page') = 'integer' THEN json_array(json_extract(metadata, '$.page')) ELSE '[]' END"
)
# table, column, and where in the metadata what it holds is named
_PLACES = (
    ("node_pages", "page", _PAGES),
    ("mentions", "label", "coalesce(json_extract(metadata, '$.mentions'), '[]')"),
)
_NAMED = "SELECT DISTINCT nodes.row, value FROM nodes, json_each({}) WHERE value IS NOT NULL"
_TERMS = 5_000  # compared at a time


def derived(connection: sqlite3.Connection) -> list[str]:
    """A sentence for each table that does not say what the nodes and the papers say."""
    return [
        *documents(connection),
        *_places(connection),
        *_active(connection),
        *_full_text(connection),
    ]


def rebuild_places(connection: sqlite3.Connection) -> None:
    """Make the tables of pages and mentions anew from the nodes, inside the caller's transaction."""
    for table, column, said in _PLACES:
        connection.execute(f"DELETE FROM {table}")
        connection.execute(f"INSERT INTO {table}(row, {column}) {_NAMED.format(said)}")


def documents(connection: sqlite3.Connection) -> Iterator[str]:
    """Documents that do not fit the paper they were made from."""
    for name, *stored, body in connection.execute(
        "SELECT name, document_id, title, language, pages, parser, body FROM documents JOIN papers ON document = id"
    ):
        try:
            paper = json.loads(sums.unpacked(body, f"the parsed paper {name}"))
        except sums.BrokenRow as exc:
            yield str(exc)
            continue
        if stored != [paper["sha256"], paper["title"], paper["language"], len(paper["pages"]), paper["parser"]]:
            yield f"the document {name} does not fit its paper"


def _places(connection: sqlite3.Connection) -> Iterator[str]:
    """Whether the pages that nodes are filtered by, and what they mention, are those of their metadata."""
    for table, column, said in _PLACES:
        named = _NAMED.format(said)
        held = f"SELECT row, {column} FROM {table}"
        (differing,) = connection.execute(
            f"SELECT (SELECT count(*) FROM ({named} EXCEPT {held})) + (SELECT count(*) FROM ({held} EXCEPT {named}))"
        ).fetchone()
        if differing:
            yield f"{differing} rows of {table} do not fit the nodes; {_REPAIR}"


def _active(connection: sqlite3.Connection) -> Iterator[str]:
    """Spaces that are said to answer and do not exist."""
    for (name,) in connection.execute(
        "SELECT value FROM meta WHERE key LIKE 'active:%' AND value NOT IN (SELECT name FROM spaces)"
    ):
        yield f"the space {name} is said to answer and does not exist"


def _full_text(connection: sqlite3.Connection) -> Iterator[str]:
    """Whether the full text index holds each word where the nodes have it, and the nodes' lengths."""
    with closing(sqlite3.connect("", isolation_level=None)) as again:  # a file that SQLite makes and removes
        again.execute("PRAGMA synchronous = OFF")
        again.execute("PRAGMA journal_mode = OFF")
        again.execute("BEGIN")
        schema.create(again)
        for row, words in connection.execute("SELECT row, words FROM nodes ORDER BY row"):
            try:
                fulltext.add(again, row, fulltext.unpack(words))
            except LibraryDamaged:
                yield f"the search terms of node {row} are damaged; {_REPAIR}"
                return
        again.execute("COMMIT")
        lengths = "SELECT row, length FROM lengths ORDER BY row"
        if connection.execute(lengths).fetchall() != again.execute(lengths).fetchall():
            yield f"the lengths of nodes are not those of their words; {_REPAIR}"
        if _occurrences(connection) != _occurrences(again):
            yield f"the full text index does not hold the nodes' words; {_REPAIR}"


def _occurrences(connection: sqlite3.Connection) -> list[tuple[object, ...]]:
    """Each block of terms with how often they occur, and a sum of where."""
    found: list[tuple[object, ...]] = []
    terms = connection.execute("SELECT term, doc, cnt FROM search_terms ORDER BY term")
    while block := terms.fetchmany(_TERMS):
        places = postings.occurrences(connection, "term >= ? AND term <= ?", (block[0][0], block[-1][0]))
        found.append((hash(tuple(block)), len(places), int(np.bitwise_xor.reduce(places * _spread(len(places))))))
    return found


def _spread(count: int) -> np.ndarray:
    """Odd factors that make a sum depend on the order."""
    return np.arange(count, dtype=np.int64) * 2 + 1
