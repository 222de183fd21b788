"""LoRA on a vision-language model of transformers, by peft.

An adapter's folder is peft's own (adapter_config.json, adapter_model.safetensors) with the processor it was trained
with, rag_app.json, which says what it was trained on, and README.md, the same for people.
"""

# torch, transformers and peft come with the medical extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from rag_app.errors import ModelUnsuitable, WeightsMissing

Part = Literal["language", "vision", "projector"]
PARTS: tuple[Part, ...] = get_args(Part)

CONFIG, WEIGHTS, ORIGIN, CARD = "adapter_config.json", "adapter_model.safetensors", "rag_app.json", "README.md"
# Names of the modules of a transformers model that hold these parts; all else is the language model.
_PROJECTOR = {"merger", "deepstack_merger_list", "multi_modal_projector", "connector", "modality_projection", "aligner"}
_VISION = {"visual", "vision_tower", "vision_model", "vision_encoder", "vision_backbone", "image_tower"}
_OUTPUT = "lm_head"  # never trained: where it is tied to the input embedding, that would be changed, too


@dataclass(frozen=True, slots=True)
class Origin:
    """What an adapter was trained on and how, in its rag_app.json.

    base               full name of the model, "hf:Qwen/Qwen2.5-VL-3B-Instruct"; revision: the hub's commit, if any
    base_fingerprint   of the base model's weights; the adapter is refused on others
    data               digest of the dataset, counts by part of the split, labels
    options            the training's settings: rank, learning rate, seed, ...
    metrics            what was measured, on which part
    versions           of the libraries that trained it
    note               said on the card before all else
    """

    base: str
    base_fingerprint: str
    revision: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)  # Any: JSON, and so below
    options: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    note: str = ""


def attach(model: Any, *, parts: tuple[Part, ...], rank: int, alpha: int, dropout: float, seed: int) -> Any:
    """`model` with untrained LoRA layers in the linear layers of these parts, which change nothing yet.

    Only they are trainable. A model in 4 bits is made ready for training first (its norms in fp32). The layers go into
    `model` itself; what is returned, peft's PeftModel, saves, switches off (`disable_adapter`) and merges them.
    Raises ModelUnsuitable when the model has no linear layer in these parts.
    """
    import torch
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    names = layers(model, parts)
    if not names:
        raise ModelUnsuitable(
            f"This model has no linear layers in its {' and '.join(parts)} part; parts are {', '.join(PARTS)}."
        )
    if getattr(model, "is_loaded_in_4bit", False):
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    pattern = "|".join(re.escape(name) for name in names)  # whole names: a bare one would match as an ending, too
    config = LoraConfig(
        r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=pattern, task_type="CAUSAL_LM", bias="none"
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return get_peft_model(model, config)


def layers(model: Any, parts: tuple[Part, ...]) -> list[str]:  # Any: PreTrainedModel
    """Names of the linear layers of these parts, the output layer left out."""
    from torch import nn

    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and name.rpartition(".")[2] != _OUTPUT and part_of(name) in parts
    ]


def part_of(name: str) -> Part:
    """The part of the model a module or parameter of this name belongs to."""
    places = set(name.split("."))
    if places & _PROJECTOR:
        return "projector"
    return "vision" if places & _VISION else "language"


def save_adapter(wrapped: Any, folder: Path, *, processor: Any, origin: Origin) -> None:  # Any: PeftModel, processor
    """Write adapter, processor, origin and card to `folder`; nothing of the base model's weights."""
    wrapped.save_pretrained(str(folder), save_embedding_layers=False)
    processor.save_pretrained(str(folder))
    raw = {"kind": "vision-language", **dataclasses.asdict(origin)}
    (folder / ORIGIN).write_text(json.dumps(raw, indent=1, ensure_ascii=False), encoding="utf-8")
    (folder / CARD).write_text(card(origin), encoding="utf-8")


