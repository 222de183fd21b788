"""Giving back room: what removed papers have left in SQLite's file.

VACUUM writes the whole file anew, in one transaction: readers go on, and after kill -9 the file is as it was. It takes
room for two more copies meanwhile, one in the folder for temporary files and one in the WAL.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rag_app.errors import DiskFull
from rag_app.store.database import Database
from rag_app.store.failures import sqlite_errors

_WAIT_S = 5.0  # for readers of the old state to end, so that the WAL can be emptied
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Vacuumed:
    """Bytes of a library's folder before and after; removed: files that nothing needed.

    held: others still read the old state, so that SQLite gives its room back when they have ended.
    """

    before: int
    after: int
    sqlite_before: int
    sqlite_after: int
    removed: int
    held: bool
    seconds: float

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return asdict(self)


def vacuum(database: Database) -> bool:
    """Write the full text in one piece and SQLite's file anew; whether the WAL could be emptied into the file.

    Call it under the writer's and the describer's lock, outside of any transaction. Raises DiskFull before anything is
    changed where there is no room, LibraryBusy.
    """
    _need_room(database)
    with database.transaction() as connection:
        connection.execute("INSERT INTO search(search) VALUES('optimize')")
    connection = database.connection
    with sqlite_errors(database.folder):
        connection.execute("PRAGMA temp_store = FILE")  # else the new copy is built in memory
        try:
            connection.execute("VACUUM")
        finally:
            connection.execute("PRAGMA temp_store = MEMORY")
        return _emptied(connection)


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def sqlite_bytes(database: Database) -> int:
    """Bytes of SQLite's file and its WAL."""
    wal = database.path.with_name(database.path.name + "-wal")
    return sum(path.stat().st_size for path in (database.path, wal) if path.exists())


def _emptied(connection: sqlite3.Connection) -> bool:
    end = time.monotonic() + _WAIT_S
    connection.execute("PRAGMA busy_timeout = 100")
    try:
        while connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] != 0:
            if time.monotonic() > end:
                return False
            time.sleep(_POLL_S)
    finally:
        connection.execute("PRAGMA busy_timeout = 30000")
    return True


def _need_room(database: Database) -> None:
    size = sqlite_bytes(database)
    for folder in {database.folder.resolve(), _temporary()}:
        free = shutil.disk_usage(folder).free
        if free < size:
            raise DiskFull(
                f"To write {database.path} anew takes {size / 1e6:.0f} MB in {folder}, which has {free / 1e6:.0f} MB "
                "left; nothing was changed. Free some space, or set SQLITE_TMPDIR to a folder with room."
            )


def _temporary() -> Path:
    """Where SQLite puts temporary files."""
    named = os.environ.get("SQLITE_TMPDIR")
    return Path(
        named or os.environ.get("TMPDIR") or ("/var/tmp" if Path("/var/tmp").is_dir() else tempfile.gettempdir())
    )
