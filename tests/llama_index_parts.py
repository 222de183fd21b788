"""What the tests of LlamaIndex share: no global model, and replies to LlamaIndex's own prompts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from llama_index.core import Settings

Body = dict[str, Any]  # Any: JSON
QUESTION = "Which initial value does CLIP give to the temperature?"
SAID = "The temperature starts at 0.07."


@pytest.fixture
def nothing_global(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No model in LlamaIndex's global Settings, before and after: our parts are handed over, never found there."""
    for name in ("_llm", "_embed_model"):
        monkeypatch.setattr(Settings, name, None)
    yield
    assert Settings._llm is None
    assert Settings._embed_model is None


def chosen(number: int) -> Callable[[Body, list[bytes]], str]:
    """A model's replies: choice `number` to a selector's prompt, one sentence to any other."""

    def reply(body: Body, images: list[bytes]) -> str:
        prompt = body["messages"][-1]["content"]
        return json.dumps([{"choice": number, "reason": "It fits."}]) if "choice" in prompt else SAID

    return reply
