"""All tests here are marked `clip`, and skip with the reason where what they need is not installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.clip.models import MADE, Made
from tests.clip.shapes import Trained, train

MISSING = [package for package in ("torch", "open_clip", "peft") if importlib.util.find_spec(package) is None]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.clip)
            if MISSING:
                reason = f"{', '.join(MISSING)} not installed (pip install '.[clip,lora]')"
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def no_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty Hugging Face cache, so that no test depends on what the machine has."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("RAG_APP_MODELS", str(tmp_path / "models"))


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    """Small models of five architectures with seeded weights, each saved as a folder, by name."""
    root = tmp_path_factory.mktemp("models")
    return {name: make(root / name) for name, make in MADE.items()}


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A tiny CLIP that knows drawn shapes in English and Persian, trained in about 80 seconds."""
    return train(tmp_path_factory.mktemp("trained") / "tiny-clip")
