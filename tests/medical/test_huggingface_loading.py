"""Models of five architectures load with their processors; adapters go on, merge, and refuse another model."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from adapters.huggingface.files import fingerprint, locate
from adapters.huggingface.loading import Parts, load_parts
from adapters.huggingface.naming import Source, parse_source
from adapters.huggingface.pulling import pull
from adapters.lora.vision_language import (
    PARTS,
    Origin,
    attach,
    layers,
    merge_adapter,
    part_of,
    read_origin,
    save_adapter,
)
from adapters.names import parse_model_name
from rag_app.errors import ModelUnsuitable, UnknownName, WeightsMissing
from tests.commands import CommandLine
from tests.hub import COMMIT, Hub, hub
from tests.medical.models import MADE, qwen

__all__ = ["hub"]  # a fixture

QUESTION = "Is there an abnormality?"


def picture(seed: int = 0, size: tuple[int, int] = (100, 120)) -> Image.Image:
    values = np.random.default_rng(seed).random(size[::-1]) * 255
    return Image.fromarray(values.astype("uint8")).convert("RGB")


def png(seed: int = 0) -> bytes:
    buffer = io.BytesIO()
    picture(seed).save(buffer, "PNG")
    return buffer.getvalue()


def logits(model: Any, parts: Parts) -> Any:
    import torch

    said = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": QUESTION}]}]
    text = parts.processor.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
    batch = parts.processor(text=[text], images=[[picture()]], return_tensors="pt")
    with torch.inference_mode():
        return model(**batch).logits


def trained_a_little(parts: Parts, *, parts_trained: Any = PARTS, seed: int = 1) -> Any:
    """Adapter layers whose second factor is not zero, as after training."""
    import torch

    wrapped = attach(parts.model, parts=parts_trained, rank=4, alpha=8, dropout=0.0, seed=seed)
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(seed)
        for name, parameter in wrapped.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.05)
    return wrapped.eval()


def origin(parts: Parts) -> Origin:
    return Origin(parts.source.base, parts.fingerprint, note="For study.", options={"rank": 4}, data={"train": 10})


@pytest.mark.parametrize("name", MADE)
def test_every_architecture_loads_and_its_adapter_saves_loads_and_merges(
    name: str, made: dict[str, Path], tmp_path: Path
) -> None:
    import torch

    parts = load_parts(str(made[name]))
    before = logits(parts.model, parts)
    wrapped = attach(parts.model, parts=PARTS, rank=4, alpha=8, dropout=0.1, seed=3)
    trainable = {n for n, p in wrapped.named_parameters() if p.requires_grad}
    assert trainable and all("lora_" in n for n in trainable)
    assert torch.allclose(logits(wrapped.eval(), parts), before, atol=1e-6), "untrained layers change nothing"

    wrapped = trained_a_little(load_parts(str(made[name])))
    changed = logits(wrapped, parts)
    assert (changed - before).abs().max() > 1e-2
    save_adapter(wrapped, tmp_path / "adapter", processor=parts.processor, origin=origin(parts))
    again = load_parts(str(made[name]), adapter=tmp_path / "adapter")
    assert torch.allclose(logits(again.model, again), changed, atol=1e-5)
    assert again.fingerprint == parts.fingerprint
    with again.model.disable_adapter():
        assert torch.allclose(logits(again.model, again), before, atol=1e-5)
    merged = merge_adapter(again.model)
    assert torch.allclose(logits(merged, again), changed, atol=1e-4)
    assert "peft" not in type(merged).__module__


@pytest.mark.parametrize("name", MADE)
def test_every_architecture_has_the_parts_that_are_trained(name: str, made: dict[str, Path]) -> None:
    model = load_parts(str(made[name])).model
    counts = {part: len(layers(model, (part,))) for part in PARTS}
    # Gemma 3's projector is one matrix and a norm, without a linear layer.
    assert counts["language"] >= 14 and counts["vision"] >= 8
    assert (counts["projector"] == 0) == (name == "gemma3")
    assert sum(counts.values()) == len(layers(model, PARTS)) == len(set(layers(model, PARTS)))
    assert not any("lm_head" in layer for layer in layers(model, PARTS))


def test_only_the_parts_that_are_asked_for_get_layers(made: dict[str, Path]) -> None:
    wrapped = attach(load_parts(str(made["qwen2_5_vl"])).model, parts=("language",), rank=2, alpha=4, dropout=0, seed=0)
    trainable = [name for name, p in wrapped.named_parameters() if p.requires_grad]
    assert trainable and all(part_of(name) == "language" for name in trainable)


def test_a_part_without_linear_layers_is_refused(made: dict[str, Path]) -> None:
    model = load_parts(str(made["gemma3"])).model
    with pytest.raises(ModelUnsuitable, match="no linear layers in its projector part"):
        attach(model, parts=("projector",), rank=2, alpha=4, dropout=0, seed=0)


def test_the_same_seed_makes_the_same_layers_and_leaves_the_generator_alone(made: dict[str, Path]) -> None:
    import torch

    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    one, two, three = (
        {
            name: parameter.clone()
            for name, parameter in attach(
                load_parts(str(made["smolvlm"])).model, parts=PARTS, rank=2, alpha=4, dropout=0, seed=seed
            ).named_parameters()
            if "lora_A" in name
        }
        for seed in (5, 5, 6)
    )
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not all(torch.equal(one[name], three[name]) for name in one)


def test_an_adapters_folder_holds_only_what_was_trained(made: dict[str, Path], tmp_path: Path) -> None:
    from safetensors import safe_open

    parts = load_parts(str(made["qwen2_5_vl"]))
    save_adapter(trained_a_little(parts), tmp_path, processor=parts.processor, origin=origin(parts))
    with safe_open(tmp_path / "adapter_model.safetensors", "pt") as kept:
        assert all("lora_" in name for name in kept.keys())  # noqa: SIM118  # safe_open is no mapping
    assert not list(tmp_path.glob("model*.safetensors"))
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "**For study.**" in card and parts.fingerprint in card and "| rank | 4 |" in card
    assert read_origin(tmp_path) == origin(parts)


def test_an_adapter_of_other_weights_is_refused(made: dict[str, Path], tmp_path: Path) -> None:
    parts = load_parts(str(made["qwen2_5_vl"]))
    save_adapter(trained_a_little(parts), tmp_path / "a", processor=parts.processor, origin=origin(parts))
    other = qwen(tmp_path / "other", depth=3)
    with pytest.raises(
        ModelUnsuitable, match=r"was trained on hf:.*qwen2_5_vl, whose weights are not those of hf:.*other"
    ):
        load_parts(str(other), adapter=tmp_path / "a")


def test_what_is_no_adapter_is_refused(made: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="holds no adapter of this program"):
        load_parts(str(made["qwen2_5_vl"]), adapter=tmp_path)
    for file in ("adapter_config.json", "adapter_model.safetensors"):
        (tmp_path / file).write_text("{}", encoding="utf-8")
    (tmp_path / "rag_app.json").write_text('{"base": "openclip:x", "base_fingerprint": "1"}', encoding="utf-8")
    with pytest.raises(ModelUnsuitable, match="adapter of a CLIP model"):
        load_parts(str(made["qwen2_5_vl"]), adapter=tmp_path)
    (tmp_path / "rag_app.json").write_text("[", encoding="utf-8")
    with pytest.raises(ModelUnsuitable, match="train the adapter again"):
        load_parts(str(made["qwen2_5_vl"]), adapter=tmp_path)


def test_the_adapters_processor_is_used(made: dict[str, Path], tmp_path: Path) -> None:
    parts = load_parts(str(made["qwen2_5_vl"]))
    parts.processor.image_processor.size = {"shortest_edge": 56 * 56, "longest_edge": 84 * 84}
    save_adapter(trained_a_little(parts), tmp_path, processor=parts.processor, origin=origin(parts))
    again = load_parts(str(made["qwen2_5_vl"]), adapter=tmp_path)
    assert again.processor.image_processor.size["longest_edge"] == 84 * 84


def test_the_fingerprint_is_of_the_weights_not_of_their_files(made: dict[str, Path], tmp_path: Path) -> None:
    parts = load_parts(str(made["smolvlm"]))
    parts.model.save_pretrained(str(tmp_path / "sharded"), max_shard_size="200KB")
    sharded = locate(Source(folder=tmp_path / "sharded")).weights
    assert len(sharded) > 1
    assert fingerprint(sharded) == parts.fingerprint
    with __import__("torch").no_grad():
        parts.model.lm_head.weight[0, 0] += 1
    parts.model.save_pretrained(str(tmp_path / "changed"))
    assert fingerprint(locate(Source(folder=tmp_path / "changed")).weights) != parts.fingerprint


def test_four_bits_run_on_a_processor_and_take_an_adapter(made: dict[str, Path], tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    whole = load_parts(str(made["qwen2_5_vl"]))
    four_bit = load_parts(str(made["qwen2_5_vl"]), quantised=True)
    assert four_bit.source.name.endswith("#4bit") and four_bit.fingerprint == whole.fingerprint
    difference = (logits(four_bit.model, four_bit) - logits(whole.model, whole)).abs().max()
    assert 0 < difference < 1
    wrapped = trained_a_little(four_bit)
    assert all("lora_" in n for n, p in wrapped.named_parameters() if p.requires_grad)
    save_adapter(wrapped, tmp_path, processor=four_bit.processor, origin=origin(four_bit))
    with pytest.raises(ModelUnsuitable, match="not merged into 4-bit weights"):
        merge_adapter(wrapped)
    merge_adapter(load_parts(str(made["qwen2_5_vl"]), adapter=tmp_path).model)


@pytest.mark.parametrize("text", ["hf:Qwen", "hf:a/b/c", "hf:a/b#8bit", "hf:/"])
def test_names_that_are_none(text: str, tmp_path: Path) -> None:
    with pytest.raises((UnknownName, ModelUnsuitable)):
        locate(parse_source(parse_model_name(text)))


def test_names_are_read_and_written() -> None:
    source = parse_source(parse_model_name("hf:Qwen/Qwen2.5-VL-3B-Instruct#4bit+/data/adapter"))
    assert source == Source("Qwen/Qwen2.5-VL-3B-Instruct", None, True, Path("/data/adapter"))
    assert source.name == "hf:Qwen/Qwen2.5-VL-3B-Instruct#4bit+/data/adapter"
    assert source.base == "hf:Qwen/Qwen2.5-VL-3B-Instruct"
    assert parse_source(parse_model_name("hf:/data/x")).folder == Path("/data/x")


def test_a_model_that_is_not_here_says_how_to_get_it() -> None:
    with pytest.raises(WeightsMissing, match=r"models pull hf:Qwen/Qwen2\.5-VL-3B-Instruct"):
        load_parts("Qwen/Qwen2.5-VL-3B-Instruct")


def test_folders_that_cannot_be_loaded(made: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="There is no folder"):
        load_parts(str(tmp_path / "nowhere"))
    with pytest.raises(ModelUnsuitable, match=r"has no config\.json"):
        load_parts(str(tmp_path))
    broken = tmp_path / "broken"
    shutil.copytree(made["qwen2_5_vl"], broken)
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(WeightsMissing, match="damaged or incomplete"):
        load_parts(str(broken))
    weights.unlink()
    with pytest.raises(WeightsMissing, match=r"holds no model\.safetensors"):
        load_parts(str(broken))
    (broken / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(ModelUnsuitable, match="pickled weights"):
        load_parts(str(broken))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"model_type": "bert"}, "bert model, which does not read pictures"),
        ({"model_type": "x-own"}, "code of its own"),
    ],
)
def test_other_architectures_are_refused(
    changed: dict[str, str], words: str, made: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(made["qwen2_5_vl"], folder)
    (folder / "config.json").write_text(json.dumps({**changed, "architectures": ["X"]}), encoding="utf-8")
    with pytest.raises(ModelUnsuitable, match=words):
        load_parts(str(folder))


def test_a_model_without_a_chat_template_is_refused(made: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(made["gemma3"], folder)
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(ModelUnsuitable, match="no chat template"):
        load_parts(str(folder))


def test_pulled_it_loads_by_its_name_and_nothing_is_fetched_twice(hub: Hub, made: dict[str, Path]) -> None:
    hub.add("someone/tiny", made["smolvlm"])
    hub.files["/someone/tiny/resolve/main/pytorch_model.bin"] = b"pickled"
    source = parse_source(parse_model_name("hf:someone/tiny"))
    told: list[tuple[str, int, int]] = []
    found = pull(source, lambda what, done, total: told.append((what, done, total)))
    assert hub.fetched[0] == "config.json" and "pytorch_model.bin" not in hub.fetched
    assert told[-1] == ("model.safetensors", found.size, found.size)
    parts = load_parts("someone/tiny")
    assert parts.revision == found.revision == COMMIT
    assert parts.fingerprint == load_parts(str(made["smolvlm"])).fingerprint
    count = len(hub.fetched)
    pull(source, lambda *_: None)
    assert len(hub.fetched) == count


def test_what_is_of_no_use_is_not_fetched(hub: Hub, made: dict[str, Path]) -> None:
    hub.files["/someone/bert/resolve/main/config.json"] = b'{"model_type": "bert"}'
    hub.files["/someone/bert/resolve/main/model.safetensors"] = b"large"
    with pytest.raises(ModelUnsuitable, match="does not read pictures"):
        pull(parse_source(parse_model_name("hf:someone/bert")), lambda *_: None)
    assert hub.fetched == ["config.json"]
    with pytest.raises(WeightsMissing, match=r"holds no config\.json"):
        pull(parse_source(parse_model_name("hf:someone/nothing")), lambda *_: None)
    with pytest.raises(UnknownName, match="nothing to pull"):
        pull(parse_source(parse_model_name(f"hf:{made['smolvlm']}")), lambda *_: None)


def test_models_shows_it_with_its_adapter(
    made: dict[str, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    parts = load_parts(str(made["qwen2_5_vl"]))
    save_adapter(trained_a_little(parts), tmp_path / "a", processor=parts.processor, origin=origin(parts))
    run = CommandLine(capfd)
    shown = run.json("models", "show", f"hf:{made['qwen2_5_vl']}+{tmp_path / 'a'}")
    assert shown["fingerprint"] == parts.fingerprint and shown["adapter"]["note"] == "For study."
    assert run("models", "show", f"hf:{tmp_path}").returncode == 2
