"""Crops and originals copied out of a library that is in use, and the state of the library that they belong to."""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rag_app.errors import UsageError
from rag_app.store.checking import CROPS, FILES, named_crops
from rag_app.store.database import Database
from rag_app.store.failures import os_errors
from rag_app.store.replacing import flush_names

Progress = Callable[[int, int], None]  # files copied, files in all

CROP = re.compile(r"[0-9a-f]{64}\.png")
MARK = "unfinished"
_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied. lost: files that the library needs and that are not there or not what was stored, sorted."""

    crops: tuple[str, ...]
    files: tuple[str, ...]
    bytes: int
    lost: tuple[str, ...]


def begin(library: Path, target: Path) -> None:
    """Make the folder `target`, and mark it as unfinished; `end` takes the mark away.

    Raises UsageError when it lies in the library, or holds anything but what was left unfinished; DiskFull,
    LibraryReadOnly.
    """
    if target.resolve() == library.resolve() or library.resolve() in target.resolve().parents:
        raise UsageError(f"{target} lies in the library itself: name a folder outside of {library}.")
    if target.exists() and not target.is_dir():
        raise UsageError(f"{target} is a file: name a new folder.")
    if target.exists() and any(target.iterdir()) and not (target / MARK).is_file():
        raise UsageError(f"{target} is not empty: name a new folder.")
    with os_errors(target):
        target.mkdir(parents=True, exist_ok=True)
        (target / MARK).write_text("This copy is not whole. Run the same command again.\n", encoding="utf-8")
        flush_names(target.parent)


def end(target: Path) -> None:
    """What `begin` began is whole, and on the disk."""
    with os_errors(target):
        flush_names(target)
        (target / MARK).unlink()


@contextmanager
def files_copied(
    database: Database, target: Path, *, files: str = FILES, on_progress: Progress | None = None
) -> Iterator[tuple[sqlite3.Connection, Copied]]:
    """Copy all crops and originals into `target`; the block runs in the snapshot to which they belong.

    A paper may be taken out, with its files, while they are copied: then the state without it is taken. Each file is
    compared with its digest and flushed; one that is there already, whole, is left. Raises DiskFull, LibraryReadOnly.

    Args:
        target: its folders crops/ and `files`/ are made, and emptied of what is not copied.
    """
    lost: set[str] = set()
    while True:
        with database.snapshot() as connection:
            wanted = _wanted(connection, database.folder, files)
            known, lost = lost, set()
            size = 0
            with os_errors(target):
                for folder in (CROPS, files):
                    (target / folder).mkdir(exist_ok=True)
                for done, (name, source) in enumerate(sorted(wanted.items()), start=1):
                    copied = _copy(source, target / name) if source is not None else None
                    size += copied or 0
                    if copied is None:
                        lost.add(name)
                    if on_progress is not None:
                        on_progress(done, len(wanted))
            if lost - known:  # of a paper that has just been taken out, or damaged: the next state tells
                continue
            there = wanted.keys() - lost
            with os_errors(target):
                for folder in (CROPS, files):
                    for path in (target / folder).iterdir():
                        if f"{folder}/{path.name}" not in there:
                            path.unlink()
                    flush_names(target / folder)
            yield (
                connection,
                Copied(
                    tuple(sorted(name.removeprefix(f"{CROPS}/") for name in there if name.startswith(f"{CROPS}/"))),
                    tuple(sorted(name.removeprefix(f"{files}/") for name in there if name.startswith(f"{files}/"))),
                    size,
                    tuple(sorted(lost)),
                ),
            )
            return


def digest(path: Path) -> str:
    """The sha256 of a file, read in pieces. Raises OSError."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            found.update(piece)
    return found.hexdigest()


def _wanted(connection: sqlite3.Connection, folder: Path, files: str) -> dict[str, Path | None]:
    """Name in the target -> file of the library, None where there is none."""
    found: dict[str, Path | None] = {
        f"{CROPS}/{name}": folder / CROPS / name for name in named_crops(connection) if CROP.fullmatch(name)
    }
    originals = folder / FILES
    kept = {path.stem: path for path in originals.iterdir() if path.suffix != ".tmp"} if originals.is_dir() else {}
    for (document_id,) in connection.execute(
        "SELECT document_id FROM documents WHERE id IN (SELECT document FROM papers)"
    ):
        path = kept.get(document_id)
        found[f"{files}/{path.name if path else document_id}"] = path
    return found


def _copy(source: Path, target: Path) -> int | None:
    """Copy a file that is named by its digest; its bytes, None when it is gone or not what its name says."""
    name = source.stem
    if target.is_file() and digest(target) == name:
        return target.stat().st_size
    found = hashlib.sha256()
    try:
        read = source.open("rb")
    except FileNotFoundError:
        return None
    size = 0
    with read, target.open("wb") as written:
        while piece := read.read(_PIECE_BYTES):
            found.update(piece)
            size += written.write(piece)
        written.flush()
        os.fsync(written.fileno())
    if found.hexdigest() != name:
        target.unlink()
        return None
    return size
