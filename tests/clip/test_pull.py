"""Pulling weights, against a server on this machine that answers as the Hugging Face hub does for a plain file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from adapters.names import load_model, parse_model_name
from adapters.open_clip.pulling import pull
from rag_app.errors import ModelUnreachable, UnknownName, WeightsMissing
from tests.clip.models import ENGLISH, Made, reference, write_pictures
from tests.hub import Hub, answer_at, hub

__all__ = ["hub"]  # a fixture


def test_pulled_it_loads_by_name_and_nothing_is_fetched_twice(hub: Hub, made: dict[str, Made], tmp_path: Path) -> None:
    name = "openclip:hf-hub:someone/tiny"
    hub.add("someone/tiny", made["vit"].folder)
    with pytest.raises(WeightsMissing):
        load_model("image_embedding", parse_model_name(name)).check()
    assert hub.fetched == []

    told: list[tuple[str, int, int]] = []
    weights = pull(name, lambda what, done, total: told.append((what, done, total)))
    assert weights.read_bytes() == made["vit"].weights.read_bytes()
    assert hub.fetched == ["open_clip_config.json", "open_clip_model.safetensors"]
    size = made["vit"].weights.stat().st_size
    assert told[-1] == ("open_clip_model.safetensors", size, size)
    files = write_pictures(tmp_path / "pictures", count=2)
    images_there, _ = reference(made["vit"], files, ENGLISH)
    found = load_model("image_embedding", parse_model_name(name)).embed_images(files)
    assert ((found.vectors * images_there).sum(axis=1) >= 0.9999).all()

    pull(name, lambda *_: None)
    assert len(hub.fetched) == 2


def test_a_known_tag_is_pulled_with_its_tokenizer(
    hub: Hub, made: dict[str, Made], monkeypatch: pytest.MonkeyPatch
) -> None:
    from adapters.torchvision_shim import ensure_torchvision

    ensure_torchvision()
    from open_clip import factory, pretrained

    config = made["siglip"].config
    text = {**config["text_cfg"], "hf_tokenizer_name": "someone/words"}
    monkeypatch.setitem(factory._MODEL_CONFIGS, "tiny-siglip", {**config, "text_cfg": text})
    tag = {"hf_hub": "someone/siglip/", **made["siglip"].preprocess}
    monkeypatch.setitem(pretrained._PRETRAINED, "tiny-siglip", {"webli": tag})
    hub.add("someone/siglip", made["siglip"].folder)
    hub.add("someone/words", made["siglip"].folder)
    name = "openclip:tiny-siglip/webli"
    _, texts_there = reference(made["siglip"], [], ENGLISH)
    pull(name, lambda *_: None)
    assert "tokenizer.json" in hub.fetched
    ours = load_model("image_embedding", parse_model_name(name)).embed_texts(ENGLISH)
    assert np.abs(ours - texts_there).max() < 1e-6


def test_what_cannot_be_pulled_is_told(hub: Hub, made: dict[str, Made], monkeypatch: pytest.MonkeyPatch) -> None:
    hub.files["/someone/empty/resolve/main/open_clip_config.json"] = b"{}"
    with pytest.raises(WeightsMissing, match=r"someone/empty holds no open_clip_model\.safetensors"):
        pull("openclip:hf-hub:someone/empty", lambda *_: None)
    with pytest.raises(UnknownName, match="did you mean laion2b_s34b_b79k"):
        pull("openclip:ViT-B-32/laion2b_s34b_b97k", lambda *_: None)
    with pytest.raises(UnknownName, match="nothing to pull"):
        pull(f"openclip:{made['vit'].folder}", lambda *_: None)


@pytest.mark.slow  # the hub's client tries for 23 seconds
def test_a_hub_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    answer_at("http://127.0.0.1:9", monkeypatch)
    with pytest.raises(ModelUnreachable, match="could not be fetched from the Hugging Face hub"):
        pull("openclip:ViT-B-32/openai", lambda *_: None)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelUnreachable, match="HF_HUB_OFFLINE"):
        pull("openclip:ViT-B-32/openai", lambda *_: None)
