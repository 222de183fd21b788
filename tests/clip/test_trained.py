"""A tiny CLIP that the tests train: it finds held-out pictures, survives saving, and learns a new domain by LoRA."""

# torch, open_clip and peft come with the clip and lora extras only.
# pyright: reportMissingImports=false

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from adapters.names import load_model, parse_model_name
from adapters.open_clip.embedding import OpenClipEmbedding
from adapters.training.pairs import Pair, split_by_group
from adapters.training.recall import recall
from rag_app.errors import ModelUnsuitable, UsageError, WeightsMissing
from tests.clip.models import Made, reference
from tests.clip.shapes import CAPTIONS, CLASSES, ENGLISH, Trained, write_drawings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], list[int]]:
    return write_drawings(tmp_path_factory.mktemp("held-out"), each=5, seed=99)


def load(name: str) -> OpenClipEmbedding:
    return load_model("image_embedding", parse_model_name(name))


def recall_at_1(model: OpenClipEmbedding, files: list[Path], classes: list[int], language: str) -> float:
    """Share of the captions whose first picture is of their class; by chance 1 / 36."""
    similarity = model.embed_texts(CAPTIONS[language]) @ model.embed_images(files).vectors.T
    return float((np.array(classes)[similarity.argmax(axis=1)] == np.arange(len(CLASSES))).mean())


@pytest.mark.parametrize("language", ["en", "fa"])
def test_texts_find_held_out_pictures(
    language: str, trained: Trained, held_out: tuple[list[Path], list[int]], tmp_path: Path
) -> None:
    files, classes = held_out
    assert trained.cpu_seconds < 180
    model = load(f"openclip:{trained.folder}")
    assert model.languages == {"en", "fa"}
    assert recall_at_1(model, files, classes, language) >= 0.8
    wrong = [(number + 1) % len(CLASSES) for number in classes]
    assert recall_at_1(model, files, wrong, language) <= 0.2  # the measure can fail


def test_saved_and_loaded_it_embeds_as_open_clip_does(
    trained: Trained, held_out: tuple[list[Path], list[int]], tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(trained.folder, tmp_path / "copy"))
    files = held_out[0][::9]
    texts = [*CAPTIONS["en"][:5], *CAPTIONS["fa"][:5]]
    images_there, texts_there = reference(Made(copy, {}, {}), files, texts)
    for name in (f"openclip:{copy}", f"openclip:local-dir:{trained.folder}"):
        model = load(name)
        assert np.abs(model.embed_images(files).vectors - images_there).max() < 1e-5
        assert np.abs(model.embed_texts(texts) - texts_there).max() < 1e-6


def test_large_jpegs_of_a_trained_model_are_within_the_bar(trained: Trained, tmp_path: Path) -> None:
    """Decoding a JPEG at a fraction must not move the vector of a model that looks closely, either."""
    from PIL import Image

    files = []
    for file in write_drawings(tmp_path / "small", each=1, seed=5)[0][::4]:
        files.append(tmp_path / f"{file.stem}.jpg")
        Image.open(file).resize((1100, 1300), Image.Resampling.BICUBIC).save(files[-1], quality=92)
    there, _ = reference(Made(trained.folder, {}, {}), files, ["a"])
    assert ((load(f"openclip:{trained.folder}").embed_images(files).vectors * there).sum(axis=1) >= 0.9999).all()


@pytest.fixture(scope="session")
def domain(tmp_path_factory: pytest.TempPathFactory) -> list[Pair]:
    """Pictures whose colours are swapped round, in 24 papers; what a colour is called stays as it was."""
    files, classes = write_drawings(tmp_path_factory.mktemp("domain"), each=12, seed=31, shifted=True)
    return [
        Pair(file, ENGLISH[number], f"paper-{index % 24:02}")
        for index, (file, number) in enumerate(zip(files, classes, strict=True))
    ]


@pytest.fixture(scope="session")
def options() -> Iterator[object]:
    from adapters.training.contrastive import Options

    yield Options(rank=8, alpha=16, learning_rate=4e-3, batch=48, epochs=8, patience=3, seed=1)


