"""Postings of a large library in one file, mapped into memory: term -> nodes and how often, read off FTS5 once.

FTS5 finds the occurrences of a term at once but scores slowly (docs/storage.md has the figures), so past a few thousand
nodes the occurrences of all terms are copied into arrays. The file is derived: it names the state it was made from, and
what came later is read from FTS5 itself.

Layout: the mark RAGWORDS, length (4 bytes) and CRC (4 bytes) of a JSON header, the header, then the arrays it lists.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rag_app.store.replacing import replace_file
from rag_app.store.sums import BrokenRow

MARK = b"RAGWORDS"
_ALIGN = 64
_CHUNK = 500_000  # occurrences read from FTS5 at a time


@dataclass(frozen=True, slots=True)
class Postings:
    """Arrays over the `rows` of one state of the library.

    rows (n,) int64 ascending; lengths (n,) float32, all their words; hashes (t,) uint64 ascending, one a term; offsets
    (t + 1,) int64 into positions (p,) int32, which index `rows`, and counts (p,) float16, weighted by column.
    """

    generation: int
    token: str
    fingerprint: str
    rows: np.ndarray
    lengths: np.ndarray
    hashes: np.ndarray
    offsets: np.ndarray
    positions: np.ndarray
    counts: np.ndarray

    def of(self, term: str) -> tuple[np.ndarray, np.ndarray]:
        """Positions (ascending) and weighted counts of a term; empty when no node holds it."""
        wanted = _hash(term)
        at = int(np.searchsorted(self.hashes, wanted))
        if at == len(self.hashes) or self.hashes[at] != wanted:
            return self.positions[:0], self.counts[:0]
        start, end = self.offsets[at : at + 2]
        return self.positions[start:end], self.counts[start:end]


_ARRAYS = {
    "rows": np.dtype("<i8"),
    "lengths": np.dtype("<f4"),
    "hashes": np.dtype("<u8"),
    "offsets": np.dtype("<i8"),
    "positions": np.dtype("<i4"),
    "counts": np.dtype("<f2"),
}


def build(
    connection: sqlite3.Connection, weights: Sequence[float], *, generation: int, token: str, fingerprint: str
) -> Postings:
    """Read all postings of the state this connection sees; about 60 microseconds a node."""
    found = connection.execute("SELECT row, length FROM lengths ORDER BY row").fetchall()
    rows, lengths = np.array([row for row, _ in found], np.int64), np.array([length for _, length in found], np.float32)
    terms = connection.execute("SELECT term, cnt FROM search_terms").fetchall()
    column_weights = np.array(weights, np.float32)
    sizes, positions, counts = [], [], []
    for chunk in _chunks(terms):
        found = occurrences(connection, "term >= ? AND term <= ?", (chunk[0][0], chunk[-1][0]))
        of_term = np.array([count for _, count in chunk])
        if of_term.sum() != len(found):
            raise BrokenRow("the full text index gives other occurrences than it counts")
        term_of = np.repeat(np.arange(len(chunk)), of_term)
        starts = np.flatnonzero((np.diff(found // 8, prepend=-1) != 0) | (np.diff(term_of, prepend=-1) != 0))
        counts.append(np.add.reduceat(column_weights[found % 8], starts).astype(np.float16))
        positions.append(np.searchsorted(rows, found[starts] // 8).astype(np.int32))
        sizes.append(np.bincount(term_of[starts], minlength=len(chunk)))
    hashes = np.array([_hash(term) for term, _ in terms], np.uint64)
    arrays = _sorted(hashes, sizes, positions, counts)
    return Postings(generation, token, fingerprint, rows, lengths, *arrays)


def occurrences(connection: sqlite3.Connection, where: str, values: Sequence[object]) -> np.ndarray:
    """Row * 8 + column number of each occurrence in the full text, by term, then by row."""
    # One string of numbers crosses from SQLite to numpy many times as fast as one tuple an occurrence.
    found = connection.execute(
        "SELECT group_concat(doc * 8 + CASE col WHEN 'title' THEN 0 WHEN 'section' THEN 1 WHEN 'caption' THEN 2 "
        f"WHEN 'body' THEN 3 ELSE 4 END, ' ') FROM search_words WHERE {where}",
        values,
    ).fetchone()[0]
    return np.fromstring(found, dtype=np.int64, sep=" ") if found else np.empty(0, np.int64)


def write(path: Path, postings: Postings, *, library: Path) -> None:
    """Put the file in place of the older one. Raises DiskFull, LibraryReadOnly."""
    arrays = {name: np.ascontiguousarray(getattr(postings, name), dtype) for name, dtype in _ARRAYS.items()}
    body: list[bytes] = []
    for array in arrays.values():
        body += [array.tobytes(), b"\0" * (-array.nbytes % _ALIGN)]
    header = json.dumps(
        {
            "crc": _crc(body),
            "generation": postings.generation,
            "token": postings.token,
            "fingerprint": postings.fingerprint,
            "sizes": {name: len(array) for name, array in arrays.items()},
        }
    ).encode()
    start = len(MARK) + 8 + len(header)
    header += b" " * (-start % _ALIGN)
    parts = [MARK + struct.pack("<II", len(header), zlib.crc32(header)) + header, *body]
    replace_file(path, parts, library=library)


def read(path: Path, *, thorough: bool = False) -> Postings | None:
    """The postings in the file, left on disk until they are used; None when the file is missing or not whole.

    `thorough` reads every byte.
    """
    try:
        with path.open("rb") as file:
            mark, length, crc = file.read(len(MARK)), *struct.unpack("<II", file.read(8))
            header = file.read(length)
    except (OSError, struct.error):
        return None
    if mark != MARK or zlib.crc32(header) != crc:
        return None
    try:
        found = json.loads(header)
        at = len(MARK) + 8 + length
        places = {}
        for name, dtype in _ARRAYS.items():
            places[name] = at
            at += -(-found["sizes"][name] * dtype.itemsize // _ALIGN) * _ALIGN
        if min(found["sizes"].values()) < 0 or at % _ALIGN:
            return None
    except (ValueError, LookupError, TypeError):  # whole, but not as it is written here
        return None
    if path.stat().st_size != at:
        return None
    mapped = np.memmap(path, np.uint8, "r")
    if thorough and zlib.crc32(mapped[places["rows"] :].tobytes()) != found["crc"]:
        return None
    arrays = {
        name: mapped[places[name] : places[name] + found["sizes"][name] * dtype.itemsize].view(dtype)
        for name, dtype in _ARRAYS.items()
    }
    return Postings(found["generation"], found["token"], found["fingerprint"], **arrays)


def _sorted(
    hashes: np.ndarray, sizes: list[np.ndarray], positions: list[np.ndarray], counts: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Hashes, offsets, positions and counts with the terms in the order of their hashes."""
    if not sizes:
        return hashes, np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0, np.float16)
    lengths = np.concatenate(sizes)
    starts = np.cumsum(lengths) - lengths
    order = np.argsort(hashes)
    offsets = np.concatenate([[0], np.cumsum(lengths[order])]).astype(np.int64)
    gather = np.repeat(starts[order] - offsets[:-1], lengths[order]) + np.arange(offsets[-1])
    return hashes[order], offsets, np.concatenate(positions)[gather], np.concatenate(counts)[gather]


def _crc(parts: list[bytes]) -> int:
    crc = 0
    for part in parts:
        crc = zlib.crc32(part, crc)
    return crc


def _chunks(terms: list[tuple[str, int]]) -> Iterator[list[tuple[str, int]]]:
    chunk, size = [], 0
    for entry in terms:
        chunk.append(entry)
        size += entry[1]
        if size >= _CHUNK:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _hash(term: str) -> np.uint64:
    """64 bits: two of a million terms coincide once in forty million libraries."""
    return np.uint64(int.from_bytes(hashlib.blake2b(term.encode(), digest_size=8).digest(), "little"))
