"""Text embeddings of an Ollama server, as a LlamaIndex BaseEmbedding."""

from __future__ import annotations

import math
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import PrivateAttr

from adapters.names import ModelName
from adapters.ollama import background, catalogue, failures, names, talk
from adapters.ollama.prefixes import Prefixes, prefixes_of
from adapters.ollama.server import Server, at
from rag_app.errors import ModelUnsuitable, PromptTooLong, UnknownName, UnusableReply
from rag_app.settings import Settings

BATCH = 32  # texts a request
_SHORTER = 0.8  # of a text that is too long, until it fits
_SHORTEST = 32  # characters; what still does not fit is the server's fault


class OllamaEmbedding(BaseEmbedding):
    """Embeddings of an Ollama model. Making it asks the server nothing.

    A text longer than the model reads is embedded without its end, shortened until it fits, and counted in `shortened`.
    Vectors have length 1. Queries and documents get the prefixes that the model was trained with
    (adapters.ollama.prefixes).

    Raises, at first use, the errors of `rag_app.models.LanguageModel.ask`; ModelUnsuitable when it does not embed.
    """

    shortened: int = 0
    languages: frozenset[str] | None = None  # whatever the model was trained on; the server does not say
    _settings: Settings = PrivateAttr()
    _wire_name: str = PrivateAttr()
    _prefixes: Prefixes = PrivateAttr()
    _dimensions: int | None = PrivateAttr(default=None)

    def __init__(self, model: str, *, settings: Settings | None = None, batch: int = BATCH) -> None:
        super().__init__(model_name=f"ollama:{names.full(model)}", embed_batch_size=batch)
        self._settings = settings or Settings()
        self._wire_name = model
        self._prefixes = prefixes_of(names.full(model))

    @classmethod
    def class_name(cls) -> str:
        return "OllamaEmbedding"

    @property
    def dimensions(self) -> int:
        """Numbers in a vector; embeds one word to know it, once."""
        if self._dimensions is None:
            self._get_text_embedding("dimensions")
        assert self._dimensions is not None  # every embedding sets it
        return self._dimensions

    def check(self) -> None:
        """Make sure that the model is there and embeds; raises as LanguageModel.check."""

        async def work() -> None:
            await _suit(at(self._settings), self._wire_name)

        background.run(work())

    async def _embed(self, texts: list[str]) -> list[list[float]]:
        """Vectors of `texts`, prefixes included, in their order; on the background loop."""
        if not texts:
            return []
        try:
            return await self._fitting(texts)
        except PromptTooLong:
            if len(texts) > 1:
                middle = len(texts) // 2
                return [*await self._embed(texts[:middle]), *await self._embed(texts[middle:])]
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
        """The vectors of texts that the model reads whole; PromptTooLong when one of them is too long."""
        model, settings = names.full(self._wire_name), self._settings
        vectors = await talk.repeated(at(settings), settings, model, lambda: self._send(texts))
        width = len(vectors[0])
        self._dimensions = self._dimensions or width
        if width != self._dimensions:
            raise UnusableReply(f"{model} gave vectors of {width} numbers after {self._dimensions}; was it replaced?")
        return vectors

    async def _send(self, texts: list[str]) -> list[list[float]]:
        server, wait_s = at(self._settings), float(self._settings.ollama.first_word_s)
        known = await _suit(server, self._wire_name)
        body = {
            "model": names.on_wire(self._wire_name),
            "input": texts,
            "truncate": False,
            "keep_alive": talk.keep_alive(self._settings.ollama.keep_alive),
        }
        if known.context_length:  # one fixed value: another one would load the model anew
            body["options"] = {"num_ctx": min(known.context_length, self._settings.ollama.context_tokens)}
        async with server.places.one(self._settings.ollama.parallel):
            answer = await server.client.fetch("/api/embed", body, model_s=wait_s)
        return _vectors(answer, len(texts), known.name)

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


async def _suit(server: Server, name: str) -> catalogue.Installed:
    model = await catalogue.facts(server, name)
    if "embedding" not in model.capabilities:
        others = await catalogue.names_with(server, "embedding")
        have = f"Installed embedding models: {', '.join(others)}." if others else "Get one: rag-app models pull bge-m3"
        raise ModelUnsuitable(f"{model.name} makes no embeddings. {have}")
    return model


def _vectors(answer: Any, wanted: int, model: str) -> list[list[float]]:  # Any: JSON
    """The vectors of an answer, made length 1; BrokenReply where they are not `wanted` rows of numbers of one width."""
    rows = answer.get("embeddings") if isinstance(answer, dict) else None
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


def load(name: ModelName, settings: Settings) -> OllamaEmbedding:
    """The text embedding of that name."""
    if name.adapter:
        raise UnknownName(f"{name} names a LoRA adapter; an embedding of Ollama takes none.")
    return OllamaEmbedding(name.rest, settings=settings)
