"""The builtin space of pictures: visual descriptors without weights, for similar pictures. It is no CLIP."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from adapters.builtin import visual_features
from adapters.decoding import batches
from adapters.names import ModelName
from adapters.pictures import open_picture, quiet
from rag_app.errors import ModelUnsuitable, UnknownName
from rag_app.models import ImageVectors
from rag_app.settings import Settings

_BATCH = 32


class VisualEmbedding:
    """Pictures by colour, edges, texture and layout, as unit vectors whose inner product says how alike they look.

    It finds a picture again that was cropped, mirrored, resized, saved again or made lighter, and pictures that look
    like it; what is on them it does not know, and it takes no words. Deterministic, no weights. Raises nothing for a
    bad picture: that is a problem of its own.
    """

    model_name = "builtin-visual"
    languages: frozenset[str] | None = frozenset()

    def __init__(self, *, workers: int = 0) -> None:
        """workers: threads that decode and describe; 0 means one for each core, at most 8."""
        self._workers = workers

    @property
    def dimensions(self) -> int:
        return visual_features.dimensions()

    def embed_images(
        self, images: Iterable[Path | bytes], *, on_progress: Callable[[int], None] | None = None
    ) -> ImageVectors:
        """A vector for each picture; see rag_app.models.ImageEmbedding. Memory does not grow with their number but for
        the vectors themselves."""
        rows: list[np.ndarray] = []
        problems: dict[int, str] = {}
        cv2.setNumThreads(1)  # the threads are ours, one a picture; OpenCV's own only wait for each other
        with quiet():
            for batch in batches(images, _describe, size=_BATCH, workers=self._workers):
                rows.extend([np.full(self.dimensions, np.nan, dtype=np.float32)] * (batch.seen - len(rows)))
                for index, row in zip(batch.indices, batch.prepared, strict=True):
                    rows[index] = row
                problems.update(batch.problems)
                if on_progress:
                    on_progress(batch.seen)
        vectors = np.stack(rows) if rows else np.empty((0, self.dimensions), dtype=np.float32)
        return ImageVectors(vectors, problems)

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Raises ModelUnsuitable: there are no words in this space."""
        raise ModelUnsuitable(
            f"{self.model_name} compares pictures with pictures and takes no words: search by captions and "
            "descriptions, or set models.image_embedding to a CLIP model such as openclip:ViT-B-32/laion2b_s34b_b79k."
        )


def load(name: ModelName, settings: Settings) -> VisualEmbedding:
    """The image embedding for the name `builtin`."""
    if name.rest or name.adapter:
        raise UnknownName(f"{name} is not known; the builtin image embedding is called builtin.")
    return VisualEmbedding()


def _describe(image: Path | bytes) -> np.ndarray:
    return visual_features.describe(np.asarray(open_picture(image, side=visual_features.SIDE)))
