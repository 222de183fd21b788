"""Text embeddings of servers that speak OpenAI's protocol, as a LlamaIndex BaseEmbedding."""

from __future__ import annotations

from typing import Any

from llama_index.core.bridge.pydantic import PrivateAttr

from adapters.names import ModelName
from adapters.openai_compatible import catalogue, host, talk
from adapters.openai_compatible.server import Event, NotOpenAI, Server, at
from adapters.served_embedding import BATCH, ServedEmbedding, unit_vectors
from rag_app.errors import UnknownName
from rag_app.settings import Settings


class OpenAIEmbedding(ServedEmbedding):
    """Embeddings of a model by the name under which its server lists it; see ServedEmbedding.

    Behind several servers it has to be the same model at each: they do not say which weights they have.
    """

    _settings: Settings = PrivateAttr()
    _model: str = PrivateAttr()

    def __init__(self, model: str, *, settings: Settings, batch: int = BATCH) -> None:
        # Without an address it can be made, and says at first use that it needs one.
        servers = len(host.find(settings)) if settings.openai.hosts.strip() else 1
        super().__init__(model_name=f"openai:{model}", batch=batch, at_once=settings.openai.parallel * servers)
        self._settings, self._model = settings, model

    @classmethod
    def class_name(cls) -> str:
        return "OpenAIEmbedding"

    def check(self) -> None:
        """Make sure that the model is there; raises as LanguageModel.check. Whether it embeds shows at first use."""
        catalogue.check(self._model, self._settings, pictures=False)

    async def _asked(self, texts: list[str]) -> list[list[float]]:
        servers = at(self._settings)
        return await talk.repeated(servers, self._settings, self._model, lambda server: self._send(server, texts))

    async def _send(self, server: Server, texts: list[str]) -> list[list[float]]:
        await catalogue.facts(server, self._model)
        body = {"model": self._model, "input": texts, "encoding_format": "float"}
        answer = await server.fetch("/embeddings", body, model_s=float(self._settings.openai.first_word_s))
        return unit_vectors(_in_order(answer), len(texts), self._model)


def _in_order(answer: Event) -> list[Any]:  # Any: JSON, which unit_vectors looks into
    rows = answer.get("data")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise NotOpenAI("no list of vectors")
    by_index = {row.get("index", number): row.get("embedding") for number, row in enumerate(rows)}
    return [by_index[number] for number in sorted(by_index)]


def load(name: ModelName, settings: Settings) -> OpenAIEmbedding:
    """The text embedding of that name."""
    if name.adapter:
        raise UnknownName(f"{name} names a LoRA adapter; an embedding behind a server takes none.")
    return OpenAIEmbedding(name.rest, settings=settings)
