"""Our embeddings are open_clip's own, for every architecture, from a folder, a file and a name."""

# torch and open_clip come with the clip extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from adapters.names import load_model, parse_model_name
from adapters.open_clip.embedding import OpenClipEmbedding
from tests.clip.models import ENGLISH, MADE, PERSIAN, Made, loop, loop_texts, reference, write_pictures

BAR = 0.9999


def load(name: str) -> OpenClipEmbedding:
    model = load_model("image_embedding", parse_model_name(name))
    assert isinstance(model, OpenClipEmbedding)
    return model


def least_cosine(ours: np.ndarray, theirs: np.ndarray) -> float:
    assert ours.shape == theirs.shape
    assert np.allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-5)
    return float((ours * theirs).sum(axis=1).min())


@pytest.mark.parametrize("architecture", [name for name in MADE if name != "nllb"])
def test_equal_to_open_clips_own_loop(architecture: str, made: dict[str, Made], tmp_path: Path) -> None:
    files = write_pictures(tmp_path / "pictures")
    texts = [*ENGLISH, *(PERSIAN if architecture in ("siglip", "xlm_roberta") else ())]
    images_there, texts_there = reference(made[architecture], files, texts)
    model = load(f"openclip:{made[architecture].folder}")

    found = model.embed_images(files)
    assert found.problems == {}
    assert least_cosine(found.vectors, images_there) >= BAR
    assert least_cosine(model.embed_texts(texts), texts_there) >= BAR
    assert model.dimensions == images_there.shape[1] == made[architecture].config["embed_dim"]
    # Untrained towers tell pictures apart only a little, so the bar alone would be easy: what is decoded whole is equal
    # to rounding, and no vector is nearer to another picture's than to its own.
    assert np.abs(found.vectors[:-1] - images_there[:-1]).max() < 1e-5
    assert ((found.vectors @ images_there.T).argmax(axis=1) == np.arange(len(files))).all()


def test_texts_cut_to_their_length_are_the_same_to_a_millionth(made: dict[str, Made], tmp_path: Path) -> None:
    for architecture in ("vit", "xlm_roberta"):
        _, there = reference(made[architecture], [write_pictures(tmp_path)[0]], ENGLISH)
        ours = load(f"openclip:{made[architecture].folder}").embed_texts(ENGLISH)
        assert np.abs(ours - there).max() < 1e-6


@pytest.fixture
def registered(made: dict[str, Made], tmp_path: Path) -> Iterator[str]:
    """The name under which open_clip knows the small ViT as if it were built in."""
    import json

    from open_clip import factory

    (tmp_path / "archs").mkdir()
    (tmp_path / "archs" / "tiny-vit-8.json").write_text(json.dumps(made["vit"].config))
    paths, known = list(factory._MODEL_CONFIG_PATHS), dict(factory._MODEL_CONFIGS)
    factory.add_model_config(tmp_path / "archs")
    yield "tiny/vit/8"
    factory._MODEL_CONFIG_PATHS[:] = paths
    factory._MODEL_CONFIGS = known


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".bin"])
def test_a_checkpoint_file_by_architecture_and_path(
    suffix: str, registered: str, made: dict[str, Made], tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import load_file

    file = tmp_path / f"mine{suffix}"
    if suffix == ".safetensors":
        shutil.copyfile(made["vit"].weights, file)
    else:
        torch.save({"state_dict": {f"module.{k}": v for k, v in load_file(made["vit"].weights).items()}}, file)
    files = write_pictures(tmp_path / "pictures")
    images_there, texts_there = reference(made["vit"], files, ENGLISH)

    model = load(f"openclip:{registered}@{file}")
    assert model.model_name == f"openclip:tiny-vit-8@{file}"
    assert least_cosine(model.embed_images(files).vectors, images_there) >= BAR
    assert least_cosine(model.embed_texts(ENGLISH), texts_there) >= BAR
    again = load(model.model_name)
    assert np.array_equal(again.embed_texts(ENGLISH), model.embed_texts(ENGLISH))


@pytest.mark.slow
def test_the_usual_default_in_its_real_size(tmp_path: Path) -> None:
    """ViT-B-32, 151 million seeded weights, saved to disk and loaded by name; also the figures of large JPEGs."""
    from adapters.torchvision_shim import ensure_torchvision

    ensure_torchvision()
    import torch
    from open_clip.factory import create_model_and_transforms, get_tokenizer
    from safetensors.torch import save_file

    torch.manual_seed(1)
    model, _, preprocess = create_model_and_transforms("ViT-B-32")
    file = tmp_path / "weights.safetensors"
    save_file(model.state_dict(), file)
    files = write_pictures(tmp_path / "pictures", count=3, side=300)
    ours = load(f"openclip:ViT-B/32@{file}")
    assert least_cosine(ours.embed_images(files).vectors, loop(model.eval(), preprocess, files)) >= BAR
    there = loop_texts(model, get_tokenizer("ViT-B-32"), ENGLISH, torch)
    assert np.abs(ours.embed_texts(ENGLISH) - there).max() < 1e-5
