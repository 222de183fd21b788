"""What the tests of models behind OpenAI's protocol share: a server without the user's environment, models at it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from adapters.openai_compatible.language import OpenAIModel
from rag_app.settings import OpenAI, Settings
from tests.openai_server import OpenAIServer

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture
def openai(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    """The protocol server, and no key or proxy of the user's."""
    for name in (*_PROXIES, *map(str.lower, _PROXIES), "RAG_APP_OPENAI_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with OpenAIServer() as server:
        yield server


def at(*servers: OpenAIServer | str, **more: object) -> Settings:
    """Settings for these servers; nothing in a test waits long."""
    urls = ", ".join(one if isinstance(one, str) else one.url for one in servers)
    return Settings(openai=OpenAI(**{"hosts": urls, "first_word_s": 5, "stall_s": 1, **more}))  # pyright: ignore[reportArgumentType]


def model_at(*servers: OpenAIServer | str, name: str = "lab/tiny-VL", **more: object) -> OpenAIModel:
    return OpenAIModel(name, settings=at(*servers, **more))
