"""The library's SQLite file: a connection for each thread, snapshots for reading, transactions for writing."""

from __future__ import annotations

import os
import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rag_app.errors import LibraryNotFound, LibraryReadOnly
from rag_app.store import schema
from rag_app.store.connecting import connect
from rag_app.store.failures import damaged, os_errors, sqlite_errors
from rag_app.store.failures import read_only as read_only_error
from rag_app.store.replacing import flush_names
from rag_app.store.strangers import refuse_links, refuse_programs

FILE_NAME = "library.sqlite"
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Database:
    """The SQLite file `<folder>/library.sqlite`. Safe to share between threads; each gets its own connection."""

    def __init__(self, folder: Path, *, create: bool, read_only: bool) -> None:
        self.folder = folder
        self.path = folder / FILE_NAME
        self._local = threading.local()
        self._guard = threading.Lock()
        self._connections: list[sqlite3.Connection] = []
        self._alone: sqlite3.Connection | None = None  # the one that all threads share, when no other can be opened
        refuse_links(folder)
        if not self.path.exists():
            if _holds_originals(folder):
                raise damaged(folder, "it is gone")
            if not create or read_only:
                raise LibraryNotFound(f"There is no library in {folder}. Make one: rag-app ingest PAPER.pdf")
            _make(folder)
        self.read_only = read_only or not os.access(folder, os.W_OK)
        with sqlite_errors(folder), _unreadable(folder):
            connection = self._connect()
            refuse_programs(connection, where=str(self.path))
            if schema.version(connection, where=str(folder)) == 0 and _holds_originals(folder):
                raise damaged(folder, "it is empty")
            if not self.read_only:
                schema.prepare(connection, where=str(folder))
            elif schema.version(connection, where=str(folder)) != schema.SCHEMA_VERSION:
                raise LibraryReadOnly(
                    f"The library {folder} was written by an earlier rag-app and cannot be brought up to date, because "
                    "the folder cannot be written. Open it once where it can."
                )

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's connection."""
        found = getattr(self._local, "connection", None)
        return found if found is not None else self._connect()

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Read in one unchanging state of the library for the block. Nests; inside a transaction it is that one."""
        connection = self.connection
        with self._told(connection):
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
            raise read_only_error(self.folder)
        connection = self.connection
        if connection.in_transaction and not self._local.writing:
            raise RuntimeError("A change inside a snapshot: it would not be kept. Leave the snapshot first.")
        with self._told(connection):
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

    def release(self) -> None:
        """Close this thread's connection; call it where a thread that used the library ends."""
        connection = getattr(self._local, "connection", None)
        if connection is None:
            return
        with self._guard:
            if connection is self._alone:
                return
            self._connections.remove(connection)
        connection.close()
        del self._local.connection

    def close(self) -> None:
        """Close every thread's connection; the last one in any process folds the WAL into the file."""
        with self._guard:
            for connection in self._connections:
                connection.close()
            self._connections.clear()
            self._alone = None
        self._local = threading.local()

    @contextmanager
    def _told(self, connection: sqlite3.Connection) -> Iterator[None]:
        """Errors of the block in the library's words.

        A damaged file may give what nobody would store: no value where one must be, a table without its columns. Such
        an error is not ours if SQLite finds the file broken; that is looked for once, where the outermost block ends.
        """
        outermost = not connection.in_transaction
        with sqlite_errors(self.folder):
            try:
                yield
            except (sqlite3.Error, TypeError, ValueError, LookupError) as exc:
                if outermost and (reason := schema.broken(connection)) is not None:
                    raise damaged(self.folder, reason) from exc
                raise

    def _connect(self) -> sqlite3.Connection:
        with self._guard:
            if self._alone is not None:
                connection = self._alone
            else:
                connection, alone = connect(self.path, read_only=self.read_only)
                self._connections.append(connection)
                if alone:
                    self._alone = connection
        self._local.connection = connection
        self._local.writing = False
        return connection


def _holds_originals(folder: Path) -> bool:
    """Whether there are copies of papers, which nothing but a library makes, a backup or an import of one."""
    if (folder / "importing").exists() or (folder / "unfinished").exists():  # it was stopped, and is begun again
        return False
    originals = folder / "files"
    return originals.is_dir() and any(_SHA256.fullmatch(path.stem) for path in originals.iterdir())


@contextmanager
def _unreadable(folder: Path) -> Iterator[None]:
    """SQLite quotes a broken schema in its message, which then need not be UTF-8."""
    try:
        yield
    except UnicodeDecodeError as exc:
        raise damaged(folder, "its schema is not UTF-8") from exc


def _make(folder: Path) -> None:
    try:
        with os_errors(folder):
            missing = [one for one in (folder, *folder.parents) if not one.exists()]
            folder.mkdir(parents=True, exist_ok=True)
            for one in missing:
                flush_names(one.parent)
    except OSError as exc:
        raise LibraryNotFound(
            f"The library folder {folder} cannot be made ({exc.strerror}): name another one with --library DIR."
        ) from exc
