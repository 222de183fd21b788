"""A scripted judge on a real socket, and what asks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.names import load_model, parse_model_name
from eval.judging import Judge
from tests.judging.models import judge, settings_for
from tests.ollama_server import Model, OllamaServer


@pytest.fixture
def server() -> Iterator[OllamaServer]:
    with OllamaServer([Model("judge", {"completion", "vision"}, replies=judge)], parallel=8) as running:
        yield running


@pytest.fixture
def judge_of(server: OllamaServer, tmp_path: Path) -> Callable[..., Judge]:
    def make(*metrics: str, name: str = "judge", **options: Any) -> Judge:
        model = load_model("judge", parse_model_name(name), settings_for(server, parallel=8))
        embedding = options.pop("embedding", None)
        return Judge(model, embedding, metrics=metrics or ("faithfulness",), cache=tmp_path / "cache", **options)

    return make
