"""Names of CLIP models, what is missing for them, and that nothing is fetched or opened that should not be."""

# torch and open_clip come with the clip extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

import json
import pickle
import shutil
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.names import load_model, parse_model_name
from adapters.open_clip import hub
from adapters.open_clip.embedding import OpenClipEmbedding
from adapters.open_clip.naming import parse_source
from rag_app.errors import ModelUnsuitable, RagAppError, UnknownName, WeightsMissing
from tests.clip.models import ENGLISH, Made, reference, save, write_pictures, write_tokenizer


def load(name: str) -> OpenClipEmbedding:
    return load_model("image_embedding", parse_model_name(name))


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever connects fails the test, with an error nothing translates."""

    def refuse(*args: object) -> None:
        raise AssertionError(f"connected to {args[1:]}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("openclip:ViT-B-32/laion2b_s34b_b79k", "openclip:ViT-B-32/laion2b_s34b_b79k"),
        ("openclip:ViT-B/32/laion2b_s34b_b79k", "openclip:ViT-B-32/laion2b_s34b_b79k"),
        ("openclip:ViT-B/32@/a/b.pt", "openclip:ViT-B-32@/a/b.pt"),
        ("openclip:/a/model", "openclip:/a/model"),
        ("openclip:local-dir:/a/model", "openclip:/a/model"),
        ("openclip:hf-hub:timm/ViT-B-16-SigLIP", "openclip:hf-hub:timm/ViT-B-16-SigLIP"),
        ("openclip:ViT-B-32/openai#int8", "openclip:ViT-B-32/openai#int8"),
        ("openclip:ViT-B-32/openai#int8+/my/adapter", "openclip:ViT-B-32/openai#int8+/my/adapter"),
    ],
)
def test_names(name: str, canonical: str) -> None:
    source = parse_source(parse_model_name(name))
    assert source.name == canonical
    assert parse_source(parse_model_name(canonical)) == source


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("openclip:ViT-B-32", "says no weights"),
        ("openclip:ViT-B-32/", "says no weights"),
        ("openclip:ViT-B-32/path/to/file.pt", "after an @: openclip:ViT-B-32@/path/to/file.pt"),
        ("openclip:/path/to/file.safetensors", "openclip:ViT-B-32@/path/to/file.safetensors"),
        ("openclip:ViT-B-32@", "no model name"),
        ("openclip:ViT-B-32@/a/model.onnx", "must end in"),
        ("openclip:hf-hub:timm", "OWNER/NAME"),
    ],
)
def test_names_that_are_none(name: str, said: str) -> None:
    with pytest.raises(UnknownName, match=said):
        load(name)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("openclip:ViT-B-23/openai", r"no architecture 'ViT-B-23'; did you mean ViT-B-32"),
        ("openclip:vit-b-32/openai", r"no architecture 'vit-b-32'; did you mean ViT-B-32"),
        ("openclip:ViT-B-32/laion2b_s34b_b97k", r"no weights 'laion2b_s34b_b97k'; did you mean laion2b_s34b_b79k"),
        ("openclip:ViT-S-32/openai", r"no weights for ViT-S-32; name a file of yours"),
    ],
)
def test_unknown_architectures_and_tags_are_told_with_the_nearest(name: str, said: str) -> None:
    with pytest.raises(UnknownName, match=said):
        load(name).check()


def test_missing_weights_are_told_with_file_size_place_and_another_way() -> None:
    with pytest.raises(WeightsMissing) as told:
        load("openclip:ViT-B-32/laion2b_s34b_b79k").check()
    said = str(told.value)
    assert "open_clip_model.safetensors of laion/CLIP-ViT-B-32-laion2B-s34B-b79K (about 605 MB)" in said
    assert str(hub.cache_folder()) in said
    assert "rag-app models pull openclip:ViT-B-32/laion2b_s34b_b79k" in said
    assert "openclip:ViT-B-32@/path/to/weights.safetensors" in said


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("nllb-clip-base-siglip/v1", "2,030 MB"),
        ("xlm-roberta-base-ViT-B-32/laion5b_s13b_b90k", "1,464 MB"),
        ("ViT-B-32-SigLIP2-256/webli", "1,507 MB"),
    ],
)
def test_multilingual_models_say_what_is_missing(name: str, size: str) -> None:
    model = load(f"openclip:{name}")
    assert model.languages is None
    with pytest.raises(WeightsMissing, match=size):
        model.embed_texts(["گربه"])


@pytest.mark.parametrize(
    ("name", "languages", "dimensions"),
    [
        ("ViT-B-32/openai", {"en"}, 512),
        ("ViT-B-16-SigLIP/webli", {"en"}, 768),
        ("roberta-ViT-B-32/laion2b_s12b_b32k", {"en"}, 512),
    ],
)
def test_what_is_known_without_weights(name: str, languages: set[str], dimensions: int) -> None:
    model = load(f"openclip:{name}")
    assert model.languages == languages
    assert model.dimensions == dimensions


def test_a_missing_file_folder_or_config(made: dict[str, Made], tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="There is no file"):
        load(f"openclip:ViT-B-32@{tmp_path}/none.pt").check()
    with pytest.raises(UnknownName, match="There is no folder"):
        load(f"openclip:{tmp_path}/none").check()
    with pytest.raises(UnknownName, match=r"has no open_clip_config\.json"):
        load(f"openclip:{tmp_path}").check()
    shutil.copytree(made["vit"].folder, tmp_path / "bare", ignore=shutil.ignore_patterns("*.safetensors"))
    with pytest.raises(WeightsMissing, match="holds no weights"):
        load(f"openclip:{tmp_path}/bare").check()
    shutil.copytree(made["siglip"].folder, tmp_path / "mute", ignore=shutil.ignore_patterns("tokenizer*"))
    with pytest.raises(WeightsMissing, match="holds no tokenizer"):
        load(f"openclip:{tmp_path}/mute").check()
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "open_clip_config.json").write_text('{"model_cfg": {"embed_dim": 3}}')
    with pytest.raises(ModelUnsuitable, match="no open_clip configuration"):
        load(f"openclip:{tmp_path}/odd").check()


def test_a_checkpoint_of_another_architecture_is_refused(made: dict[str, Made]) -> None:
    with pytest.raises(ModelUnsuitable, match="could not be loaded as openclip:ViT-B-32@"):
        load(f"openclip:ViT-B-32@{made['vit'].weights}").check()


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_a_truncated_checkpoint_is_told(suffix: str, made: dict[str, Made], tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    whole = made["vit"].weights
    if suffix == ".pt":
        whole = tmp_path / "whole.pt"
        torch.save(load_file(made["vit"].weights), whole)
    file = tmp_path / f"cut{suffix}"
    file.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(WeightsMissing, match="damaged or incomplete"):
        load(f"openclip:ViT-B-32@{file}").check()


class _Trap:
    """What a malicious checkpoint holds: unpickled, it writes a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:  # Any: as pickle has it
        return (Path.touch, (self.file,))


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    import torch

    sprung = tmp_path / "sprung"
    torch.save({"state_dict": {"visual.proj": _Trap(sprung)}}, tmp_path / "evil.pt")
    (tmp_path / "old.bin").write_bytes(pickle.dumps({"visual.proj": _Trap(sprung)}))
    for file in ("evil.pt", "old.bin"):
        with pytest.raises(ModelUnsuitable, match="pickled code"):
            load(f"openclip:ViT-B-32@{tmp_path / file}").check()
    assert not sprung.exists()
    torch.load(tmp_path / "evil.pt", weights_only=False)  # where it is let the trap works: the check above can fail
    assert sprung.exists()


