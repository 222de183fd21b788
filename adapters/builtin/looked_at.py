"""All that pictures are compared by, of one decoding each: builtin vectors, fingerprints, local features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from adapters.builtin import near_duplicates, same_picture, visual_features
from adapters.decoding import batches
from adapters.pictures import open_picture, quiet
from rag_app.errors import InputError

_BATCH = 32


@dataclass(frozen=True, slots=True, eq=False)
class LookedAt:
    """Of each picture in order: vectors (n, d) float32 of the builtin space, its fingerprint, and what
    `same_picture.likenesses` compares, of the first pictures only."""

    vectors: np.ndarray
    fingerprints: near_duplicates.Fingerprints
    looks: list[same_picture.Look]


def look_at_all(images: Sequence[Path], *, looks: int) -> LookedAt:
    """Decode each picture once, in a thread a core; looks: of how many pictures they are kept, 120 kB each.

    Raises InputError for the first picture that cannot be read.
    """
    cv2.setNumThreads(1)  # the threads are ours, one a picture; OpenCV's own only wait for each other
    vectors, bits, kept = [], [], []
    with quiet():
        for batch in batches(images, _opened, size=_BATCH):
            for problem in batch.problems.values():
                raise InputError(problem)
            for vector, fingerprint, look in batch.prepared:
                vectors.append(vector)
                bits.append(fingerprint)
                if len(kept) < looks:
                    kept.append(look)
    if not images:
        vectors, bits = np.empty((0, visual_features.dimensions())), np.empty((0, near_duplicates.BITS // 8))
    prints = near_duplicates.Fingerprints(np.asarray(bits, np.uint8))
    return LookedAt(np.asarray(vectors, np.float32), prints, kept)


def _opened(image: Path | bytes) -> tuple[np.ndarray, np.ndarray, same_picture.Look]:
    picture = open_picture(image, side=same_picture.SIDE)
    pixels = np.asarray(picture)
    return visual_features.describe(pixels), near_duplicates.fingerprint(pixels), same_picture.look_at(picture)
