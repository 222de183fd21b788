"""Checksums of what answers are made of: SQLite notices a broken page, but not a changed letter or number in one.

They are compared whenever a node or a vector is read. CRC-32 finds every change of up to 32 bits in a row.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Sequence

MOST_BYTES = 512 * 2**20  # of one parsed paper: 5000 pages of a dense one take 150 MB
FIELDS = "node_id, kind, page, label, image, text, nodes.metadata, extras"  # columns of nodes, in the order of the sum


class BrokenRow(sqlite3.DatabaseError):
    """A row does not hold what was put into it; `failures.translate` says so to the user."""


def of_node(fields: Sequence[object]) -> int:
    """The sum of a node from the columns in FIELDS. `words` is derived from them, and zlib has a sum of its own."""
    return zlib.crc32("\0".join(map(str, fields)).encode("utf-8", "surrogatepass"))


def of_vector(row: int, vector: bytes) -> int:
    """The sum of a node's vector: of its bytes and of the node's row."""
    return zlib.crc32(vector, row & 0xFFFFFFFF)


def check_node(row: int, fields: Sequence[object], crc: object) -> None:
    """Raises BrokenRow when the columns of a node in FIELDS do not fit its sum."""
    if of_node(fields) != crc:
        raise BrokenRow(f"node {row} is not what was stored")


def check_vector(row: int, vector: object, crc: object) -> None:
    """Raises BrokenRow when a vector does not fit its sum."""
    if not isinstance(vector, bytes) or of_vector(row, vector) != crc:
        raise BrokenRow(f"the vector of node {row} is not what was stored")


def inflated(body: object) -> bytes:
    """What was compressed into `body`. Raises zlib.error when it is not whole or would be larger than MOST_BYTES."""
    inflating = zlib.decompressobj()
    found = inflating.decompress(body, MOST_BYTES)  # pyright: ignore[reportArgumentType]  # anything, where the file is damaged
    if not inflating.eof:
        raise zlib.error("it is cut off, or larger than anything that is stored")
    return found


def unpacked(body: object, what: str) -> str:
    """The text that was compressed into `body`, which carries its own sum. Raises BrokenRow about `what`."""
    try:
        return inflated(body).decode()
    except (zlib.error, UnicodeDecodeError, TypeError) as exc:
        raise BrokenRow(f"{what} is not what was stored") from exc
