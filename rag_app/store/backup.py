"""A copy of a library that is in use: its state at one moment, to be opened as it is.

Crops and originals are copied before SQLite's online backup, inside one snapshot, and library.sqlite gets its name
last: a folder without it is no library, and what an interrupted backup has copied is used by the next one.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rag_app.store.checking import SPACES
from rag_app.store.copying import begin, end, files_copied
from rag_app.store.database import FILE_NAME, Database
from rag_app.store.failures import os_errors, sqlite_errors

_PAGES = 1024  # of SQLite, between two calls of on_progress: 8 MiB
_SETTINGS = "settings.toml"

Progress = Callable[[str, int, int], None]  # "files" or "bytes", done, in all


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup holds. lost: crops and originals that the library itself lacks, or that are damaged in it."""

    path: str
    documents: int
    nodes: int
    crops: int
    originals: int
    bytes: int
    lost: tuple[str, ...]
    seconds: float

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return asdict(self)


def backup(database: Database, target: Path, *, on_progress: Progress | None = None) -> Backup:
    """Copy the library into the folder `target`, which is new, empty, or holds an unfinished backup.

    Others may read and write the library meanwhile. Raises UsageError for any other folder, DiskFull, LibraryReadOnly.
    """
    began = time.perf_counter()
    begin(database.folder, target)

    def on_file(done: int, total: int) -> None:
        if on_progress is not None:
            on_progress("files", done, total)

    _copy_derived(database.folder, target)  # before the snapshot: an index that is behind is caught up
    with files_copied(database, target, on_progress=on_file) as (connection, copied):
        partial = target / f"{FILE_NAME}.tmp"
        _copy_sqlite(connection, partial, target, on_progress)
        documents = connection.execute("SELECT count(*) FROM documents").fetchone()[0]
        nodes = connection.execute("SELECT count(*) FROM nodes").fetchone()[0]
    with os_errors(target):
        partial.replace(target / FILE_NAME)
        end(target)
        size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    return Backup(
        str(target),
        documents,
        nodes,
        len(copied.crops),
        len(copied.files),
        size,
        copied.lost,
        time.perf_counter() - began,
    )


def _copy_derived(library: Path, target: Path) -> None:
    """Settings and index files. An index says what it was built from, so one that does not fit is only built anew."""
    with os_errors(target):
        if (library / _SETTINGS).is_file():
            shutil.copyfile(library / _SETTINGS, target / _SETTINGS)
        shutil.rmtree(target / SPACES, ignore_errors=True)
        for path in sorted((library / SPACES).rglob("*")):
            there = target / path.relative_to(library)
            if path.is_file() and path.suffix != ".tmp":
                there.parent.mkdir(parents=True, exist_ok=True)
                try:
                    shutil.copyfile(path, there)
                except FileNotFoundError:  # replaced or taken away meanwhile
                    there.unlink(missing_ok=True)


def _copy_sqlite(connection: sqlite3.Connection, partial: Path, target: Path, on_progress: Progress | None) -> None:
    """SQLite's online backup of the snapshot that `connection` is in: pages that others commit are not in it."""
    page = connection.execute("PRAGMA page_size").fetchone()[0]

    def on_pages(_status: int, left: int, total: int) -> None:
        if on_progress is not None:
            on_progress("bytes", (total - left) * page, total * page)

    for name in (partial.name, f"{partial.name}-journal", f"{partial.name}-wal"):
        (target / name).unlink(missing_ok=True)
    with sqlite_errors(target), closing(sqlite3.connect(partial)) as copy:
        connection.backup(copy, pages=_PAGES, progress=on_pages, sleep=0)
    with os_errors(target), partial.open("rb") as file:
        os.fsync(file.fileno())