def read_origin(folder: Path) -> Origin:
    """What the adapter in `folder` was trained on.

    Raises:
        WeightsMissing: the folder holds no adapter of this program.
        ModelUnsuitable: its origin cannot be read, or it is no adapter of a vision-language model.
    """
    for file in (CONFIG, WEIGHTS, ORIGIN):
        if not (folder / file).is_file():
            raise WeightsMissing(
                f"{folder} holds no adapter of this program ({file} is missing); name its folder after +."
            )
    try:
        raw = json.loads((folder / ORIGIN).read_text(encoding="utf-8"))
        kind = raw.pop("kind", "CLIP")
        if kind != "vision-language":
            raise ModelUnsuitable(f"{folder} is an adapter of a {kind} model, not of a vision-language model.")
        return Origin(**raw)
    except (ValueError, TypeError, AttributeError) as exc:
        raise ModelUnsuitable(f"{folder / ORIGIN} cannot be read ({exc}); train the adapter again.") from exc


def load_adapter(
    model: Any,  # Any: PreTrainedModel
    folder: Path,
    *,
    base: str,
    base_fingerprint: str,
    trainable: bool = False,
) -> Any:  # Any: PeftModel
    """`model` with the adapter's layers in it, switched on.

    Raises what `read_origin` raises, and ModelUnsuitable when it was trained on other weights than `model` has.
    """
    check_base(folder, base=base, base_fingerprint=base_fingerprint)
    from peft import PeftModel
    from safetensors import SafetensorError

    try:
        return PeftModel.from_pretrained(model, str(folder), is_trainable=trainable)
    except SafetensorError as exc:
        raise WeightsMissing(
            f"{folder / WEIGHTS} is damaged ({exc}): copy it again or train the adapter again."
        ) from exc
    except (RuntimeError, ValueError, KeyError, TypeError) as exc:
        reason = " ".join(str(exc).split())[:300]
        raise ModelUnsuitable(f"The adapter {folder} does not fit {base}: {reason}.") from exc


def check_base(folder: Path, *, base: str, base_fingerprint: str) -> Origin:
    """The adapter's origin, when it was trained on these weights; else ModelUnsuitable."""
    origin = read_origin(folder)
    if origin.base_fingerprint != base_fingerprint:
        raise ModelUnsuitable(
            f"The adapter {folder} was trained on {origin.base}, whose weights are not those of {base}; "
            f"use it with its own model, {origin.base}+{folder}, or train one for {base}."
        )
    return origin


def merge_adapter(wrapped: Any) -> Any:  # Any: PeftModel in, PreTrainedModel out
    """The base model with the adapter's changes in its weights: an ordinary model of transformers again.

    Raises ModelUnsuitable for a model in 4 bits, whose weights cannot take them without loss.
    """
    if getattr(wrapped.get_base_model(), "is_loaded_in_4bit", False):
        raise ModelUnsuitable(
            "An adapter is not merged into 4-bit weights, which would round it away; leave out #4bit."
        )
    return wrapped.merge_and_unload()


def card(origin: Origin) -> str:
    """The adapter card, in Markdown."""
    lines = ["---", "library_name: peft", f"base_model: {origin.base.removeprefix('hf:')}", "---", "# LoRA adapter", ""]
    lines += [f"**{origin.note}**", ""] if origin.note else []
    revision = f", revision {origin.revision}" if origin.revision else ""
    lines += [f"Base model: `{origin.base}`{revision}, weights `{origin.base_fingerprint}`.", ""]
    for title, table in (
        ("Data", origin.data),
        ("Training", origin.options),
        ("Measured", origin.metrics),
        ("Versions", origin.versions),
    ):
        if table:
            lines += [f"## {title}", "", "| | |", "|---|---|"]
            lines += [f"| {key} | {_cell(value)} |" for key, value in table.items()] + [""]
    return "\n".join(lines)


def _cell(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.replace("|", "\\|").replace("\n", " ")
