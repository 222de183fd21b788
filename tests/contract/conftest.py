"""Servers to test against: the protocol server of this repository, and the real one OLLAMA_TEST_HOST names.

The contract tests take `server` and run once for each. A real server needs one tiny model of each kind, of any
weights; OLLAMA_TEST_VISION, OLLAMA_TEST_TEXT and OLLAMA_TEST_EMBED name them. Nothing here falls back: with
OLLAMA_TEST_HOST set, a server that does not answer or lacks a model fails its tests.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from rag_app.settings import Ollama, Settings
from tests.ollama_server import OllamaServer

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
LIVE = os.environ.get("OLLAMA_TEST_HOST", "").rstrip("/")
NOT_LIVE = "OLLAMA_TEST_HOST names no Ollama server"
# A real server may have to load a model first.
WAIT_S = 120.0 if LIVE else 20.0


@dataclass(frozen=True)
class Target:
    """A server under contract: its address, the names of its models, and a client that speaks plain HTTP to it."""

    url: str
    live: bool
    vision: str
    text: str
    embed: str
    http: httpx.Client = field(repr=False)

    @property
    def settings(self) -> Settings:
        return Settings(ollama=Ollama(host=self.url, context_tokens=4096))

    @property
    def version(self) -> tuple[int, ...]:
        """Its version as numbers, (0, 33, 0) for "0.33.0-rc2"."""
        found = re.match(r"(\d+)\.(\d+)\.(\d+)", self.http.get("/api/version").json()["version"])
        return tuple(map(int, found.groups())) if found else (0,)

    def chat(self, content: str, *, model: str = "", images: tuple[str, ...] = (), **more: Any) -> httpx.Response:
        """A chat of one message, whole unless `stream` is given, eight tokens and no heat unless `options` is."""
        message = {"role": "user", "content": content, **({"images": list(images)} if images else {})}
        body = {"model": model or self.text, "messages": [message], "stream": False}
        return self.http.post("/api/chat", json={**body, "options": {"num_predict": 8, "temperature": 0}, **more})


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


@pytest.fixture(
    params=[
        "in-repo",
        pytest.param("live", marks=[pytest.mark.ollama_live, pytest.mark.skipif(not LIVE, reason=NOT_LIVE)]),
    ]
)
def server(request: pytest.FixtureRequest) -> Iterator[Target]:
    """The server in this repository, then the real one."""
    if request.param == "live":
        with httpx.Client(base_url=LIVE, timeout=WAIT_S, trust_env=False) as http:
            yield _live(http)
        return
    with OllamaServer() as ours, httpx.Client(base_url=ours.url, timeout=WAIT_S, trust_env=False) as http:
        yield Target(ours.url, False, "tinyvlm", "tinytext", "tinyembed", http)


def _live(http: httpx.Client) -> Target:
    names = {
        role: os.environ.get(f"OLLAMA_TEST_{role.upper()}", default)
        for role, default in (("vision", "tinyvlm"), ("text", "tinytext"), ("embed", "tinyembed"))
    }
    try:
        installed = {model["name"] for model in http.get("/api/tags").raise_for_status().json()["models"]}
    except (httpx.HTTPError, ValueError) as exc:
        pytest.fail(f"OLLAMA_TEST_HOST={LIVE} does not answer as Ollama does: {exc}")
    missing = [name for name in names.values() if not {name, f"{name}:latest"} & installed]
    if missing:
        pytest.fail(f"{LIVE} has no model {', '.join(missing)}; it has {', '.join(sorted(installed)) or 'none'}")
    return Target(LIVE, True, names["vision"], names["text"], names["embed"], http)
