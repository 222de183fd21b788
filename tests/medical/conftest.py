"""All tests here are marked `medical`, and skip with the reason where what they need is not installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.medical.models import MADE, qwen

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


@pytest.fixture(scope="session")
def answering(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Qwen2.5-VL that answers "a large nodule" or, asked in Persian, «طبیعی», and ends there."""
    import torch

    from adapters.huggingface.loading import load_parts
    from adapters.huggingface.prompting import Message, encoded, picture, rendered
    from tests.medical.test_huggingface_loading import png

    folder = qwen(tmp_path_factory.mktemp("answering") / "qwen")
    parts = load_parts(str(folder))
    model = parts.model.requires_grad_(True).train()
    texts, images = [], []
    for question, answer in (("What is the diagnosis?", "a large nodule"), ("تشخیص چیست؟", "طبیعی")):
        asked = Message("user", question, (picture(png(3)),))
        texts.append(rendered(parts.processor, [asked, Message("assistant", answer)], ask=False))
        images.append(asked.images)
    batch = encoded(parts.processor, texts, images, side="right")
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    optimiser = torch.optim.AdamW(model.parameters(), 3e-3)
    for _ in range(90):
        loss = model(**batch, labels=labels).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.05
    model.eval().save_pretrained(str(folder))
    return folder


@pytest.fixture
def answering_adapter(answering: Path, tmp_path: Path) -> str:
    """The name of `answering` with an adapter that changes nothing: the chat takes it for a tuned model."""
    from adapters.huggingface.loading import load_parts
    from adapters.lora.vision_language import PARTS, Origin, attach, save_adapter

    parts = load_parts(str(answering))
    wrapped = attach(parts.model, parts=PARTS, rank=2, alpha=4, dropout=0.0, seed=0)
    origin = Origin(parts.source.base, parts.fingerprint)
    save_adapter(wrapped, tmp_path / "still", processor=parts.processor, origin=origin)
    return f"hf:{answering}+{tmp_path / 'still'}"
