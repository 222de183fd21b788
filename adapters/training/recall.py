"""How well pictures and captions find each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Recall:
    """Shares of the queries whose right answer is among the first 1 or 5, in both directions.

    pictures, captions   how many different ones; a caption of several pictures is answered by any of them
    """

    pictures: int
    captions: int
    text_to_image_1: float
    text_to_image_5: float
    image_to_text_1: float
    image_to_text_5: float

    @property
    def mean_at_1(self) -> float:
        return (self.text_to_image_1 + self.image_to_text_1) / 2


def recall(images: np.ndarray, texts: np.ndarray, pairs: Sequence[tuple[int, int]]) -> Recall:
    """Recall over all pictures (n, dim) and captions (m, dim), unit rows; `pairs` are (picture, caption) that match.

    Equal similarities count against the right answer, so that a model for which all is alike has 0.
    """
    similarity = images @ texts.T
    right = np.zeros(similarity.shape, dtype=bool)
    for image, text in pairs:
        right[image, text] = True

    def found(scores: np.ndarray, answers: np.ndarray, k: int) -> float:
        best = np.where(answers, scores, -np.inf).max(axis=1, keepdims=True)
        ahead = ((scores >= best) & ~answers).sum(axis=1)
        return float((ahead < k).mean())

    return Recall(
        pictures=len(images),
        captions=len(texts),
        text_to_image_1=found(similarity.T, right.T, 1),
        text_to_image_5=found(similarity.T, right.T, 5),
        image_to_text_1=found(similarity, right, 1),
        image_to_text_5=found(similarity, right, 5),
    )