def test_lora_learns_a_shifted_domain_and_off_is_the_base(
    trained: Trained, domain: list[Pair], options: object, tmp_path: Path
) -> None:
    from adapters.training.contrastive import Epoch, Options, fine_tune

    assert isinstance(options, Options)
    base = f"openclip:{trained.folder}"
    folder = tmp_path / "adapter"
    told: list[Epoch] = []
    report = fine_tune(base, domain, folder, options=options, on_epoch=told.append)

    assert report.before.text_to_image_1 <= 0.2
    assert report.after.text_to_image_1 >= 0.7
    assert report.after.mean_at_1 >= report.before.mean_at_1 + 0.4
    assert report.best_epoch >= 1
    assert [epoch.number for epoch in told] == list(range(1, len(report.history)))
    assert sum(report.pairs.values()) == len(domain)
    assert sum(report.groups.values()) == 24
    assert report.problems == {}
    assert json.loads((folder / "report.json").read_text())["after"] == dataclasses.asdict(report.after)
    assert sorted(file.name for file in folder.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "rag_app.json",
        "report.json",
    ]

    # Loaded by name it is what was reported; without the adapter it is the base, to the last bit.
    split = split_by_group(domain, validation=options.validation, test=options.test, seed=options.seed)
    files, texts = [pair.image for pair in split.test], sorted({pair.caption for pair in split.test})
    tuned = load(f"{base}+{folder}")
    assert tuned.model_name == f"{base}+{folder}"
    matches = [(i, texts.index(pair.caption)) for i, pair in enumerate(split.test)]
    again = recall(tuned.embed_images(files).vectors, tuned.embed_texts(texts), matches)
    assert again.mean_at_1 == pytest.approx(report.after.mean_at_1, abs=0.03)
    plain = load(base)
    assert np.array_equal(plain.embed_images(files).vectors, load(base).embed_images(files).vectors)
    assert tuned.fingerprint() != plain.fingerprint()
    assert (tuned.embed_images(files).vectors * plain.embed_images(files).vectors).sum(axis=1).min() < 0.95

    with pytest.raises(UsageError, match="holds an adapter already"):
        fine_tune(base, domain, folder, options=options)
    with pytest.raises(UsageError, match="no plain model"):
        fine_tune(f"{base}+{folder}", domain, tmp_path / "second", options=options)


def test_an_interrupted_training_goes_on_as_if_it_had_not_been(
    trained: Trained, domain: list[Pair], options: object, tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    from adapters.training.contrastive import Epoch, Options, fine_tune

    assert isinstance(options, Options)
    base = f"openclip:{trained.folder}"
    short = dataclasses.replace(options, epochs=3, patience=9)
    few = domain[::3]
    whole = fine_tune(base, few, tmp_path / "whole", options=short)

    def stop(epoch: Epoch) -> None:
        if epoch.number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fine_tune(base, few, tmp_path / "stopped", options=short, on_epoch=stop)
    with pytest.raises(UsageError, match="begun with another model, other pairs or options"):
        fine_tune(base, few, tmp_path / "stopped", options=dataclasses.replace(short, seed=2), resume=True)
    resumed = fine_tune(base, few, tmp_path / "stopped", options=short, resume=True)
    assert resumed.best_epoch == whole.best_epoch
    for ours, theirs in zip(resumed.history, whole.history, strict=True):
        assert ours.validation_loss == pytest.approx(theirs.validation_loss, abs=1e-3)
    one, other = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("whole", "stopped"))
    assert max(float((one[name] - other[name]).abs().max()) for name in one) < 1e-3
    with pytest.raises(UsageError, match="no unfinished training"):
        fine_tune(base, few, tmp_path / "fresh", options=short, resume=True)


