"""All tests here are marked `medical`, and skip with the reason where what they need is not installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.medical.models import MADE

MISSING = [
    package
    for package in ("torch", "torchvision", "transformers", "accelerate", "peft", "num2words")
    if importlib.util.find_spec(package) is None
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.medical)
            if MISSING:
                reason = f"{', '.join(MISSING)} not installed (pip install '.[medical]')"
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def no_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty Hugging Face cache, so that no test depends on what the machine has."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Tiny models of five architectures with seeded random weights, each saved with its processor, by name."""
    root = tmp_path_factory.mktemp("vision-language")
    return {name: make(root / name) for name, make in MADE.items()}
