"""Text embeddings of a server, as a LlamaIndex BaseEmbedding: all but the request itself."""

from __future__ import annotations

import asyncio
import math
from abc import abstractmethod
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import PrivateAttr

from adapters.ollama import background, failures
from adapters.ollama.prefixes import Prefixes, prefixes_of
from rag_app.errors import PromptTooLong, UnusableReply

BATCH = 32  # texts a request
_MOST = 2048  # texts at a time, of LlamaIndex
_SHORTER = 0.8  # of a text that is too long, until it fits
_SHORTEST = 32  # characters; what still does not fit is the server's fault


class ServedEmbedding(BaseEmbedding):
    """Embeddings of a model behind a server. Making it asks the server nothing.

    Its servers get several batches at the same time, as many as they are given requests. A text longer than the model
    reads is embedded without its end, shortened until it fits, and counted in `shortened`. Vectors have length 1.
    Queries and documents get the prefixes that the model was trained with (adapters.ollama.prefixes).

    Raises, at first use, the errors of `rag_app.models.LanguageModel.ask`; ModelUnsuitable when it does not embed.
    """

    shortened: int = 0
    languages: frozenset[str] | None = None  # whatever the model was trained on; the server does not say
    _prefixes: Prefixes = PrivateAttr()
    _batch: int = PrivateAttr()
    _dimensions: int | None = PrivateAttr(default=None)

    def __init__(self, *, model_name: str, batch: int, at_once: int) -> None:
        """Args:
        batch: texts a request. at_once: requests at the same time, over all servers.
        """
        super().__init__(model_name=model_name, embed_batch_size=min(batch * at_once, _MOST))
        self._batch = batch
        self._prefixes = prefixes_of(model_name.lower())

    @property
    def dimensions(self) -> int:
        """Numbers in a vector; embeds one word to know it, once."""
        if self._dimensions is None:
            self._get_text_embedding("dimensions")
        assert self._dimensions is not None  # every embedding sets it
        return self._dimensions

    @abstractmethod
    def check(self) -> None:
        """Make sure that the model is there and embeds; raises as LanguageModel.check."""

    @abstractmethod
    async def _asked(self, texts: list[str]) -> list[list[float]]:
        """The vectors of texts that the model reads whole, of length 1; on the background loop.

        Raises PromptTooLong when one of them is too long, and other ModelErrors.
        """

    async def _embed(self, texts: list[str]) -> list[list[float]]:
        """Vectors of `texts`, prefixes included, in their order; on the background loop."""
        batches = [texts[start : start + self._batch] for start in range(0, len(texts), self._batch)]
        tasks = [asyncio.create_task(self._of_batch(batch)) for batch in batches]
        try:
            return [vector for vectors in await asyncio.gather(*tasks) for vector in vectors]
        finally:
            for task in tasks:  # what is left after one has failed
                task.cancel()

    async def _of_batch(self, texts: list[str]) -> list[list[float]]:
        try:
            return await self._fitting(texts)
        except PromptTooLong:
            if len(texts) > 1:
                middle = len(texts) // 2
                return [*await self._of_batch(texts[:middle]), *await self._of_batch(texts[middle:])]
            return await self._shorter(texts[0])

    async def _shorter(self, text: str) -> list[list[float]]:
        """The vector of as much of `text` as the model reads."""
        self.shortened += 1
        while True:
            text = text[: max(_SHORTEST, int(len(text) * _SHORTER))]
            try:
                return await self._fitting([text])
            except PromptTooLong:
                if len(text) <= _SHORTEST:
                    raise

    async def _fitting(self, texts: list[str]) -> list[list[float]]:
        vectors = await self._asked(texts)
        width = len(vectors[0])
        self._dimensions = self._dimensions or width
        if width != self._dimensions:
            name = self.model_name.partition(":")[2]
            raise UnusableReply(f"{name} gave vectors of {width} numbers after {self._dimensions}; was it replaced?")
        return vectors

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return background.run(self._embed([self._prefixes.document + text for text in texts]))

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_query_embedding(self, query: str) -> list[float]:
        return background.run(self._embed([self._prefixes.query + query]))[0]

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return await background.arun(self._embed([self._prefixes.document + text for text in texts]))

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return (await self._aget_text_embeddings([text]))[0]

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return (await background.arun(self._embed([self._prefixes.query + query])))[0]


def unit_vectors(rows: Any, wanted: int, model: str) -> list[list[float]]:  # Any: JSON
    """The rows made length 1; BrokenReply where they are not `wanted` rows of numbers of one width."""
    if not isinstance(rows, list) or len(rows) != wanted:
        count = len(rows) if isinstance(rows, list) else "no"
        raise failures.unusable(model, f"gave {count} vectors for {wanted} texts")
    if not all(isinstance(row, list) and row and len(row) == len(rows[0]) for row in rows):
        raise failures.unusable(model, "gave vectors of different lengths")
    if not all(isinstance(value, (int, float)) and math.isfinite(value) for row in rows for value in row):
        raise failures.unusable(model, "gave a vector with what is no number")
    lengths = [math.hypot(*row) for row in rows]
    if not all(lengths):
        raise failures.unusable(model, "gave a vector of zeros")
    return [[value / length for value in row] for row, length in zip(rows, lengths, strict=True)]