def test_a_folder_whose_text_vector_would_be_read_at_the_wrong_place_is_refused(tmp_path: Path) -> None:
    """open_clip's default pool_type takes the highest token id, which is the text's end only for CLIP's tokenizer."""
    text = {
        "context_length": 20,
        "vocab_size": write_tokenizer(tmp_path / "trap"),
        "hf_tokenizer_name": "own",
        "width": 32,
        "heads": 2,
        "layers": 1,
    }
    vision = {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8}
    config = {"embed_dim": 16, "vision_cfg": vision, "text_cfg": text}
    save(tmp_path / "trap", config)
    with pytest.raises(ModelUnsuitable, match="pool_type"):
        load(f"openclip:{tmp_path / 'trap'}").embed_texts(["a cat"])

    write_tokenizer(tmp_path / "right")
    right = save(tmp_path / "right", {**config, "text_cfg": {**text, "pool_type": "eos", "eos_id": 2}})
    _, there = reference(right, write_pictures(tmp_path / "p", count=1), ENGLISH)
    assert np.abs(load(f"openclip:{right.folder}").embed_texts(ENGLISH) - there).max() < 1e-6


def fill_cache(repository: str, files: dict[str, Path]) -> None:
    """Lay files into the Hugging Face cache as its client does."""
    folder = hub.cache_folder() / f"models--{repository.replace('/', '--')}"
    commit = "0" * 40
    (folder / "refs").mkdir(parents=True, exist_ok=True)
    (folder / "refs" / "main").write_text(commit)
    (folder / "snapshots" / commit).mkdir(parents=True, exist_ok=True)
    for name, file in files.items():
        shutil.copyfile(file, folder / "snapshots" / commit / name)


