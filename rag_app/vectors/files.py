"""The file of a FAISS index: the index as FAISS writes it, then what it was built from.

Layout: FAISS bytes, JSON of `Origin`, its length (4 bytes, little-endian), the mark RAGSPACE. The end is written last
and the file renamed into place when it is on the disk, so a file with a good end is whole.
"""

from __future__ import annotations

import dataclasses
import json
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import faiss

from rag_app.outside import json_value
from rag_app.store.replacing import replacing

MARK = b"RAGSPACE"
_BLOCK = 1 << 20
_READ_WHOLE_BYTES = 64 * 2**20  # about 0.05 s; a larger file is read whole by `rag-app check`
_HEAD_BYTES = 4096  # checked at every opening: where FAISS keeps the sizes it allocates by


class BrokenFile(Exception):
    """The file is not a whole index of this library; the space is built from the store again."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What an index file was built from: space, generation and its token; and what it must look like."""

    space: str
    generation: int
    token: str
    count: int
    faiss_bytes: int
    head_crc: int
    crc: int


def write(path: Path, index: faiss.Index, *, space: str, generation: int, token: str) -> None:
    """Write the index; at any moment there is the old file or the new one, whole. No second copy of it is made.

    Raises DiskFull, LibraryReadOnly.
    """
    with replacing(path, library=path.parent.parent) as file:
        written = _Written(file)
        # FAISS would turn an error of the callback into one of its own: it is kept and raised here.
        writer = faiss.PyCallbackIOWriter(written.take, _BLOCK)  # pyright: ignore[reportAttributeAccessIssue]  # made at import
        faiss.write_index(index, writer)
        if written.error is not None:
            raise written.error
        origin = Origin(space, generation, token, index.ntotal, written.size, zlib.crc32(written.head), written.crc)
        end = json.dumps(dataclasses.asdict(origin)).encode()
        file.write(end + struct.pack("<I", len(end)) + MARK)


class _Written:
    """What FAISS has written so far."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = self.crc = 0
        self.head = b""
        self.error: OSError | None = None

    def take(self, data: bytes) -> None:
        if self.error is not None:
            return
        try:
            self._file.write(data)
        except OSError as exc:
            self.error = exc
        self.size += len(data)
        self.crc = zlib.crc32(data, self.crc)
        if len(self.head) < _HEAD_BYTES:
            self.head = (self.head + data)[:_HEAD_BYTES]


def read_origin(path: Path, *, thorough: bool = False) -> Origin:
    """What the file was built from. Raises BrokenFile when it is not whole; `thorough` reads every byte."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            if size < len(MARK) + 4:
                raise BrokenFile(f"{path.name} is too short")
            file.seek(size - len(MARK) - 4)
            end = file.read()
            length = struct.unpack("<I", end[:4])[0]
            start = size - len(MARK) - 4 - length
            if end[4:] != MARK or start < 0:
                raise BrokenFile(f"{path.name} was cut off")
            file.seek(start)
            origin = Origin(**json_value(file.read(length)))
            _check(origin, path)
            file.seek(0)
            if (
                start != origin.faiss_bytes
                or zlib.crc32(file.read(_HEAD_BYTES)[: origin.faiss_bytes]) != origin.head_crc
            ):
                raise BrokenFile(f"{path.name} was changed")
            if thorough:
                file.seek(0)
                if _crc(file, origin.faiss_bytes) != origin.crc:
                    raise BrokenFile(f"{path.name} was changed")
            return origin
    except (OSError, ValueError, TypeError) as exc:
        raise BrokenFile(f"{path.name} cannot be read: {exc}") from exc


def _check(origin: Origin, path: Path) -> None:
    numbers = (origin.generation, origin.count, origin.faiss_bytes, origin.head_crc, origin.crc)
    told = isinstance(origin.space, str) and isinstance(origin.token, str)
    if not told or not all(type(number) is int and 0 <= number < 2**63 for number in numbers):
        raise BrokenFile(f"{path.name} does not say what it was built from")


def load(path: Path, *, mapped: bool) -> tuple[faiss.Index, Origin]:
    """The index and its origin; `mapped` leaves it on disk (changing it then would make FAISS abort the process).

    Raises BrokenFile when it is not whole or FAISS cannot read it.
    """
    faiss.set_deserialization_vector_byte_limit(_file_bytes(path))  # no part of it is larger than all of it
    origin = read_origin(path, thorough=path.exists() and path.stat().st_size <= _READ_WHOLE_BYTES)
    while True:
        try:
            index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC if mapped else 0)
        except RuntimeError as exc:
            raise BrokenFile(f"{path.name}: {exc}") from exc
        after = read_origin(path)
        if after == origin:  # not replaced by another process in between
            if not _of_ours(index):
                raise BrokenFile(f"{path.name} is not an index as they are written here")
            if index.ntotal != origin.count:
                raise BrokenFile(f"{path.name} holds {index.ntotal} vectors instead of {origin.count}")
            return index, origin
        origin = after


def _of_ours(index: faiss.Index) -> bool:
    """Whether it is of a kind that we write: FAISS would read any, one that runs on for hours among them."""
    if isinstance(index, faiss.IndexIDMap):
        ids = index.id_map  # pyright: ignore[reportAttributeAccessIssue]  # made at import
        return isinstance(faiss.downcast_index(index.index), faiss.IndexFlat) and ids.size() == index.ntotal  # pyright: ignore[reportAttributeAccessIssue]  # the same
    return isinstance(index, faiss.IndexIVFScalarQuantizer)


def _file_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as exc:
        raise BrokenFile(f"{path.name} cannot be read: {exc}") from exc


def _crc(file: BinaryIO, length: int) -> int:
    crc = 0
    while length > 0:
        block = file.read(min(length, 1 << 20))
        if not block:
            break
        crc, length = zlib.crc32(block, crc), length - len(block)
    return crc