def test_an_adapter_goes_only_onto_the_model_it_was_trained_on(
    trained: Trained, made: dict[str, Made], tmp_path: Path
) -> None:
    from adapters.lora.clip import attach, save_adapter
    from adapters.open_clip.naming import parse_source
    from adapters.open_clip.towers import build, fingerprint

    model = build(parse_source(parse_model_name(f"openclip:{trained.folder}"))).model
    mark = fingerprint(model)
    wrapped = attach(model, rank=2, alpha=2, towers=("image",))
    assert all(".visual." in name for name, value in wrapped.named_parameters() if value.requires_grad)
    save_adapter(wrapped, tmp_path / "adapter", base="openclip:here", base_fingerprint=mark)
    load(f"openclip:{trained.folder}+{tmp_path}/adapter").check()
    with pytest.raises(ModelUnsuitable, match="trained on openclip:here, whose weights are not those"):
        load(f"openclip:{made['vit'].folder}+{tmp_path}/adapter").check()
    with pytest.raises(WeightsMissing, match="holds no adapter"):
        load(f"openclip:{trained.folder}+{tmp_path}").check()


@pytest.mark.parametrize("architecture", ["vit", "resnet", "siglip", "xlm_roberta", "nllb"])
def test_adapters_change_every_architecture_in_both_towers(
    architecture: str, made: dict[str, Made], tmp_path: Path
) -> None:
    """Each LoRA layer gets a gradient, changes what its tower gives, and merged gives the same as wrapped."""
    import torch

    from adapters.lora.clip import attach, save_adapter
    from adapters.open_clip.naming import parse_source
    from adapters.open_clip.towers import build, fingerprint

    name = f"openclip:{made[architecture].folder}"
    towers = build(parse_source(parse_model_name(name)))
    mark = fingerprint(towers.model)
    wrapped = attach(towers.model, rank=2, alpha=4, towers=("image", "text"))
    pictures = torch.randn(2, 3, towers.side, towers.side)
    tokens = towers.tokenizer(["a cat", "گربه"])

    def forward() -> tuple[torch.Tensor, torch.Tensor]:
        model = towers.model
        return model.encode_image(pictures, normalize=True), model.encode_text(tokens, normalize=True)

    before = [value.detach() for value in forward()]
    parameters = {name: value for name, value in wrapped.named_parameters() if value.requires_grad}
    optimizer = torch.optim.AdamW(parameters.values(), 0.05)
    for _ in range(2):
        images, texts = forward()
        loss = (images * texts[:, : images.shape[1]].roll(1, 0)).sum() + images[0, 0] + texts[0, 0]
        optimizer.zero_grad()
        loss.backward()
        assert all(value.grad is not None for value in parameters.values())
        optimizer.step()
    with torch.no_grad():
        after = forward()
        for changed, was in zip(after, before, strict=True):
            assert (changed - was).abs().max() > 1e-3
        with wrapped.disable_adapter():
            for off, was in zip(forward(), before, strict=True):
                assert (off - was).abs().max() < 1e-5
    save_adapter(wrapped, tmp_path / "adapter", base=name, base_fingerprint=mark)
    merged = build(parse_source(parse_model_name(f"{name}+{tmp_path}/adapter"))).model
    with torch.no_grad():
        assert (merged.encode_image(pictures, normalize=True) - after[0]).abs().max() < 1e-4
        assert (merged.encode_text(tokens, normalize=True) - after[1]).abs().max() < 1e-4


def test_bad_pictures_are_left_out_and_told(trained: Trained, domain: list[Pair], tmp_path: Path) -> None:
    from adapters.training.contrastive import Options, fine_tune

    (tmp_path / "bad.png").write_bytes(b"not a picture")
    few = [*domain[::6], Pair(tmp_path / "bad.png", "a picture of nothing", "paper-03")]
    report = fine_tune(
        f"openclip:{trained.folder}", few, tmp_path / "adapter", options=Options(epochs=1, learning_rate=1e-9)
    )
    assert list(report.problems) == [str(tmp_path / "bad.png")]
    assert "bad.png" in report.problems[str(tmp_path / "bad.png")]
    assert report.after.mean_at_1 == pytest.approx(report.before.mean_at_1, abs=0.05)
