"""Text embeddings of Ollama servers, as a LlamaIndex BaseEmbedding."""

from __future__ import annotations

from llama_index.core.bridge.pydantic import PrivateAttr

from adapters.fleet import Failure, first_of
from adapters.names import ModelName
from adapters.ollama import background, catalogue, failures, host, names, talk
from adapters.ollama.server import Server, at
from adapters.served_embedding import BATCH, ServedEmbedding, unit_vectors
from rag_app.errors import ModelUnsuitable, UnknownName
from rag_app.settings import Settings


class OllamaEmbedding(ServedEmbedding):
    """Embeddings of an Ollama model; see ServedEmbedding.

    Behind several servers, all that have the model must have the same files: vectors of different weights do not mix.
    """

    _settings: Settings = PrivateAttr()
    _wire_name: str = PrivateAttr()
    _first: tuple[str, str] | None = PrivateAttr(default=None)  # digest and URL of the first server asked

    def __init__(self, model: str, *, settings: Settings | None = None, batch: int = BATCH) -> None:
        chosen = settings or Settings()
        at_once = chosen.ollama.parallel * len(host.find(chosen))
        super().__init__(model_name=f"ollama:{names.full(model)}", batch=batch, at_once=at_once)
        self._settings = chosen
        self._wire_name = model

    @classmethod
    def class_name(cls) -> str:
        return "OllamaEmbedding"

    def check(self) -> None:
        """Make sure that the model is there and embeds; raises as LanguageModel.check."""

        async def work() -> None:
            explain = failures.explaining(names.full(self._wire_name))
            await first_of(at(self._settings), lambda server: _suit(server, self._wire_name), explain)

        background.run(work())

    async def _asked(self, texts: list[str]) -> list[list[float]]:
        model, settings = names.full(self._wire_name), self._settings
        return await talk.repeated(at(settings), settings, model, lambda server: self._send(server, texts))

    async def _send(self, server: Server, texts: list[str]) -> list[list[float]]:
        wait_s = float(self._settings.ollama.first_word_s)
        known = await _suit(server, self._wire_name)
        if len(at(self._settings).hosts) > 1:
            await self._be_the_same(server)
        body = {
            "model": names.on_wire(self._wire_name),
            "input": texts,
            "truncate": False,
            "keep_alive": talk.keep_alive(self._settings.ollama.keep_alive),
        }
        if known.context_length:  # one fixed value: another one would load the model anew
            body["options"] = {"num_ctx": min(known.context_length, self._settings.ollama.context_tokens)}
        answer = await server.client.fetch("/api/embed", body, model_s=wait_s)
        return unit_vectors(answer.get("embeddings") if isinstance(answer, dict) else None, len(texts), known.name)

    async def _be_the_same(self, server: Server) -> None:
        """Raise ModelUnsuitable where the server has other files under the model's name than the first one asked."""
        name = names.full(self._wire_name)
        digest = await catalogue.digest_of(server, name)
        first, url = self._first or (digest, server.url)
        self._first = (first, url)
        if digest != first:
            error = ModelUnsuitable(
                f"{name} is not the same at {url} and {server.url}, and vectors of two models do not mix; fetch it "
                f"anew at both: rag-app models pull {name}"
            )
            raise failures.BrokenReply(Failure(error, elsewhere=False))


async def _suit(server: Server, name: str) -> catalogue.Installed:
    model = await catalogue.facts(server, name)
    if "embedding" not in model.capabilities:
        others = await catalogue.names_with(server, "embedding")
        have = f"Installed embedding models: {', '.join(others)}." if others else "Get one: rag-app models pull bge-m3"
        raise ModelUnsuitable(f"{model.name} makes no embeddings. {have}")
    return model


def load(name: ModelName, settings: Settings) -> OllamaEmbedding:
    """The text embedding of that name."""
    if name.adapter:
        raise UnknownName(f"{name} names a LoRA adapter; an embedding of Ollama takes none.")
    return OllamaEmbedding(name.rest, settings=settings)
