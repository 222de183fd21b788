"""Whether two pictures show the same picture: cropped, mirrored, resized, saved again, lighter or darker.

Local features of both are matched (SIFT, Lowe 2004, with his ratio test), the similarity that carries one onto the
other is estimated from them (RANSAC, Fischler and Bolles 1981), and the pixels are compared where they overlap. It
takes 7 ms a pair after 40 ms a picture, so only likely pairs are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from adapters.pictures import open_picture

SIDE = 256  # pixels of the longer side that are compared
_FEATURES = 400
_RATIO = 0.8  # of the distances to the nearest and the second nearest feature
_REPROJECTION_PIXELS = 3.0
_SCALES = (0.4, 2.5)  # by which one picture may be larger than the other
_OVERLAP = 0.25  # share of the second picture that must be covered
_CONTRAST = 0.5  # grey levels, standard deviation below which there is nothing to compare
_EDGE = np.ones((5, 5), np.uint8)
# Pixels, of what is compared. Coarser shapes are alike in any two pictures of one organ; the finest are lost when a
# picture is saved again, so that copies are told by `_SHAPES`, and slices beside each other by `_DETAILS`.
_SHAPES, _DETAILS = (2.0, 6.0), (1.0, 4.0)
# Set on 600 brain MRI slices and on noisy drawings of one chest, 112 pixels a side, each with changed copies
# (benchmarks/medical_leaks.py measures this anew). Shapes of copies correlate by 0.94 or more, JPEG quality 30
# included, of other pictures by up to 0.84. Details of neighbouring slices correlate by 0.5 to 0.8, of others by 0.53.
SAME = 0.9
RELATED = 0.6


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What is compared of a picture: grey (height, width) uint8, its features' places (n, 2) float32 and descriptors
    (n, 128) uint8. About 120 kB."""

    grey: np.ndarray
    points: np.ndarray
    descriptors: np.ndarray

    def mirrored(self) -> Look:
        turned = np.ascontiguousarray(self.grey[:, ::-1])
        return Look(turned, *_features(turned))


@dataclass(frozen=True, slots=True)
class Likeness:
    """How far two pictures are one.

    shapes, details  correlations where they overlap, -1 to 1; 0 where no similarity carries one onto the other
    overlap          share of the second picture, 0 to 1
    mirrored         one of them is mirrored
    """

    shapes: float = 0.0
    details: float = 0.0
    overlap: float = 0.0
    mirrored: bool = False

    @property
    def same(self) -> bool:
        """One picture is the other one, changed."""
        return self.shapes >= SAME

    @property
    def related(self) -> bool:
        """They may be neighbouring slices of one scan, or one view taken twice; true of the same picture, too."""
        return self.same or self.details >= RELATED


def look(image: Path | bytes) -> Look:
    """What `likenesses` compares of a picture, a file or encoded bytes. Raises what `open_picture` raises."""
    return look_at(open_picture(image, side=SIDE))


def look_at(picture: Image.Image) -> Look:
    """As `look`, of an opened picture."""
    grey = np.asarray(picture.convert("L"))
    scale = SIDE / max(grey.shape)
    size = (max(8, round(grey.shape[1] * scale)), max(8, round(grey.shape[0] * scale)))
    grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return Look(grey, *_features(grey))


def likenesses(one: Look, others: Sequence[Look]) -> list[Likeness]:
    """How far `one`, upright or mirrored, is the same picture as each of the others."""
    turned: Look | None = None
    found = []
    for other in others:
        best = _aligned(one, other)
        if not best.same:
            turned = turned or one.mirrored()
            flipped = _aligned(turned, other)
            if flipped.shapes > best.shapes:
                best = replace(flipped, mirrored=True)
        found.append(best)
    return found


def _features(grey: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    detector = cv2.SIFT.create(nfeatures=_FEATURES, contrastThreshold=0.02)
    points, descriptors = detector.detectAndCompute(grey, None)
    if descriptors is None:  # nothing but one grey
        return np.empty((0, 2), np.float32), np.empty((0, 128), np.uint8)
    return np.asarray([point.pt for point in points], np.float32), descriptors.astype(np.uint8)


def _correlation(one: np.ndarray, other: np.ndarray, inside: np.ndarray, band: tuple[float, float]) -> float:
    """Of what two pictures (height, width) have between the ends of `band`; 0 where one of them has nothing."""

    def between(grey: np.ndarray) -> np.ndarray:
        levels = grey.astype(np.float32)
        return (cv2.GaussianBlur(levels, (0, 0), band[0]) - cv2.GaussianBlur(levels, (0, 0), band[1]))[inside]

    a, b = between(one), between(other)
    return float(np.corrcoef(a, b)[0, 1]) if min(a.std(), b.std()) >= _CONTRAST else 0.0


def _aligned(one: Look, other: Look) -> Likeness:
    if min(len(one.points), len(other.points)) < 4:
        return Likeness()
    pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(one.descriptors, other.descriptors, k=2)
    kept = [two[0] for two in pairs if len(two) == 2 and two[0].distance < _RATIO * two[1].distance]
    if len(kept) < 4:
        return Likeness()
    transform, _ = cv2.estimateAffinePartial2D(
        one.points[[match.queryIdx for match in kept]],
        other.points[[match.trainIdx for match in kept]],
        method=cv2.RANSAC,
        ransacReprojThreshold=_REPROJECTION_PIXELS,
    )
    if transform is None or not _SCALES[0] < float(np.hypot(transform[0, 0], transform[1, 0])) < _SCALES[1]:
        return Likeness()
    height, width = other.grey.shape
    carried = cv2.warpAffine(one.grey, transform, (width, height))
    everywhere = np.full(one.grey.shape, 255, np.uint8)
    covered = cv2.warpAffine(everywhere, transform, (width, height), flags=cv2.INTER_NEAREST)
    carried = np.where(covered > 0, carried, other.grey)  # no edge where nothing covers it
    inside = cv2.erode(covered, _EDGE) > 0
    overlap = float(inside.mean())
    if overlap < _OVERLAP:
        return Likeness()
    shapes, details = (_correlation(carried, other.grey, inside, band) for band in (_SHAPES, _DETAILS))
    return Likeness(shapes, details, overlap)
