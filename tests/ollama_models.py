"""What the tests of Ollama models share: a server without the user's environment, models at it, pictures."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from PIL import Image

from adapters.ollama.language import OllamaModel
from rag_app.settings import Ollama, Settings
from tests.ollama_server import Model, OllamaServer

MODELS = (
    Model("tinyvlm", {"completion", "vision"}),
    Model("tinytext", {"completion"}),
    Model("tinyembed", {"embedding"}, context_length=2048, family="bert"),
    Model("thinker", {"completion", "vision", "thinking", "tools"}),
)


@pytest.fixture
def ollama(monkeypatch: pytest.MonkeyPatch) -> Iterator[OllamaServer]:
    """The protocol server, and no address, key or proxy of the user's."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "OLLAMA_HOST", "OLLAMA_API_KEY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with OllamaServer(
        [Model(model.name, model.capabilities, model.context_length, family=model.family) for model in MODELS]
    ) as server:
        yield server


def at(server: OllamaServer, **more: object) -> Settings:
    """Settings for that server; nothing in a test waits long."""
    return Settings(ollama=Ollama(**{"host": server.url, "first_word_s": 5, "stall_s": 1, **more}))  # pyright: ignore[reportArgumentType]


def model_at(server: OllamaServer, name: str = "tinyvlm", **more: object) -> OllamaModel:
    return OllamaModel(name, settings=at(server, **more))


def picture(colour: str = "red", size: tuple[int, int] = (120, 80), kind: str = "PNG") -> bytes:
    held = io.BytesIO()
    Image.new("RGB", size, colour).save(held, kind)
    return held.getvalue()
