"""LoRA on the towers of an open_clip model, by peft.

peft knows torch's MultiheadAttention, whose query, key and value weights are one matrix that no linear layer holds; it
adds its product to that matrix before each pass and takes it away after. What it would wrap without effect is left out:
layers open_clip looks into instead of calling (the projections inside attention, CLIP ResNets' attention pool, a
linear text projection).

An adapter's folder is peft's own (adapter_config.json, adapter_model.safetensors) with rag_app.json beside it, which
says what it was trained on. Merged, the model is an ordinary open_clip model again: as fast, and saved or quantised
like any other.
"""

# torch, open_clip and peft come with the clip and lora extras only.
# pyright: reportMissingImports=false

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any, Literal

from adapters.open_clip.towers import fingerprint
from rag_app.errors import ModelUnsuitable, WeightsMissing

Tower = Literal["image", "text"]

CONFIG, WEIGHTS, ORIGIN = "adapter_config.json", "adapter_model.safetensors", "rag_app.json"
# Layers open_clip looks into instead of calling: wrapped they would fail or have no effect.
_LOOKED_INTO = {"attnpool", "text_projection"}


def attach(model: Any, *, rank: int, alpha: int, towers: tuple[Tower, ...]) -> Any:  # Any: open_clip's model, PeftModel
    """`model` with untrained LoRA layers in these towers, which change nothing yet; only they are trainable.

    The layers go into `model` itself; what is returned saves, switches off (`disable_adapter`) and merges them.
    """
    _needs_peft()
    from peft import LoraConfig, get_peft_model

    names = _layers(model, towers)
    pattern = "|".join(re.escape(name) for name in names)  # whole names: a bare one would match as an ending, too
    return get_peft_model(model, LoraConfig(r=rank, lora_alpha=alpha, target_modules=pattern))


def save_adapter(wrapped: Any, folder: Path, *, base: str, base_fingerprint: str) -> None:  # Any: peft's PeftModel
    """Write the adapter to `folder`, with the name and fingerprint of the model it was trained on."""
    wrapped.save_pretrained(str(folder))
    (folder / "README.md").unlink(missing_ok=True)  # peft's template of a model card, without content
    origin = {"base": base, "base_fingerprint": base_fingerprint}
    (folder / ORIGIN).write_text(json.dumps(origin, indent=1), encoding="utf-8")


def merge_adapter(model: Any, folder: Path, *, base: str) -> Any:  # Any: open_clip's model
    """`model` with the adapter's changes in its weights.

    Raises:
        WeightsMissing: the folder holds no adapter.
        ModelUnsuitable: it was trained on other weights than `model` has, or peft is not installed.
    """
    _needs_peft()
    for file in (CONFIG, WEIGHTS, ORIGIN):
        if not (folder / file).is_file():
            raise WeightsMissing(
                f"{folder} holds no adapter of this program ({file} is missing); name its folder after +."
            )
    try:
        origin = json.loads((folder / ORIGIN).read_text(encoding="utf-8"))
        trained_on, wanted = origin["base"], origin["base_fingerprint"]
    except (ValueError, KeyError, TypeError) as exc:
        raise ModelUnsuitable(f"{folder / ORIGIN} cannot be read ({exc}); train the adapter again.") from exc
    if wanted != fingerprint(model):
        raise ModelUnsuitable(
            f"The adapter {folder} was trained on {trained_on}, whose weights are not those of {base}."
        )
    from peft import PeftModel

    return PeftModel.from_pretrained(model, str(folder)).merge_and_unload()


def _layers(model: Any, towers: tuple[Tower, ...]) -> list[str]:  # Any: open_clip's model
    """Names of the layers LoRA goes into: attention, linear layers, and convolutions that are not grouped."""
    from torch import nn

    inside_attention: set[str] = set()
    names = []
    for name, module in model.named_modules():
        if ("image" if name.startswith("visual.") else "text") not in towers:
            continue
        if isinstance(module, nn.MultiheadAttention):
            inside_attention.add(name)
            if module.in_proj_weight is not None:  # peft needs keys and values as wide as queries
                names.append(name)
        elif name.rpartition(".")[0] in inside_attention or _LOOKED_INTO & set(name.split(".")):
            continue
        elif isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and module.groups == 1):
            names.append(name)
    return names


def _needs_peft() -> None:
    if importlib.util.find_spec("peft") is None:
        raise ModelUnsuitable("Adapters need peft, which is not installed. Run: pip install 'rag-app[lora]'.")
