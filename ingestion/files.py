"""Which files we are given and what they are by their content; loads no PDF library."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from ingestion.limits import Limits
from rag_app.errors import EmptyFile, InputError, NotAPaper, TooLarge

FileKind = Literal["pdf", "picture"]

PDF_SUFFIXES = frozenset({".pdf"})
PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff"})

_HEAD_BYTES = 1024  # where a reader must look for %PDF- (PDF 32000-1, implementation note 13)
_TEXT_SAMPLE = frozenset(range(32, 127)) | {9, 10, 12, 13}


_CHUNK_BYTES = 1 << 20


def find_files(paths: Iterable[str | Path]) -> list[Path]:
    """The files to read: folders expanded, sorted, each file once.

    A folder gives its PDFs and pictures at any depth, without hidden files and folders and without following links to
    folders. A path named by the user stays in the list even when it does not exist or is of another kind: reading it
    gives the InputError, and the rest of the batch goes on.
    """
    found: dict[Path, None] = {}
    for path in map(Path, paths):
        if path.is_dir():
            for file in _walk(path):
                found.setdefault(file)
        else:
            found.setdefault(path)
    once: dict[Path, Path] = {}
    for path in found:
        once.setdefault(path.resolve(), path)
    return list(once.values())


def sha256_of(path: Path) -> str:
    """Hex digest of the file's bytes; reads it in pieces of 1 MiB.

    Raises:
        InputError: it does not exist, may not be read, or is a folder, pipe or device.
    """
    _regular_size(path)
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(_CHUNK_BYTES):
                digest.update(piece)
    except OSError as exc:
        raise InputError(f"{path} cannot be read ({exc.strerror}): check the name and permissions.") from exc
    return digest.hexdigest()


def check_file(path: Path, *, limits: Limits) -> FileKind:
    """What the file is by its content; reads only its first KiB.

    Raises:
        NotAPaper: a folder, pipe or device, an unknown suffix, or content that its suffix does not name.
        EmptyFile: 0 bytes.
        TooLarge: over `limits.file_bytes`.
        InputError: it does not exist, may not be read, or has a name that is not UTF-8.
    """
    name = path.name
    if (shown := name.encode("utf-8", "replace").decode()) != name:
        raise InputError(f"{shown} has a name that is not UTF-8: rename it.")
    size = _regular_size(path)
    suffix = path.suffix.lower()
    if suffix not in PDF_SUFFIXES | PICTURE_SUFFIXES:
        raise NotAPaper(f"{name} has no suffix we read ({_suffixes()}): rename it if it is one of these.")
    if size == 0:
        raise EmptyFile(f"{name} is empty (0 bytes): download or copy it again.")
    if size > limits.file_bytes:
        raise TooLarge(
            f"{name} has {size / (1 << 20):.0f} MiB, the limit is {limits.file_bytes / (1 << 20):.0f}: split the file."
        )
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except PermissionError as exc:
        raise InputError(f"{name} may not be read by this user: change its permissions.") from exc
    except OSError as exc:
        raise InputError(f"{name} cannot be read ({exc.strerror}): copy it again.") from exc
    found = _kind_of(head)
    if found == ("PDF" if suffix in PDF_SUFFIXES else _PICTURES[suffix]):
        return "pdf" if suffix in PDF_SUFFIXES else "picture"
    if found in _PICTURES.values() and suffix in PICTURE_SUFFIXES:
        return "picture"  # a JPEG named .png harms nobody
    wanted = "a PDF" if suffix in PDF_SUFFIXES else "a picture"
    raise NotAPaper(f"{name} is not {wanted} but {_described(found, head)}.")


def _walk(folder: Path) -> list[Path]:
    files: list[Path] = []
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        files += [
            Path(here, name)
            for name in sorted(names)
            if not name.startswith(".") and Path(name).suffix.lower() in PDF_SUFFIXES | PICTURE_SUFFIXES
        ]
    return files


def _regular_size(path: Path) -> int:
    """Size in bytes of a regular file (links followed)."""
    try:
        found = path.stat()
    except FileNotFoundError as exc:
        raise InputError(f"{path} does not exist: check the name.") from exc
    except OSError as exc:
        raise InputError(f"{path} cannot be reached ({exc.strerror}): check the name and permissions.") from exc
    except ValueError as exc:
        raise InputError(f"{str(path)!a} is no name that a file can have: check the name.") from exc
    if stat.S_ISDIR(found.st_mode):
        raise NotAPaper(f"{path} is a folder: give its files, or the folder to rag-app ingest.")
    if not stat.S_ISREG(found.st_mode):
        raise NotAPaper(f"{path} is not a regular file (a pipe, socket or device): give a PDF or picture file.")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path.name} may not be read by this user: change its permissions.")
    return found.st_size


_PICTURES = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WebP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}


def _kind_of(head: bytes) -> str | None:
    """PDF, PNG, JPEG, WebP, TIFF, HTML, text, or None for bytes we cannot name."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[:4] in {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}:
        return "TIFF"
    if b"%PDF-" in head:
        return "PDF"
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<!--")):
        return "HTML"
    if sum(byte in _TEXT_SAMPLE or byte >= 128 for byte in head) > 0.98 * len(head) and b"\0" not in head:
        return "text"
    return None


def _described(found: str | None, head: bytes) -> str:
    if found == "HTML":
        return "a web page: the download gave a page instead of the file, fetch the file itself"
    if found == "text":
        return "a text file: give the PDF itself"
    if found == "PDF":
        return "a PDF: rename it to .pdf"
    if found is not None:
        return f"a {found} picture: rename it to .{found.lower()}"
    if not any(head):
        return "a file of zeros: download or copy it again"
    return "something we do not know: download or copy it again"


def _suffixes() -> str:
    return " ".join(sorted(PDF_SUFFIXES | PICTURE_SUFFIXES))
