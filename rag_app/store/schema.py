"""The tables, their version, and when an older library is brought up to date."""

from __future__ import annotations

import secrets
import sqlite3
from contextlib import closing

from rag_app.errors import LibraryDamaged, LibraryTooNew
from rag_app.store.migrations import MIGRATIONS

SCHEMA_VERSION = 3
APPLICATION_ID = 0x52414750  # "RAGP": tells this file from any other SQLite file

# Every id is AUTOINCREMENT: a FAISS file or a saved answer may outlive the row it names, and must never name another.
# `generations` gets one row for each transaction that changes nodes or vectors; its random token tells a restored or
# diverged library from the one a derived file was built from. `changed_nodes` says when a node's words last changed in
# place: a vector of an earlier generation was made from other words. A pending ledger row with a result has its reply,
# which is not in its node yet. `crc` is the sum of a row's content, see `sums`.
_TABLES = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE generations(
    generation INTEGER PRIMARY KEY AUTOINCREMENT,
    token TEXT NOT NULL,
    at TEXT NOT NULL
);

CREATE TABLE documents(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document_id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    file_name TEXT NOT NULL,
    title TEXT NOT NULL,
    language TEXT NOT NULL,
    pages INTEGER NOT NULL,
    parser TEXT NOT NULL,
    metadata TEXT NOT NULL,
    added TEXT NOT NULL,
    seconds REAL
);

CREATE TABLE papers(
    document INTEGER PRIMARY KEY REFERENCES documents(id) ON DELETE CASCADE,
    body BLOB NOT NULL
);

CREATE TABLE aliases(
    document INTEGER NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    path TEXT UNIQUE
);
CREATE INDEX aliases_by_document ON aliases(document);
CREATE INDEX aliases_by_name ON aliases(name);

CREATE TABLE problems(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document INTEGER NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
    stage TEXT NOT NULL,
    page INTEGER,
    message TEXT NOT NULL
);
CREATE INDEX problems_by_document ON problems(document);

CREATE TABLE nodes(
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    node_id TEXT NOT NULL UNIQUE,
    document INTEGER NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    kind TEXT NOT NULL,
    page INTEGER NOT NULL,
    label TEXT,
    image TEXT,
    text TEXT NOT NULL,
    metadata TEXT NOT NULL,
    extras TEXT NOT NULL,
    words BLOB NOT NULL,
    crc INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX nodes_by_document ON nodes(document, position);
CREATE INDEX nodes_by_kind ON nodes(kind);
CREATE INDEX nodes_by_label ON nodes(label, document) WHERE label IS NOT NULL;
CREATE INDEX nodes_by_image ON nodes(image) WHERE image IS NOT NULL;

CREATE TABLE node_pages(
    row INTEGER NOT NULL REFERENCES nodes(row) ON DELETE CASCADE,
    page INTEGER NOT NULL,
    PRIMARY KEY(row, page)
) WITHOUT ROWID;
CREATE INDEX node_pages_by_page ON node_pages(page, row);

CREATE TABLE mentions(
    row INTEGER NOT NULL REFERENCES nodes(row) ON DELETE CASCADE,
    label TEXT NOT NULL,
    PRIMARY KEY(row, label)
) WITHOUT ROWID;
CREATE INDEX mentions_by_label ON mentions(label, row);

CREATE TABLE changed_nodes(
    row INTEGER PRIMARY KEY REFERENCES nodes(row) ON DELETE CASCADE,
    generation INTEGER NOT NULL
);
CREATE INDEX changed_by_generation ON changed_nodes(generation);

CREATE TABLE removed_nodes(
    row INTEGER PRIMARY KEY,
    generation INTEGER NOT NULL
);
CREATE INDEX removed_by_generation ON removed_nodes(generation);

CREATE TABLE spaces(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    dim INTEGER NOT NULL,
    added TEXT NOT NULL
);

CREATE TABLE vectors(
    row INTEGER NOT NULL REFERENCES nodes(row) ON DELETE CASCADE,
    space INTEGER NOT NULL REFERENCES spaces(id),
    generation INTEGER NOT NULL,
    vector BLOB NOT NULL,
    crc INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY(row, space)
);
CREATE INDEX vectors_by_generation ON vectors(space, generation);

CREATE VIRTUAL TABLE search USING fts5(title, section, caption, body, context, content='', tokenize='ascii');
CREATE VIRTUAL TABLE search_terms USING fts5vocab('search', 'row');
CREATE VIRTUAL TABLE search_words USING fts5vocab('search', 'instance');

CREATE TABLE lengths(
    row INTEGER PRIMARY KEY REFERENCES nodes(row) ON DELETE CASCADE,
    length INTEGER NOT NULL
);

CREATE TABLE ledger(
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
);
CREATE INDEX ledger_by_state ON ledger(state, model);
CREATE INDEX ledger_by_image ON ledger(image);

CREATE TABLE answers(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    question TEXT NOT NULL,
    generation INTEGER NOT NULL,
    body TEXT NOT NULL
);
"""


def prepare(connection: sqlite3.Connection, *, where: str) -> None:
    """Create the tables in an empty file, or bring an older file up to date, in one transaction.

    Raises LibraryTooNew for a file of a later version and LibraryDamaged for a file that is not a library.
    """
    if version(connection, where=where) == SCHEMA_VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        found = version(connection, where=where)  # another process may have been faster
        if found == 0:
            create(connection)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute("INSERT INTO meta VALUES('library', ?)", (secrets.token_hex(8),))
        else:
            for step in range(found, SCHEMA_VERSION):
                MIGRATIONS[step](connection)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def create(connection: sqlite3.Connection) -> None:
    """Make the tables, empty, inside the caller's transaction."""
    for statement in _statements(_TABLES):
        connection.execute(statement)


def version(connection: sqlite3.Connection, *, where: str) -> int:
    """The schema version in the file, 0 when it is empty; raises as `prepare`."""
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if found > SCHEMA_VERSION:
        raise LibraryTooNew(
            f"The library {where} was written by a later rag-app (format {found}, this one reads up to "
            f"{SCHEMA_VERSION}). Update rag-app, or choose another folder with --library."
        )
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    if application != APPLICATION_ID and not empty:
        raise LibraryDamaged(
            f"{where} is an SQLite file of another program, not a library. Choose another folder with --library."
        )
    return found


def broken(connection: sqlite3.Connection) -> str | None:
    """What SQLite finds wrong with the file, or with its tables, in a few words; None when nothing. Reads all of it."""
    try:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            return str(found)
        with closing(sqlite3.connect(":memory:")) as sound:
            create(sound)
            if _columns(connection) != _columns(sound):
                return "its tables are not those of a library"
        lacking = connection.execute("SELECT count(*) FROM nodes WHERE row NOT IN (SELECT row FROM lengths)").fetchone()
        return "nodes lack their lengths" if lacking[0] else None
    except (sqlite3.Error, UnicodeDecodeError) as exc:
        return " ".join(str(exc).split())


def _columns(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    """Table and column of each, those that FTS5 keeps for itself left out."""
    return set(
        connection.execute(
            "SELECT made.name, columns.name FROM pragma_table_list AS made, pragma_table_info(made.name) AS columns "
            "WHERE made.type IN ('table', 'virtual') AND made.name NOT LIKE 'sqlite_%'"
        ).fetchall()
    )


def _statements(script: str) -> list[str]:
    return [statement for statement in script.split(";") if statement.strip()]
