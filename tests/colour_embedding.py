"""An image embedding with a text tower that tests can reason about: pictures and words as amounts of six colours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from adapters.names import ModelName
from adapters.pictures import open_picture
from rag_app.errors import RagAppError, WeightsMissing
from rag_app.models import ImageVectors
from rag_app.settings import Models, Settings

NAME = "openclip:colours"
SPACE = "image:openclip:colours:7"
SETTINGS = Settings(models=Models(image_embedding=NAME))
COLOURS = {
    "red": (200, 30, 30),
    "green": (30, 160, 60),
    "blue": (40, 60, 200),
    "yellow": (230, 210, 40),
    "black": (20, 20, 20),
    "white": (250, 250, 250),
}
PERSIAN = {"قرمز": "red", "سبز": "green", "آبی": "blue", "زرد": "yellow", "سیاه": "black", "سفید": "white"}


class ColourEmbedding:
    """missing: as a model whose weights are not there. breaks_after: it fails after so many calls with pictures."""

    model_name = NAME
    dimensions = len(COLOURS) + 1
    languages: frozenset[str] | None = frozenset({"en", "fa"})
    missing = False
    breaks_after: int | None = None

    def embed_images(
        self, images: Iterable[Path | bytes], *, on_progress: Callable[[int], None] | None = None
    ) -> ImageVectors:
        cls = type(self)
        if cls.missing:
            raise WeightsMissing("The weights of openclip:colours are not here. Run: rag-app models pull colours")
        given = list(images)
        if given and cls.breaks_after is not None:
            cls.breaks_after -= 1
            if cls.breaks_after < 0:
                raise KeyboardInterrupt
        rows, problems = [], {}
        for i, image in enumerate(given):
            try:
                rows.append(_amounts(np.asarray(open_picture(image)).reshape(-1, 3)))
            except RagAppError as exc:
                rows.append(np.full(self.dimensions, np.nan, np.float32))
                problems[i] = str(exc)
        vectors = np.stack(rows) if rows else np.empty((0, self.dimensions), np.float32)
        return ImageVectors(vectors.astype(np.float32), problems)

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        if type(self).missing:
            raise WeightsMissing("The weights of openclip:colours are not here. Run: rag-app models pull colours")
        return np.stack([_unit(_said(text)) for text in texts])


def load(name: ModelName, settings: Settings) -> ColourEmbedding:
    return ColourEmbedding()


def _amounts(pixels: np.ndarray) -> np.ndarray:
    known = np.array(list(COLOURS.values()), float)
    nearest = np.linalg.norm(pixels[:, None].astype(float) - known[None], axis=2).argmin(axis=1)
    counts = np.bincount(nearest, minlength=len(COLOURS)) / len(pixels)
    return _unit(np.append(counts, 0.1))


def _said(text: str) -> np.ndarray:
    words = {PERSIAN.get(word, word) for word in text.lower().replace(",", " ").split()}
    return np.append([float(colour in words) for colour in COLOURS], 0.1)


def _unit(vector: np.ndarray) -> np.ndarray:
    return (vector / np.linalg.norm(vector)).astype(np.float32)
