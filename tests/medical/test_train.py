"""A model is tuned on answers alone, stops early, goes on after it was stopped, and refuses what does not fit."""

# torch, transformers and peft come with the medical extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

import dataclasses
import importlib.util
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from adapters.huggingface.loading import load_parts
from adapters.lora.vision_language import WEIGHTS, read_origin
from adapters.training.supervised import memory
from adapters.training.supervised.collating import IGNORED, Collator
from adapters.training.supervised.options import Options, Progress
from rag_app.errors import InputError, ModelFailed, ModelUnsuitable, UsageError
from rag_app.medical import DISCLAIMER
from rag_app.medical.records import EXAMPLES, Dataset
from rag_app.medical.training import items, train
from tests.medical.models import MADE
from tests.medical.tuning import shuffled, written

QUICK = Options(rank=4, batch=2, accumulate=2, steps=4, check_every=2, learning_rate=1e-3, dropout=0.0)
ONLY: dict[str, Any] = {"kinds": ("anomaly", "diagnosis"), "languages": ("en",), "device": "cpu"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return written(tmp_path_factory.mktemp("train") / "data", {"train": 12, "validation": 4, "test": 4}, seed=3)


@pytest.fixture(scope="module")
def tuned(made: dict[str, Path], data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tuned") / "adapter"
    train(str(made["qwen2_5_vl"]), data, out, options=QUICK, **ONLY)
    return out


@pytest.mark.parametrize("name", MADE)
def test_labels_are_the_answer_and_its_end_alone(made: dict[str, Path], data: Dataset, name: str) -> None:
    parts = load_parts(str(made[name]), device="cpu")
    rows = items(data, "train", kinds=("anomaly", "diagnosis", "caption"))
    batch = Collator(parts.processor, name)(rows[:12])
    for item, labels in zip(rows[:12], batch["labels"], strict=True):
        learned = parts.tokenizer.decode(labels[labels != IGNORED], skip_special_tokens=True)
        assert learned.strip() == item.answer
        ends = parts.model.generation_config.eos_token_id
        assert (labels == (ends if isinstance(ends, int) else ends[-1])).any(), "the end of the turn is learned, too"


@pytest.mark.parametrize("name", MADE)
def test_every_architecture_is_tuned_and_loaded_again(
    made: dict[str, Path], data: Dataset, name: str, tmp_path: Path
) -> None:
    import torch

    told: list[Progress] = []
    options = dataclasses.replace(QUICK, checkpointing=True)
    report = train(str(made[name]), data, tmp_path / "out", options=options, on_progress=told.append, **ONLY)
    assert report.steps == 4
    assert report.loss < report.loss_before
    assert told[-1].steps == 4
    assert told[-1].items_per_second
    assert told[-1].memory
    again = load_parts(str(made[name]), adapter=tmp_path / "out", device="cpu")
    with torch.inference_mode():
        losses = [
            float(again.model(**Collator(again.processor, name)(rows)).loss)
            for rows in _pairs(items(data, "validation", kinds=ONLY["kinds"], languages=ONLY["languages"]))
        ]
    assert sum(losses) / len(losses) == pytest.approx(report.loss, abs=1e-3)


def test_the_folder_holds_the_adapter_its_card_and_the_curves(tuned: Path, data: Dataset) -> None:
    origin = read_origin(tuned)
    assert origin.data["digest"] == data.digest
    assert origin.note == DISCLAIMER["en"]
    assert {"torch", "transformers", "peft"} <= set(origin.versions)
    assert DISCLAIMER["en"] in (tuned / "README.md").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in (tuned / "curves.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if line["validation_loss"] is not None] == [0, 2, 4]
    assert [line["step"] for line in lines if line["loss"] is not None] == [1, 2, 3, 4]
    assert not list(tuned.glob("**/optimizer.pt"))
    assert not (tuned / "model.safetensors").exists()


def test_a_stopped_training_goes_on_to_the_same_weights(
    made: dict[str, Path], data: Dataset, tuned: Path, tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import load_file

    class Stopped(Exception):
        pass

    def stop(now: Progress) -> None:
        if now.step == 3:
            raise Stopped

    out = tmp_path / "out"
    with pytest.raises(Stopped):
        train(str(made["qwen2_5_vl"]), data, out, options=QUICK, on_progress=stop, **ONLY)
    half = out / "checkpoints" / "checkpoint-3"
    half.mkdir()
    (half / "trainer_state.json").write_text("{")
    report = train(str(made["qwen2_5_vl"]), data, out, options=QUICK, resume=True, **ONLY)
    assert report.resumed_from == 2
    straight, resumed = (load_file(folder / "adapter_model.safetensors") for folder in (tuned, out))
    assert all(torch.allclose(straight[name], resumed[name], atol=1e-5) for name in straight)
    steps = [json.loads(line)["step"] for line in (out / "curves.jsonl").read_text().splitlines()]
    assert steps == [0, 1, 2, 2, 3, 4, 4]


def test_moved_with_its_base_it_goes_on(made: dict[str, Path], data: Dataset, tmp_path: Path) -> None:
    """At this learning rate the best checkpoint, the first, is from before the move: Trainer notes absolute paths."""

    class Stopped(Exception):
        pass

    def stop(now: Progress) -> None:
        if now.step == 3:
            raise Stopped

    base = shutil.copytree(made["qwen2_5_vl"], tmp_path / "base")
    options = dataclasses.replace(QUICK, steps=3, check_every=1, patience=0, learning_rate=0.15, warm_up=0.0)
    straight = train(str(base), data, tmp_path / "straight", options=options, **ONLY)
    assert straight.best_step == 1
    with pytest.raises(Stopped):
        train(str(base), data, tmp_path / "out", options=options, on_progress=stop, **ONLY)
    moved = tmp_path / "elsewhere" / "moved"
    moved.parent.mkdir()
    (tmp_path / "out").rename(moved)
    base = base.rename(tmp_path / "moved base")
    report = train(str(base), data, moved, options=options, resume=True, **ONLY)
    assert report.resumed_from == 2
    assert report.best_step == 1
    assert (moved / WEIGHTS).read_bytes() == (tmp_path / "straight" / WEIGHTS).read_bytes()
    assert read_origin(moved).base == f"hf:{base}"


@pytest.mark.parametrize("early", [False, True])
def test_stopped_after_its_last_step_it_ends_as_if_it_was_not(
    made: dict[str, Path],
    data: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    early: bool,
) -> None:
    from safetensors.torch import load_file

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    name, options = str(made["qwen2_5_vl"]), QUICK
    if early:
        options = dataclasses.replace(QUICK, steps=40, check_every=1, patience=2, learning_rate=0.3, warm_up=0.0)
    straight = train(name, data, tmp_path / "straight", options=options, **ONLY)
    out = tmp_path / "out"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("adapters.training.supervised.training.save_adapter", stop)
        train(name, data, out, options=options, **ONLY)
    report = train(name, data, out, options=options, resume=True, **ONLY)
    assert (report.steps < report.planned) is early
    assert report.resumed_from == report.steps == straight.steps
    assert report.best_step == straight.best_step
    one, other = (load_file(folder / "adapter_model.safetensors") for folder in (tmp_path / "straight", out))
    assert all((one[name] == other[name]).all() for name in one)


def test_it_goes_on_only_as_it_began(made: dict[str, Path], data: Dataset, tuned: Path, tmp_path: Path) -> None:
    name = str(made["qwen2_5_vl"])
    with pytest.raises(UsageError, match="is finished"):
        train(name, data, tuned, options=QUICK, resume=True, **ONLY)
    with pytest.raises(UsageError, match="holds something already"):
        train(name, data, tuned, options=QUICK, **ONLY)
    with pytest.raises(UsageError, match="leave out --resume"):
        train(name, data, tmp_path / "none", options=QUICK, resume=True, **ONLY)

    def stop(now: Progress) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        train(name, data, out, options=QUICK, on_progress=stop, **ONLY)
    other = shuffled(data, tmp_path / "other", seed=1)
    with pytest.raises(UsageError, match="data was"):
        train(name, other, out, options=QUICK, resume=True, **ONLY)
    with pytest.raises(UsageError, match="options was"):
        train(name, data, out, options=dataclasses.replace(QUICK, rank=8), resume=True, **ONLY)


def test_it_stops_early_and_keeps_the_best(made: dict[str, Path], data: Dataset, tmp_path: Path) -> None:
    worse = dataclasses.replace(QUICK, steps=40, check_every=1, patience=2, learning_rate=0.3, warm_up=0.0)
    report = train(str(made["qwen2_5_vl"]), data, tmp_path / "out", options=worse, **ONLY)
    assert report.steps < report.planned
    assert report.steps == report.best_step + 2
    losses = [json.loads(line)["validation_loss"] for line in (tmp_path / "out" / "curves.jsonl").open()]
    assert report.loss == min(loss for loss in losses[1:] if loss is not None)


def test_a_loss_that_is_no_number_stops_it(made: dict[str, Path], data: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ModelFailed, match="lower --learning-rate"):
        train(
            str(made["qwen2_5_vl"]),
            data,
            tmp_path / "out",
            options=dataclasses.replace(QUICK, steps=30, learning_rate=1e30, warm_up=0.0),
            **ONLY,
        )


def test_pictures_are_learned_at_the_size_they_will_be_shown(
    made: dict[str, Path], data: Dataset, tmp_path: Path
) -> None:
    name, out = str(made["qwen2_5_vl"]), tmp_path / "out"
    patches = 4 * 6 * 6  # of 14 pixels a side, four to a token
    options = dataclasses.replace(QUICK, steps=1, min_pixels=168 * 168, max_pixels=168 * 168)
    train(name, data, out, options=options, **ONLY)
    parts = load_parts(name, adapter=out, device="cpu")
    batch = Collator(parts.processor, name)(items(data, "test")[:1])
    assert batch["pixel_values"].shape[0] == patches
    said = read_origin(out).options
    assert (said["min_pixels"], said["max_pixels"]) == (168 * 168, 168 * 168)


def test_a_size_that_cannot_be_shown(made: dict[str, Path], data: Dataset, tmp_path: Path) -> None:
    name, out = str(made["qwen2_5_vl"]), tmp_path / "out"
    with pytest.raises(ModelUnsuitable, match="brings every picture to a size of its own: leave out --min-pixels"):
        train(str(made["gemma3"]), data, out, options=dataclasses.replace(QUICK, max_pixels=10_000), **ONLY)
    with pytest.raises(UsageError, match="200,000 to 12,544 pixels: set --min-pixels and --max-pixels"):
        train(name, data, out, options=dataclasses.replace(QUICK, min_pixels=200_000), **ONLY)
    served = dataclasses.replace(QUICK, min_pixels=802_816, max_pixels=3_211_264)  # 1024 tokens; this model reads 1024
    with pytest.raises(ModelUnsuitable, match=r"have 1,0\d\d tokens, but .* reads 1,024 in all"):
        train(name, data, out, options=served, **ONLY)
    assert not out.exists()


@pytest.mark.skipif(importlib.util.find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed")
def test_four_bits(made: dict[str, Path], data: Dataset, tmp_path: Path) -> None:
    options = dataclasses.replace(QUICK, four_bit=True)
    report = train(str(made["qwen2_5_vl"]), data, tmp_path / "out", options=options, **ONLY)
    assert report.loss < report.loss_before
    assert read_origin(tmp_path / "out").options["four_bit"] is True


def test_what_will_not_fit_says_what_to_change(
    made: dict[str, Path], data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psutil

    class Little:
        available = 1000

    monkeypatch.setattr(psutil, "virtual_memory", Little)
    with pytest.raises(ModelUnsuitable, match=re.escape("--batch 1")):
        train(str(made["qwen2_5_vl"]), data, tmp_path / "out", options=QUICK, **ONLY)
    assert not (tmp_path / "out").exists()


def test_the_estimate_counts_weights_and_optimizer_to_the_byte(made: dict[str, Path], data: Dataset) -> None:
    from adapters.lora.vision_language import PARTS, attach

    parts = load_parts(str(made["smolvlm"]), device="cpu")
    parameters = sum(one.numel() for one in parts.model.parameters())
    model = attach(parts.model, parts=PARTS, rank=4, alpha=8, dropout=0.0, seed=0)
    trained = sum(one.numel() for one in model.parameters() if one.requires_grad)
    batch = Collator(parts.processor, "tiny")(items(data, "train")[:1])
    found = memory.estimate(model, batch, rows=2, device="cpu", free=10**12)
    assert found.weights == parameters * 4
    assert found.trained == trained * 16
    assert found.activations == 2 * memory.estimate(model, batch, rows=1, device="cpu", free=10**12).activations


def test_bad_data_is_said(made: dict[str, Path], data: Dataset, tmp_path: Path) -> None:
    name = str(made["qwen2_5_vl"])
    with pytest.raises(UsageError, match="has no question of free"):
        train(name, data, tmp_path / "out", options=QUICK, kinds=("free",))
    copy = shuffled(data, tmp_path / "copy", seed=1)
    copy.picture(copy.examples[0]).unlink()
    with pytest.raises(InputError, match="1 pictures are not there"):
        train(name, copy, tmp_path / "out", options=QUICK, **ONLY)
    lines = [json.loads(line) for line in (copy.folder / EXAMPLES).read_text(encoding="utf-8").splitlines()]
    same = "\n".join(json.dumps({**line, "label": "nodule"}) for line in lines)
    (copy.folder / EXAMPLES).write_text(same, encoding="utf-8")
    with pytest.raises(UsageError, match="nothing to tell apart"):
        train(name, Dataset.read(copy.folder), tmp_path / "out", options=QUICK, **ONLY)
    with pytest.raises(UsageError, match="has an adapter already"):
        train(f"hf:{name}+{tmp_path}", data, tmp_path / "out", options=QUICK, **ONLY)


def _pairs(rows: list[Any]) -> list[list[Any]]:
    return [rows[at : at + 2] for at in range(0, len(rows), 2)]
