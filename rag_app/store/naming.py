"""Which document a file is: by content (sha256), by where it was read, and by a name that is unique in the library."""

from __future__ import annotations

import difflib
import os
import sqlite3
from pathlib import Path, PurePath

from rag_app.errors import UnknownDocument
from rag_app.outside import whole_characters

MIN_ID_PREFIX = 6


def place(path: Path | None) -> str | None:
    """The path as an alias stores it: absolute, links resolved."""
    return str(path.resolve()) if path is not None else None


def superseded(
    connection: sqlite3.Connection, document_id: str, file_name: str, path: str | None
) -> tuple[list[int], list[int]]:
    """Documents (row ids) that another content now replaces, and those that only lose `path` as an alias.

    The file at `path` has changed, so its earlier content goes, unless it is still known from another place. Without a
    path on either side the file name decides.
    """
    if path is None:
        return (
            _ids(connection, "file_name = ? AND document_id != ?", file_name, document_id),
            [],
        )
    gone, kept = [], []
    for document in _ids(
        connection, "id IN (SELECT document FROM aliases WHERE path = ?) AND document_id != ?", path, document_id
    ):
        elsewhere = connection.execute(
            "SELECT count(*) FROM aliases WHERE document = ? AND path != ?", (document, path)
        ).fetchone()[0]
        (kept if elsewhere else gone).append(document)
    gone += _ids(
        connection,
        "file_name = ? AND document_id != ? AND id NOT IN (SELECT document FROM aliases WHERE path IS NOT NULL)",
        file_name,
        document_id,
    )
    return gone, kept


def free_name(connection: sqlite3.Connection, file_name: str, path: str | None, *, besides: int | None = None) -> str:
    """`file_name`, or with as many of its folders as it takes to be unique in the library ("2023/paper.pdf")."""
    parts = PurePath(path).parts[1:] if path else ()
    candidates = [file_name, *("/".join(parts[-n:]) for n in range(2, len(parts) + 1))]
    candidates += [f"{file_name} ({n})" for n in range(2, 1000)]
    for candidate in candidates:
        taken = connection.execute("SELECT id FROM documents WHERE name = ?", (candidate,)).fetchone()
        if taken is None or taken[0] == besides:
            return candidate
    raise UnknownDocument(f"999 documents are already called {file_name}; rename the file, then ingest it again.")


def resolve(connection: sqlite3.Connection, name_or_id: str) -> int:
    """Row id of the document of that name, file name, path, id or beginning of an id (6 characters or more).

    Raises UnknownDocument, with the nearest names, or with the candidates when several fit.
    """
    if "\0" in name_or_id or name_or_id != whole_characters(name_or_id):  # no document's name holds these
        raise UnknownDocument(_unknown(connection, name_or_id))
    path = Path(os.path.expanduser(name_or_id))  # noqa: PTH111  # Path.expanduser raises where there is no such user
    tries = [
        ("document_id = ?", name_or_id),
        ("name = ?", name_or_id),
        ("id IN (SELECT document FROM aliases WHERE path = ?)", str(path.resolve())),
        ("id IN (SELECT document FROM aliases WHERE name = ?)", name_or_id),
    ]
    if len(name_or_id) >= MIN_ID_PREFIX and name_or_id.isalnum():
        tries.append(("substr(document_id, 1, ?) = ?", name_or_id))
    for where, value in tries:
        values = (len(value), value) if "substr" in where else (value,)
        found = connection.execute(f"SELECT id, name FROM documents WHERE {where} ORDER BY id", values).fetchall()
        if len(found) == 1:
            return found[0][0]
        if found:
            names = ", ".join(name for _, name in found)
            raise UnknownDocument(f"{name_or_id!r} fits several documents: {names}. Name one of them.")
    raise UnknownDocument(_unknown(connection, name_or_id))


def _unknown(connection: sqlite3.Connection, wanted: str) -> str:
    names = [name for (name,) in connection.execute("SELECT name FROM documents ORDER BY id")]
    if not names:
        return f"There is no document {wanted!r}: the library is empty. Add one: rag-app ingest PAPER.pdf"
    lowered = {name.casefold(): name for name in names}
    near = [lowered[n] for n in difflib.get_close_matches(wanted.casefold(), lowered, n=3, cutoff=0.4)]
    near += [name for name in names if wanted.casefold() in name.casefold() and name not in near]
    hint = f"Nearest: {', '.join(near[:3])}. " if near else ""
    return f"There is no document {wanted!r} in the library. {hint}All names: rag-app status"


def _ids(connection: sqlite3.Connection, where: str, *values: str) -> list[int]:
    return [row for (row,) in connection.execute(f"SELECT id FROM documents WHERE {where}", values)]
