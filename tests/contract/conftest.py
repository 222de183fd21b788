"""Servers to test against: the protocol server of this repository, and the real one OLLAMA_TEST_HOST names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ollama_server import OllamaServer

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy, address or key of the user's reaches a test."""
    for name in (*PROXIES, *(proxy.lower() for proxy in PROXIES), "OLLAMA_HOST", "OLLAMA_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def ollama() -> Iterator[OllamaServer]:
    """The protocol server with tinyvlm, tinytext and tinyembed."""
    with OllamaServer() as server:
        yield server
