"""Which images of a dataset are the same image, or slices beside each other, so that no split comes between them.

Likely pairs are the nearest neighbours in the builtin image space, which finds cropped and mirrored copies, and all
pictures with nearly the same fingerprint; each likely pair is then laid onto each other and compared pixel by pixel.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rag_app.disjoint import DisjointSets

if TYPE_CHECKING:
    from adapters.builtin.same_picture import Look

NEIGHBOURS = 5  # nearest pictures each one is compared with; a copy was never further than the third of 600
_KEPT = 4096  # first pictures whose features are kept, and as many of the others: 0.5 GB each
_BLOCK = 1024

Degree = Literal["same", "related"]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two images, by their places in the input, one < other. correlation: of their shapes."""

    one: int
    other: int
    degree: Degree
    correlation: float
    mirrored: bool


@dataclass(frozen=True, slots=True)
class Leak:
    """Test images that are, or lie beside, images of another part, by label: `same` and `related` of `total`."""

    label: str
    same: int
    related: int
    total: int

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return {"label": self.label, "same": self.same, "related": self.related, "total": self.total}


def find_pairs(images: Sequence[Path], *, on_progress: Callable[[int, int], None] | None = None) -> list[Pair]:
    """All pairs of images that are the same or related, in order; every image can be read.

    Cost: 40 ms an image and 5 comparisons of 7 ms each, in a thread a core, and n^2 products of 857 numbers; 120 kB an
    image, of at most 8192. on_progress: called with images done, in all.
    """
    from adapters.builtin.looked_at import look_at_all
    from adapters.builtin.near_duplicates import NEAR_BITS, groups
    from adapters.builtin.same_picture import likenesses, look

    once = look_at_all(images, looks=_KEPT)
    likely = _neighbours(once.vectors)
    for members in groups(once.fingerprints, limit_bits=NEAR_BITS):
        likely |= {(members[0], member) for member in members[1:]}
    others: dict[int, list[int]] = {}
    for one, other in sorted(likely):
        others.setdefault(one, []).append(other)
    later = lru_cache(maxsize=_KEPT)(lambda index: look(images[index]))

    def seen(index: int) -> Look:
        return once.looks[index] if index < _KEPT else later(index)

    def compared(one: int) -> list[Pair]:
        alike = likenesses(seen(one), [seen(other) for other in others[one]])
        return [
            Pair(one, other, "same" if like.same else "related", like.shapes, like.mirrored)
            for other, like in zip(others[one], alike, strict=True)
            if like.related
        ]

    found: list[Pair] = []
    with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="pairs") as pool:
        for one, pairs in zip(others, pool.map(compared, others), strict=True):
            found += pairs
            if on_progress:
                on_progress(one + 1, len(images))
    if on_progress:
        on_progress(len(images), len(images))
    return found


def clusters(n: int, pairs: Sequence[Pair]) -> list[int]:
    """The cluster of each of n images, named by its first image; pairs join clusters (single linkage)."""
    sets = DisjointSets(n)
    for pair in pairs:
        sets.join(pair.one, pair.other)
    return sets.roots()


def leaks_between(
    pairs: Sequence[Pair], parts: Sequence[str], labels: Sequence[str], *, held_out: str = "test"
) -> list[Leak]:
    """For each label with held-out images, how many of them have a pair in another part.

    parts and labels: of each image, in the order `find_pairs` was given them.
    """
    worst: dict[int, Degree] = {}
    for pair in pairs:
        for one, other in ((pair.one, pair.other), (pair.other, pair.one)):
            if parts[one] == held_out and parts[other] != held_out and worst.get(one) != "same":
                worst[one] = pair.degree
    leaks = []
    for label in dict.fromkeys(labels):
        held = [i for i, own in enumerate(labels) if own == label and parts[i] == held_out]
        degrees = [worst.get(i) for i in held]
        if held:
            leaks.append(Leak(label, degrees.count("same"), degrees.count("related"), len(held)))
    return leaks


def _neighbours(vectors: np.ndarray) -> set[tuple[int, int]]:
    """Each image with its nearest ones, as pairs (lower, higher)."""
    n = len(vectors)
    k = min(NEIGHBOURS, n - 1)
    pairs: set[tuple[int, int]] = set()
    if k < 1:
        return pairs
    for start in range(0, n, _BLOCK):
        likeness = vectors[start : start + _BLOCK] @ vectors.T
        rows = np.arange(len(likeness))
        likeness[rows, start + rows] = -np.inf
        nearest = np.argpartition(-likeness, k - 1, axis=1)[:, :k]
        pairs |= {(min(start + i, j), max(start + i, j)) for i in rows.tolist() for j in nearest[i].tolist()}
    return pairs
