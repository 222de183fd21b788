"""Copies of the files as they were read, so that a cited page can always be shown."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from ingestion.files import PDF_SUFFIXES, PICTURE_SUFFIXES
from rag_app.errors import InputError
from rag_app.store.failures import os_errors
from rag_app.store.replacing import flush_names

_PIECE_BYTES = 1 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Originals:
    """The folder `files/` of a library: one copy a document, named by its sha256 and its suffix."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, sha256: str) -> Path | None:
        """The copy of a document; None when there is none, or a link in its place. What is no sha256 names no file."""
        if not _SHA256.fullmatch(sha256):
            return None
        copies = (self._folder / f"{sha256}{suffix}" for suffix in PDF_SUFFIXES | PICTURE_SUFFIXES)
        return next((path for path in copies if path.is_file() and not path.is_symlink()), None)

    def keep(self, path: Path, sha256: str) -> None:
        """Copy `path` in, whole or not at all.

        Raises InputError when it no longer holds what was read, DiskFull, LibraryReadOnly.
        """
        if self.find(sha256) is None:
            with os_errors(self._folder.parent):
                self._copy_in(path, sha256)

    def _copy_in(self, path: Path, sha256: str) -> None:
        if not self._folder.is_dir():
            self._folder.mkdir(exist_ok=True)
            flush_names(self._folder.parent)
        target = self._folder / f"{sha256}{path.suffix.lower()}"
        partial = target.with_suffix(".tmp")
        try:
            if _copy(path, partial) != sha256:
                raise InputError(f"{path.name} changed while it was read: run the command again.")
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        partial.replace(target)
        flush_names(self._folder)

    def drop(self, sha256: str) -> None:
        """Remove the copy of a document, if there is one."""
        kept = self.find(sha256)
        if kept is not None:
            kept.unlink()


def share_files(source: Path, target: Path) -> None:
    """Give the folder `target` all files of the folder `source`, as links where the disk can, else as copies."""
    with os_errors(target.parent):
        target.mkdir(exist_ok=True)
        for file in source.iterdir() if source.is_dir() else ():
            try:
                os.link(file, target / file.name)
            except OSError:  # another disk, or one without links
                _copy(file, target / file.name)


def _copy(source: Path, target: Path) -> str:
    """Copy to disk, flushed; the sha256 of what was copied."""
    digest = hashlib.sha256()
    try:
        read = source.open("rb")
    except OSError as exc:
        raise InputError(f"{source.name} can no longer be read ({exc.strerror}): run the command again.") from exc
    with read, target.open("wb") as written:
        while piece := read.read(_PIECE_BYTES):
            digest.update(piece)
            written.write(piece)
        written.flush()
        os.fsync(written.fileno())
    return digest.hexdigest()
