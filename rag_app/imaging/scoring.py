"""How well an image fits what was asked: its picture against a picture and against words, its texts against words.

Texts have a scale of their own (rag_app.retrieval.image_text), which says when nothing fits. Cosines of an image model
do not: all of them lie in a narrow band, another one for each model and question. So a cosine counts by where it lies
between a picture that has nothing to do with the question and the best one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from rag_app.retrieval.image_text import StoredText


@dataclass(frozen=True, slots=True)
class Weights:
    """Weight of each part, which is about 0 to 1.

    The part of texts and that of pixels count the same. They are not tuned: no image model with real weights was at
    hand, and which of the two is better depends on the model and on the captions.
    """

    image: float = 1.0  # the picture, against the picture asked with, where words are asked too
    look: float = 1.0  # the picture, against the words
    texts: float = 1.0  # the texts, against the words
    without: float = 1.0  # what is not wanted, taken off


SURE = 0.5  # score of texts from which on they are trusted in full when they are joined with another part
SAME = 0.985  # cosine of a picture with itself, saved again: it does not set the scale for all others ...
_MOST = 1.2  # ... and lies this far up on it, at most
_NAMED = 0.5  # of what its best part gave, from which on another part is named too
_KIND_OF_TEXT = {"caption": "caption", "description": "description", "text in figure": "text"}


@dataclass(slots=True)
class Found:
    """What is known of one image. Cosines and the score of texts are raw; None where that part says nothing.

    told: the text about it that fits best. parts: weighted, filled in by `score`; its score is their sum.
    """

    image: float | None = None
    look: float | None = None
    meaning: float | None = None
    words: float | None = None
    told: StoredText | None = None
    unwanted_look: float | None = None
    unwanted_texts: float | None = None
    parts: dict[str, float] = field(default_factory=dict)

    @property
    def texts(self) -> float:
        return (self.meaning or 0.0) + (self.words or 0.0)

    @property
    def total(self) -> float:
        return sum(self.parts.values())

    @property
    def by(self) -> tuple[str, ...]:
        """What led to it: its picture, or the kind of text that fits best, or both where neither gave far less."""
        given: dict[str, float] = {}
        if self.image is not None or self.look is not None:
            given["image"] = self.parts.get("image", 0.0) + self.parts.get("look", 0.0)
        if self.told is not None:
            given[_KIND_OF_TEXT[self.told.kind]] = self.parts.get("meaning", 0.0) + self.parts.get("words", 0.0)
        best = max(given.values(), default=0.0)
        return tuple(name for name, value in given.items() if value >= _NAMED * best and (value > 0 or value == best))


@dataclass(frozen=True, slots=True)
class Scale:
    """Cosines between which a picture goes from 0 to 1; they come from the best pictures of the whole library."""

    low: float
    high: float

    @classmethod
    def of(cls, best: np.ndarray, *, below: float = 2.0) -> Scale:
        """From the cosines of the best pictures, best first; those from `below` on count where there are no others."""
        others = best[best < below] if (best < below).any() else best
        if len(others) == 0:
            return cls(0.0, 1.0)
        return cls(float(others[-1]), float(others[0]))

    def __call__(self, cosine: float | None) -> float:
        if cosine is None:
            return 0.0
        if self.high - self.low < 1e-6:
            return 1.0 if cosine >= self.high else 0.0
        return float(np.clip((cosine - self.low) / (self.high - self.low), 0.0, _MOST))


def score(found: Mapping[int, Found], scales: Mapping[str, Scale], weights: Weights) -> None:
    """Puts its parts into each image that was found.

    scales: for "image", "look" and "unwanted_look", as far as they were asked.
    """
    joined = len(scales.keys() - {"unwanted_look"}) + any(one.texts for one in found.values()) > 1
    best_texts = max((one.texts for one in found.values()), default=0.0)
    best_unwanted = max((one.unwanted_texts or 0.0 for one in found.values()), default=0.0)
    share = weights.texts / max(best_texts, SURE) if joined else 1.0
    for one in found.values():
        parts: dict[str, float] = {}
        if one.image is not None:
            parts["image"] = weights.image * scales["image"](one.image) if joined else one.image
        if one.look is not None:
            parts["look"] = weights.look * scales["look"](one.look)
        parts["meaning"] = share * (one.meaning or 0.0)
        parts["words"] = share * (one.words or 0.0)
        unwanted = [max(one.unwanted_texts or 0.0, 0.0) / max(best_unwanted, SURE)]
        if one.unwanted_look is not None:
            unwanted.append(scales["unwanted_look"](one.unwanted_look))
        parts["without"] = -weights.without * max(unwanted)
        one.parts = {name: value for name, value in parts.items() if value}
