"""Is the library sound, and what a repair takes away or makes anew."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

from rag_app.store import fulltext, reading, sums, verifying
from rag_app.store.records import Integrity

CROPS, FILES, SPACES = "crops", "files", "spaces"
_WRITER = re.compile(r"\.(\d{1,9})-\d+\.tmp$")
_LEFTOVER_S = 600  # a temporary file this old is a crash's; a younger one may be a search's that is saving its index


def integrity(connection: sqlite3.Connection, folder: Path) -> Integrity:
    """Everything that can be checked without changing anything; reads the whole file."""
    damage = [text for (text,) in connection.execute("PRAGMA integrity_check(20)") if text != "ok"]
    damage += [f"a row of {child} names a missing row of {parent}" for child, _, parent, _ in _broken_links(connection)]
    damage += _full_text_damage(connection)
    damage += _broken_sums(connection)
    damage += [
        f"a vector in {name} has {size} bytes instead of {dim * 4}"
        for name, dim, size in connection.execute(
            "SELECT name, dim, length(vector) FROM vectors JOIN spaces ON spaces.id = space "
            "WHERE length(vector) != dim * 4 LIMIT 20"
        )
    ]
    if not damage:  # else what is derived would be compared with what is broken
        damage += verifying.derived(connection)
    files = named_files(connection)
    try:
        crops = named_crops(connection)
    except sums.BrokenRow as exc:  # which crops it needs is not known: none is called left over
        return Integrity((*damage, str(exc)), missing_files=tuple(sorted(_missing_files(connection, folder))))
    return Integrity(
        damage=tuple(damage),
        missing_crops=tuple(sorted(name for name in crops if not (folder / CROPS / name).is_file())),
        missing_files=tuple(sorted(_missing_files(connection, folder))),
        orphans=tuple(str(path.relative_to(folder)) for path in orphans(folder, crops, files)),
    )


def repair(connection: sqlite3.Connection, folder: Path) -> list[str]:
    """Make the full text anew and remove files nothing needs; returns what was done, one sentence each.

    Runs inside the caller's transaction and under the writer lock (a running ingestion writes crops before it commits).
    """
    fulltext.rebuild(connection)
    verifying.rebuild_places(connection)
    done = ["The full text index was built anew."]
    removed = remove_orphans(connection, folder)
    if removed:
        done.append(f"{removed} files that no document needs were removed.")
    return done


def remove_orphans(connection: sqlite3.Connection, folder: Path) -> int:
    """Remove the files that nothing needs, under the writer lock; returns how many went.

    While a document lacks its original, none goes: in a damaged library it may be that very one, under a name that is
    no longer known. Crops can be cut again.
    """
    found = orphans(folder, named_crops(connection), named_files(connection))
    if _missing_files(connection, folder):
        found = [path for path in found if path.parent.name != FILES or path.suffix == ".tmp"]
    for path in found:
        path.unlink()
    return len(found)


def crops_of(connection: sqlite3.Connection, folder: Path, document_id: str) -> list[Path]:
    """The crops of a document, by its nodes and its parsed paper; they need not be there."""
    crops = set(reading.crops(connection, document_id))
    for paper in _papers(connection, document_id):
        crops |= {str(element["image"]) for element in paper["elements"] if element.get("image")}
    return [folder / CROPS / name for name in crops if name == Path(name).name]


def remove_unused(connection: sqlite3.Connection, crops: Sequence[Path]) -> None:
    """Of the `crops_of` a document that is gone, remove those that no node of another one shows, under the writer lock.

    Looks at these alone, whatever else the library holds; `remove_orphans` reads all of it.
    """
    shown = {
        name
        for (name,) in connection.execute(
            "SELECT image FROM nodes WHERE image IN (SELECT value FROM json_each(?))",
            (json.dumps([path.name for path in crops]),),
        )
    }
    for path in crops:
        if path.name not in shown:
            path.unlink(missing_ok=True)


def orphans(folder: Path, crops: set[str], files: set[str]) -> list[Path]:
    """Files in crops/, files/ and spaces/ that nothing needs: left by a crash or by removed documents."""
    found = [path for path in _files(folder / CROPS) if path.name not in crops]
    found += [path for path in _files(folder / FILES) if path.stem not in files and path.suffix != ".tmp"]
    unfinished = [path for name in (FILES, SPACES) for path in _files(folder / name) if path.suffix == ".tmp"]
    found += [path for path in unfinished if _age_s(path) > _LEFTOVER_S and not _being_written(path)]
    return sorted(found)


def _being_written(temporary: Path) -> bool:
    """Whether the process that `replacing` names in a temporary file lives: by a clock that jumped, it may look old."""
    writer = _WRITER.search(temporary.name)
    return writer is not None and psutil.pid_exists(int(writer[1]))


def _age_s(path: Path) -> float:
    return time.time() - path.stat().st_mtime


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []


def named_crops(connection: sqlite3.Connection) -> set[str]:
    """Crop files that nodes or parsed papers name."""
    named = {name for (name,) in connection.execute("SELECT DISTINCT image FROM nodes WHERE image IS NOT NULL")}
    return named | {
        str(element["image"]) for paper in _papers(connection) for element in paper["elements"] if element.get("image")
    }


def _papers(
    connection: sqlite3.Connection, document_id: str | None = None
) -> Iterator[dict[str, Any]]:  # Any: a Paper as JSON
    """All parsed papers, or that of one document."""
    where, values = ("", ()) if document_id is None else ("WHERE document_id = ?", (document_id,))
    for name, body in connection.execute(
        f"SELECT name, body FROM papers JOIN documents ON documents.id = document {where}", values
    ):
        yield json.loads(sums.unpacked(body, f"the parsed paper {name}"))


def named_files(connection: sqlite3.Connection) -> set[str]:
    return {document_id for (document_id,) in connection.execute("SELECT document_id FROM documents")}


def _missing_files(connection: sqlite3.Connection, folder: Path) -> list[str]:
    kept = {path.stem for path in _files(folder / FILES) if path.suffix != ".tmp"}
    return [
        name
        for document_id, name in connection.execute(
            "SELECT document_id, name FROM documents WHERE id IN (SELECT document FROM papers)"
        )
        if document_id not in kept
    ]


def _broken_links(connection: sqlite3.Connection) -> list[tuple[str, int, str, int]]:
    return connection.execute("PRAGMA foreign_key_check").fetchmany(20)


def _broken_sums(connection: sqlite3.Connection) -> list[str]:
    """Nodes and vectors that are not what was stored, at most 20 of each, by their documents' names."""
    nodes: list[str] = []
    for name, row, crc, *fields in connection.execute(
        f"SELECT documents.name, row, crc, {sums.FIELDS} FROM nodes JOIN documents ON documents.id = nodes.document"
    ):
        if len(nodes) < 20 and sums.of_node(fields) != crc:
            nodes.append(f"node {row} of {name} is not what was stored")
    vectors: list[str] = []
    for name, row, vector, crc in connection.execute(
        "SELECT name, row, vector, vectors.crc FROM vectors JOIN spaces ON spaces.id = space"
    ):
        if len(vectors) < 20 and (not isinstance(vector, bytes) or sums.of_vector(row, vector) != crc):
            vectors.append(f"the vector of node {row} in {name} is not what was stored")
    return nodes + vectors


def _full_text_damage(connection: sqlite3.Connection) -> list[str]:
    found = connection.execute("SELECT value FROM meta WHERE key = 'searchable'").fetchone()
    nodes = connection.execute("SELECT count(*) FROM nodes").fetchone()[0]
    if nodes and (found is None or found[0] != fulltext.fingerprint()):
        return ["the full text index was made by another version of the text normalisation"]
    return []