def test_a_hub_repository_from_the_cache(made: dict[str, Made], tmp_path: Path) -> None:
    name = "openclip:hf-hub:someone/tiny-clip"
    with pytest.raises(WeightsMissing, match="models pull openclip:hf-hub:someone/tiny-clip"):
        load(name).check()
    fill_cache("someone/tiny-clip", {"open_clip_config.json": made["resnet"].folder / "open_clip_config.json"})
    assert load(name).dimensions == 32
    with pytest.raises(WeightsMissing, match=r"open_clip_model\.safetensors of someone/tiny-clip"):
        load(name).check()
    fill_cache("someone/tiny-clip", {"open_clip_model.safetensors": made["resnet"].weights})
    files = write_pictures(tmp_path / "pictures")
    images_there, texts_there = reference(made["resnet"], files, ENGLISH)
    assert ((load(name).embed_images(files).vectors * images_there).sum(axis=1) >= 0.9999).all()
    assert np.abs(load(name).embed_texts(ENGLISH) - texts_there).max() < 1e-6


def test_a_known_tag_from_the_cache_brings_its_own_activation_and_pictures(
    made: dict[str, Made], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenAI's weights need QuickGELU under the plain architecture name too, and SigLIP's tags squash pictures."""
    from open_clip import factory, pretrained

    plain = {**made["resnet"].config, "quick_gelu": False}
    monkeypatch.setitem(factory._MODEL_CONFIGS, "tiny-rn", plain)
    half = [0.5, 0.5, 0.5]
    tag = {"hf_hub": "someone/rn/", "mean": half, "std": half, "resize_mode": "squash", "quick_gelu": True}
    monkeypatch.setitem(pretrained._PRETRAINED, "tiny-rn", {"special": tag})
    fill_cache("someone/rn", {"open_clip_model.safetensors": made["resnet"].weights})
    squashed = Made(
        shutil.copytree(made["resnet"].folder, tmp_path / "squashed"),
        made["resnet"].config,
        {"mean": half, "std": half, "resize_mode": "squash"},
    )
    (squashed.folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": squashed.config, "preprocess_cfg": squashed.preprocess})
    )
    files = write_pictures(tmp_path / "pictures")
    images_there, texts_there = reference(squashed, files, ENGLISH)
    other_images, other_texts = reference(made["resnet"], files, ENGLISH)
    for name in ("openclip:tiny-rn/special", f"openclip:tiny-rn@{made['resnet'].weights}"):
        found = load(name).embed_images(files).vectors
        assert np.abs(found[:-1] - images_there[:-1]).max() < 1e-5  # the last is large, and decoded at a half
        assert np.abs(found[:-1] - other_images[:-1]).max() > 1e-4
    assert np.abs(load("openclip:tiny-rn/special").embed_texts(ENGLISH) - texts_there).max() < 1e-6
    assert np.abs(other_texts - texts_there).max() < 1e-6  # text is the same model both times


def test_weights_that_are_no_numbers_are_told(made: dict[str, Made], tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    folder = Path(shutil.copytree(made["vit"].folder, tmp_path / "nan"))
    state = load_file(made["vit"].weights)
    state["ln_final.weight"] = torch.full_like(state["ln_final.weight"], float("nan"))
    state["visual.ln_post.weight"] = torch.full_like(state["visual.ln_post.weight"], float("nan"))
    save_file(state, folder / "open_clip_model.safetensors")
    model = load(f"openclip:{folder}")
    with pytest.raises(RagAppError, match="no numbers"):
        model.embed_texts(["a cat"])
    with pytest.raises(RagAppError, match="no numbers"):
        model.embed_images(write_pictures(tmp_path / "p", count=1))


def test_making_a_model_loads_nothing() -> None:
    import subprocess
    import sys

    program = (
        "import sys; from adapters.names import load_model, parse_model_name; "
        "load_model('image_embedding', parse_model_name('openclip:ViT-B-32/openai')); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'open_clip', 'transformers')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=120).returncode == 0
