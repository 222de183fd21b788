"""Connections to the library's SQLite file: one a thread, snapshots for reading, transactions for writing.

WAL, so that readers go on while one process writes. synchronous=FULL: a commit has reached the disk when it returns, so
that what `ingest` reported as done is there after a power cut too; at one transaction a paper (seconds of parsing) the
extra fsync of about 5 ms is not seen. NORMAL would survive kill -9 as well, but a power cut may take its last commits.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from rag_app.errors import LibraryNotFound
from rag_app.store import schema
from rag_app.store.failures import os_errors, read_only, sqlite_errors, translate

FILE_NAME = "library.sqlite"
BUSY_TIMEOUT_S = 30.0  # SQLite's own lock is held for one document's transaction at a time


class Database:
    """The SQLite file `<folder>/library.sqlite`. Safe to share between threads; each gets its own connection."""

    def __init__(self, folder: Path, *, create: bool, read_only: bool) -> None:
        self.folder = folder
        self.path = folder / FILE_NAME
        self.read_only = read_only
        self._local = threading.local()
        self._guard = threading.Lock()
        self._connections: list[sqlite3.Connection] = []
        if not self.path.exists():
            if not create or read_only:
                raise LibraryNotFound(f"There is no library in {folder}. Make one: rag-app ingest PAPER.pdf")
            with os_errors(folder):
                folder.mkdir(parents=True, exist_ok=True)
        if not self.read_only and not _writable(folder):
            self.read_only = True
        with sqlite_errors(folder):
            connection = self._connect()
            if self.read_only:
                if schema.version(connection, where=str(folder)) != schema.SCHEMA_VERSION:
                    raise translate(sqlite3.DatabaseError("it is empty or of an older format"), folder)
            else:
                schema.prepare(connection, where=str(folder))

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's connection."""
        found = getattr(self._local, "connection", None)
        return found if found is not None else self._connect()

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Read in one unchanging state of the library for the block. Nests; inside a transaction it is that one."""
        connection = self.connection
        with sqlite_errors(self.folder):
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write in one transaction: all of the block or nothing. Nests into the outer one.

        Raises LibraryReadOnly, DiskFull, LibraryBusy; afterwards nothing of the block is in the library.
        """
        if self.read_only:
            raise read_only(self.folder)
        connection = self.connection
        if connection.in_transaction and not self._local.writing:
            raise RuntimeError("A change inside a snapshot: it would not be kept. Leave the snapshot first.")
        with sqlite_errors(self.folder):
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN IMMEDIATE")
            self._local.writing = True
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            finally:
                self._local.writing = False

    def close(self) -> None:
        """Close every thread's connection; the last one in any process folds the WAL into the file."""
        with self._guard:
            for connection in self._connections:
                connection.close()
            self._connections.clear()
        self._local = threading.local()

    def _connect(self) -> sqlite3.Connection:
        connection = _open_reading(self.path) if self.read_only else _open(self.path, "rwc")
        try:
            if not self.read_only:
                connection.execute("PRAGMA page_size = 8192")  # five 384-dimensional vectors a page, little waste
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute(f"PRAGMA journal_size_limit = {64 * 2**20}")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA temp_store = MEMORY")
            connection.execute(f"PRAGMA cache_size = {-32 * 1024}")
        except BaseException:
            connection.close()
            raise
        with self._guard:
            self._connections.append(connection)
        self._local.connection = connection
        self._local.writing = False
        return connection


def _open(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"file:{quote(str(path))}?{mode if '=' in mode else 'mode=' + mode}",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )


def _open_reading(path: Path) -> sqlite3.Connection:
    """A connection that only reads; where SQLite may not make its shared-memory file, the file is taken as it is."""
    connection = _open(path, "ro")
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return connection
    except sqlite3.OperationalError as exc:
        connection.close()
        wal = path.with_name(path.name + "-wal")
        if not exc.sqlite_errorname.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")):
            raise
        if _writable(path.parent) or (wal.exists() and wal.stat().st_size > 0):
            raise
        return _open(path, "immutable=1")


def _writable(folder: Path) -> bool:
    return os.access(folder, os.W_OK)
