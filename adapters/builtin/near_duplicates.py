"""Pictures that are the same picture: saved again, resized, a little lighter or darker.

A fingerprint is 256 bits of a picture's lowest frequencies (pHash, Zauner 2010, with 16 x 16 coefficients instead of
8 x 8: charts of one kind share the lowest 64). Cropped, mirrored and turned pictures are not near-duplicates here; the
space of adapters.builtin.visual finds those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from adapters.decoding import batches
from adapters.pictures import open_picture, quiet
from rag_app.disjoint import DisjointSets

BITS = 256
_FREQUENCIES = 16
_SIDE = 64  # pixels a side of what is transformed
_BATCH = 64
_BLOCK = 1024
# Differing bits up to which two pictures count as one. On 190 photos: saved at JPEG quality 30, or at half or double
# size, at most 12 bits; 30 % darker at most 6; 30 % lighter, which burns out, 24 in 95 of 100. No two photos differ by
# less than 92. benchmarks/visual_space.py measures this anew.
NEAR_BITS = 24
# Up to here also neighbouring slices of one scan: for splits that must not leak. Of charts it joins whole templates.
RELATED_BITS = 48


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """bits (n_images, 32) uint8, in the order given; problems: why a picture has none, by its index."""

    bits: np.ndarray
    problems: Mapping[int, str] = field(default_factory=dict)


def fingerprints(
    images: Iterable[Path | bytes], *, on_progress: Callable[[int], None] | None = None, workers: int = 0
) -> Fingerprints:
    """The fingerprint of each picture, a file or encoded bytes; a bad one is a problem and the others go on.

    workers: threads; 0 means one for each core, at most 8.
    """
    rows: list[np.ndarray] = []
    problems: dict[int, str] = {}
    nothing = np.zeros(BITS // 8, dtype=np.uint8)
    with quiet():
        for batch in batches(images, _fingerprint_of, size=_BATCH, workers=workers):
            rows.extend([nothing] * (batch.seen - len(rows)))
            for index, row in zip(batch.indices, batch.prepared, strict=True):
                rows[index] = row
            problems.update(batch.problems)
            if on_progress:
                on_progress(batch.seen)
    return Fingerprints(np.stack(rows) if rows else np.empty((0, BITS // 8), dtype=np.uint8), problems)


def fingerprint(rgb: np.ndarray) -> np.ndarray:
    """(32,) uint8 for a picture, (height, width, 3) uint8: which of its low frequencies lie above their median."""
    small = cv2.resize(rgb, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
    lowest = cv2.dct(grey)[:_FREQUENCIES, :_FREQUENCIES].ravel()
    lowest[0] = 0  # how light it is as a whole
    return np.packbits(np.round(lowest, 2) > np.median(lowest[1:]).round(2))


def groups(found: Fingerprints, *, limit_bits: int = NEAR_BITS) -> list[list[int]]:
    """Indices of pictures that are one, two or more to a group; groups and their members in the order of the input.

    Two pictures are joined when they differ by at most `limit_bits`, and so is who is joined to either of them (single
    linkage): no pair across two groups is that near. Cost n^2 comparisons: 4 s for 20,000 on one core.
    """
    kept = [i for i in range(len(found.bits)) if i not in found.problems]
    distinct, which = np.unique(found.bits[kept], axis=0, return_inverse=True)
    sets = DisjointSets(len(distinct))
    signs = np.where(np.unpackbits(distinct, axis=1), 1.0, -1.0).astype(np.float32)
    for start in range(0, len(distinct), _BLOCK):  # signs that agree less those that differ; whole numbers, so exact
        agreement = signs[start : start + _BLOCK] @ signs[start:].T
        for i, j in np.argwhere(agreement >= BITS - 2 * limit_bits):
            sets.join(start + int(i), start + int(j))
    together: dict[int, list[int]] = {}
    for image, row in zip(kept, which.ravel(), strict=True):
        together.setdefault(sets.root(int(row)), []).append(image)
    return [members for members in together.values() if len(members) > 1]


def _fingerprint_of(image: Path | bytes) -> np.ndarray:
    return fingerprint(np.asarray(open_picture(image, side=_SIDE)))
