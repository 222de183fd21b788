"""A CLIP model as LlamaIndex's MultiModalEmbedding: pictures and texts as vectors in one space."""

# torch comes with the clip extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

import asyncio
import importlib.util
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.embeddings.multi_modal_base import MultiModalEmbedding

from adapters.decoding import batches
from adapters.names import ModelName
from adapters.open_clip import weights
from adapters.open_clip.languages import known_languages
from adapters.open_clip.naming import Source, parse_source
from adapters.pictures import quiet
from adapters.torchvision_shim import ensure_torchvision
from rag_app.errors import CorruptPicture, ModelFailed, ModelUnsuitable
from rag_app.models import ImageVectors
from rag_app.settings import Settings

if TYPE_CHECKING:
    from adapters.open_clip.int8 import Agreement, Int8Tower
    from adapters.open_clip.texts import TextEncoder
    from adapters.open_clip.towers import Towers

# Pictures in one forward pass. ViT-B-32 on two cores: 17 a second one by one, 28 at 16, 26 at 64.
BATCH = 16


class OpenClipEmbedding(MultiModalEmbedding):
    """CLIP embeddings of unit length, equal to open_clip's own (cosine >= 0.9999); fills ImageEmbedding.

    Making the object is cheap; torch, open_clip and the weights load at first use (5 to 20 s), once, under a lock.
    `model_name` names the space. Raises at first use, or at `check`: UnknownName, WeightsMissing, ModelUnsuitable.
    """

    _source: Source = PrivateAttr()
    _towers: Towers | None = PrivateAttr(default=None)
    _encoder: TextEncoder | None = PrivateAttr(default=None)
    _int8: Int8Tower | None = PrivateAttr(default=None)
    _lock: Any = PrivateAttr(default_factory=RLock)  # Any: RLock is a function to the type checker

    def __init__(self, source: Source, *, batch: int = BATCH) -> None:
        super().__init__(model_name=source.name, embed_batch_size=batch)
        self._source = source

    @classmethod
    def class_name(cls) -> str:
        return "OpenClipEmbedding"

    @property
    def dimensions(self) -> int:
        """Of the vectors; imports open_clip, needs no weights."""
        return int(self._config["embed_dim"])

    @property
    def languages(self) -> frozenset[str] | None:
        """ISO 639-1 codes its texts may be in; None for no stated limit."""
        return known_languages(self._config)

    @property
    def agreement(self) -> Agreement | None:
        """How near the int8 vectors are to the exact ones; None without #int8 and before the first picture."""
        return self._int8.agreement if self._int8 is not None else None

    def check(self) -> None:
        """Load everything now, so that whatever is missing is told before any work."""
        _ = self._texts, self._image_tower

    def fingerprint(self) -> str:
        """16 hex digits that tell the weights, adapter included, from others of the same name."""
        from adapters.open_clip.towers import fingerprint

        return fingerprint(self._model.model)

    def embed_images(
        self, images: Iterable[Path | bytes], *, on_progress: Callable[[int], None] | None = None
    ) -> ImageVectors:
        """A vector for each picture, a file or encoded bytes; a bad picture is a problem and the others go on.

        Pictures are decoded in threads while the model works, two batches ahead at most: memory does not grow with
        their number, beyond the vectors. Raises WeightsMissing, ModelFailed, ModelUnsuitable.
        """
        forward = self._image_tower
        rows: list[np.ndarray] = []
        indices: list[int] = []
        problems: dict[int, str] = {}
        seen = 0
        with quiet():
            for batch in batches(images, self._model.prepare, size=self.embed_batch_size):
                if batch.indices:
                    rows.append(forward(batch.prepared))
                    indices.extend(batch.indices)
                problems.update(batch.problems)
                seen = batch.seen
                if on_progress is not None:
                    on_progress(seen)
        vectors = np.full((seen, self._model.dimensions), np.nan, dtype=np.float32)
        if rows:
            vectors[indices] = np.concatenate(rows)
            if not np.isfinite(vectors[indices]).all():
                raise ModelFailed(f"{self.model_name} gave no numbers for a picture: its weights are damaged.")
        return ImageVectors(vectors, problems)

    def embed_texts(self, texts: Sequence[str], *, language: str | None = None) -> np.ndarray:
        """(n_texts, dimensions) float32 of unit length; the last 4,096 texts are remembered.

        language: ISO 639-1, for models that must be told it (nllb); None decides by a text's script.
        """
        return self._texts.encode(texts, language=language)

    @property
    def _config(self) -> Any:  # Any: JSON
        if self._towers is not None:
            return self._towers.config
        ensure_torchvision()
        return weights.model_config(self._source)

    @property
    def _model(self) -> Towers:
        with self._lock:
            if self._towers is None:
                from adapters.open_clip.towers import build

                self._towers = build(self._source)
            return self._towers

    @property
    def _texts(self) -> TextEncoder:
        with self._lock:
            if self._encoder is None:
                model = self._model  # torch is imported in the right way first
                from adapters.open_clip.texts import TextEncoder

                self._encoder = TextEncoder(model, self.model_name)
            return self._encoder

    @property
    def _image_tower(self) -> Callable[[list[Any]], np.ndarray]:  # Any: torch.Tensor
        model = self._model
        import torch

        if self._source.int8:
            with self._lock:
                if self._int8 is None:
                    from adapters.open_clip.int8 import Int8Tower

                    self._int8 = Int8Tower(model.model, self.fingerprint(), model.side)
                fast = self._int8
            return lambda prepared: fast.encode(torch.stack(prepared), self.model_name)

        def exact(prepared: list[Any]) -> np.ndarray:  # Any: torch.Tensor
            with torch.inference_mode():
                pictures = torch.stack(prepared).to(model.device)
                return model.model.encode_image(pictures, normalize=True).float().cpu().numpy()

        return exact

    def _get_query_embedding(self, query: str) -> list[float]:
        return self.embed_texts([query])[0].tolist()

    def _get_text_embedding(self, text: str) -> list[float]:
        return self.embed_texts([text])[0].tolist()

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self.embed_texts(texts).tolist()

    def _get_image_embedding(self, img_file_path: str | io.BytesIO) -> list[float]:
        return self._get_image_embeddings([img_file_path])[0]

    def _get_image_embeddings(self, img_file_paths: list[str | io.BytesIO]) -> list[list[float]]:
        """LlamaIndex has no place for problems: the first one is raised, as CorruptPicture."""
        found = self.embed_images(
            one.getvalue() if isinstance(one, io.BytesIO) else Path(one) for one in img_file_paths
        )
        for problem in found.problems.values():
            raise CorruptPicture(problem)
        return found.vectors.tolist()

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await asyncio.to_thread(self._get_query_embedding, query)

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return await asyncio.to_thread(self._get_text_embedding, text)

    async def _aget_image_embedding(self, img_file_path: str | io.BytesIO) -> list[float]:
        return await asyncio.to_thread(self._get_image_embedding, img_file_path)

    async def _aget_image_embeddings(self, img_file_paths: list[str | io.BytesIO]) -> list[list[float]]:
        return await asyncio.to_thread(self._get_image_embeddings, img_file_paths)

    def __getstate__(self) -> dict[str, Any]:  # Any: pydantic's own state
        state = super().__getstate__()
        private = dict(state.get("__pydantic_private__") or {})
        private.update(_towers=None, _encoder=None, _int8=None)  # loaded again at next use
        private.pop("_lock", None)
        return {**state, "__pydantic_private__": private}

    def __setstate__(self, state: dict[str, Any]) -> None:  # Any: pydantic's own state
        super().__setstate__(state)
        self._lock = RLock()


def load(name: ModelName, settings: Settings) -> OpenClipEmbedding:
    """The image embedding for an `openclip:` name (see naming.py); loads nothing yet.

    Raises UnknownName for a name not written as such names are, ModelUnsuitable where open_clip is not installed.
    """
    source = parse_source(name)
    for package in ("torch", "open_clip"):
        if importlib.util.find_spec(package) is None:
            raise ModelUnsuitable(
                f"{source.name} needs {package}, which is not installed. Run: pip install 'rag-app[clip]', or set "
                f"models.image_embedding to builtin."
            )
    return OpenClipEmbedding(source)
