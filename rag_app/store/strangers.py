"""What a library folder from somebody else must not hold: ways out of it, and programs inside its SQLite file.

A library is data. Opened by one who did not make it, it must not lead to files elsewhere: `repair` removes what no
document needs, a page shows the pictures that nodes name.
"""

from __future__ import annotations

import os
import re
import sqlite3
from pathlib import Path

from rag_app.errors import LibraryDamaged

_PLAIN_NAME = re.compile(r"[\w-][\w.-]*", re.ASCII)  # without folders
_LENGTH_BYTES = 1 << 30  # SQLite's own bound on one value; stated here, so that no build of it has another
_FULL_TEXT = ("search", "search_terms", "search_words")  # our virtual tables


def refuse_links(folder: Path) -> None:
    """Raises LibraryDamaged when anything in the library's own folder is a link; the folder itself may be one."""
    try:
        found = sorted(entry.name for entry in os.scandir(folder) if entry.is_symlink())
    except OSError:  # not there yet, or not to be listed: opening it says so
        return
    if found:
        raise LibraryDamaged(
            f"The library {folder} has a link in place of {found[0]!r}, which may lead to anything of yours; it was "
            "not opened. Put there what the link leads to, if you made it, or remove the link."
        )


def refuse_programs(connection: sqlite3.Connection, *, where: str) -> None:
    """Raises LibraryDamaged when the file holds triggers, views, or virtual tables that no library has.

    They would run inside our own statements, with nothing but SQL in reach, and change what is stored or shown.
    """
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LENGTH_BYTES)
    found = connection.execute(
        "SELECT CASE WHEN type = 'table' THEN 'virtual table' ELSE type END, name FROM sqlite_master "
        "WHERE type IN ('trigger', 'view') OR (type = 'table' AND sql LIKE 'CREATE VIRTUAL%' AND name NOT IN (?, ?, ?))"
        " ORDER BY name LIMIT 1",
        _FULL_TEXT,
    ).fetchone()
    if found is not None:
        raise LibraryDamaged(
            f"The library file {where} holds the {found[0]} {found[1]!r}, which no rag-app makes; it was not opened. "
            "Get the papers themselves and ingest them into a library of your own."
        )


def crop_file(crops: Path, name: str) -> Path:
    """The file of a crop in the folder `crops`, by the name that a node or an answer gives, there or not.

    Raises LibraryDamaged when the name leads out of the folder, or the file is a link.
    """
    path = crops / name
    if not _PLAIN_NAME.fullmatch(name) or path.is_symlink():
        raise LibraryDamaged(f"{name!r} is no crop of the library {crops.parent}. Ingest its paper again.")
    return path
