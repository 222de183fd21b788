"""Near-duplicates among the images that were found: the same picture, saved again, resized or a little lighter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

ALIKE = 0.8  # cosine of two picture vectors, below which no near-duplicate lies: those are not compared bit by bit


def grouped(rows: Sequence[int], files: Mapping[int, Path], vectors: Mapping[int, np.ndarray]) -> list[list[int]]:
    """`rows` in their order, each with those after it that are nearly the same picture; a row is in one group only.

    Args:
        files: the picture of each row that has one; equal files are the same picture.
        vectors: of unit length, in one image space; a pair without them is compared as one that may be the same.
    """
    groups: list[list[int]] = []
    for row in rows:
        for group in groups:
            if _same(group[0], row, files, vectors):
                group.append(row)
                break
        else:
            groups.append([row])
    return groups


def _same(one: int, other: int, files: Mapping[int, Path], vectors: Mapping[int, np.ndarray]) -> bool:
    if one not in files or other not in files:
        return False
    if files[one] == files[other]:
        return True
    if one in vectors and other in vectors and float(vectors[one] @ vectors[other]) < ALIKE:
        return False
    from adapters.builtin.near_duplicates import NEAR_BITS

    bits = _bits(files[one]), _bits(files[other])
    return all(bit is not None for bit in bits) and _differing(*bits) <= NEAR_BITS


def _differing(one: bytes | None, other: bytes | None) -> int:
    assert one is not None and other is not None
    return (int.from_bytes(one) ^ int.from_bytes(other)).bit_count()


@lru_cache(maxsize=20_000)
def _bits(file: Path) -> bytes | None:
    """The fingerprint of a crop, which never changes; None for one that cannot be read."""
    from adapters.builtin.near_duplicates import fingerprints

    found = fingerprints([file], workers=1)
    return None if found.problems else found.bits[0].tobytes()
