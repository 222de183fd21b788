"""How the SQLite file is opened, also where there is no room left or no right to write.

WAL, so that readers go on while one process writes. synchronous=FULL: a commit has reached the disk when it returns, so
that what `ingest` reported as done is there after a power cut too; at one transaction a paper (seconds of parsing) the
extra fsync of about 5 ms is not seen. NORMAL would survive kill -9 as well, but a power cut may take its last commits.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from rag_app.store.failures import no_room

BUSY_TIMEOUT_S = 30.0  # SQLite's own lock is held for one document's transaction at a time


def connect(path: Path, *, read_only: bool) -> tuple[sqlite3.Connection, bool]:
    """A connection, and whether it must stay the only one; `read_only` refuses changes. Raises sqlite3.Error."""
    if os.access(path.parent, os.W_OK):
        try:
            return _ready(_open(path, "mode=rwc"), read_only=read_only), False
        except sqlite3.OperationalError as exc:
            if not exc.sqlite_errorname.startswith(("SQLITE_IOERR", "SQLITE_FULL", "SQLITE_CANTOPEN")):
                raise
            if not no_room(path.parent):
                raise
        # On a full disk the shared memory of WAL cannot be made; a connection that excludes all others needs none.
        connection = _open(path, "mode=rw")
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        return _ready(connection, read_only=read_only), True
    connection = _open(path, "mode=ro")
    try:
        return _ready(connection, read_only=True), False
    except sqlite3.OperationalError as exc:
        wal = path.with_name(path.name + "-wal")
        if not exc.sqlite_errorname.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")):
            raise
        if wal.exists() and wal.stat().st_size > 0:  # committed changes that are not in the file yet would not be seen
            raise
    # WAL wants to make its shared memory even for reading; where nobody can write, the file can be taken as it is.
    return _ready(_open(path, "immutable=1"), read_only=True), False


def _open(path: Path, how: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"file:{quote(str(path))}?{how}",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )


def _ready(connection: sqlite3.Connection, *, read_only: bool) -> sqlite3.Connection:
    try:
        if read_only:
            connection.execute("PRAGMA query_only = ON")
        else:
            connection.execute("PRAGMA page_size = 8192")  # five 384-dimensional vectors a page, little waste
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA journal_size_limit = {64 * 2**20}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute(f"PRAGMA cache_size = {-32 * 1024}")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # opens the file
    except BaseException:
        connection.close()
        raise
    return connection
