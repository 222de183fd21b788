"""SQLite's and the disk's errors in the library's words: one sentence, and the next step."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rag_app.errors import DiskFull, LibraryBusy, LibraryDamaged, LibraryError, LibraryReadOnly
from rag_app.store.sums import BrokenRow

_NO_ROOM_BYTES = 256 * 1024  # less than this free: an I/O error is put down to the full disk


@contextmanager
def sqlite_errors(folder: Path) -> Iterator[None]:
    """Turn sqlite3.Error in the block into a LibraryError about the library in `folder`; our own errors pass."""
    try:
        yield
    except sqlite3.Error as exc:
        raise translate(exc, folder) from exc


@contextmanager
def os_errors(folder: Path) -> Iterator[None]:
    """Turn "no space", "not writable" and "failed" of the operating system into errors about the library."""
    try:
        yield
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_full(folder) from exc
        if exc.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise read_only(folder) from exc
        if exc.errno in (errno.EIO, errno.EFBIG):
            raise _failed(folder, exc.strerror or str(exc)) from exc
        raise


def translate(exc: sqlite3.Error, folder: Path) -> Exception:
    """The error to raise for `exc`; one that points to a mistake of ours is returned unchanged."""
    name = getattr(exc, "sqlite_errorname", "") or ""
    if isinstance(exc, BrokenRow):
        return damaged(folder, str(exc))
    if str(exc).startswith("Could not decode to UTF-8"):  # it has no error name, and quotes the bytes
        return damaged(folder, "it holds text that is not UTF-8")
    if name.startswith("SQLITE_FULL"):
        return disk_full(folder)
    if name.startswith(("SQLITE_IOERR", "SQLITE_CANTOPEN")) and no_room(folder):
        return disk_full(folder)
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return LibraryBusy(f"The library {folder} is busy: another process is writing. Try again in a moment.")
    if name.startswith("SQLITE_READONLY") or (name.startswith("SQLITE_CANTOPEN") and not os.access(folder, os.W_OK)):
        return read_only(folder)
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_CANTOPEN")):
        return damaged(folder, str(exc))
    if name.startswith("SQLITE_IOERR"):
        return _failed(folder, f"{name}: {exc}")
    return exc


def _failed(folder: Path, reason: str) -> LibraryError:
    return LibraryError(
        f"The disk under the library {folder} failed ({reason}). Check the disk and its limits, then run: rag-app "
        "doctor"
    )


def damaged(folder: Path, reason: str) -> LibraryDamaged:
    return LibraryDamaged(
        f"The library file {folder / 'library.sqlite'} is damaged ({reason}). Put back a backup, or ingest the "
        f"originals that the library kept into a new one: rag-app ingest {folder / 'files'} --library NEW"
    )


def disk_full(folder: Path) -> DiskFull:
    return DiskFull(
        f"The disk under the library {folder} is full; what was there before is unchanged. "
        "Free some space, then repeat the command."
    )


def read_only(folder: Path) -> LibraryReadOnly:
    return LibraryReadOnly(
        f"The library {folder} cannot be written; reading works. "
        "Give this user write permission, or choose another folder with --library."
    )


def no_room(folder: Path) -> bool:
    """Is the disk under `folder` as good as full?"""
    try:
        return shutil.disk_usage(folder).free < _NO_ROOM_BYTES
    except OSError:
        return False
