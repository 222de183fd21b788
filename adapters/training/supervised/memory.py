"""How much memory a training will take, told before it starts, and what to change where it will not fit."""

# torch and transformers come with the medical extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rag_app.errors import ModelUnsuitable

_GB = 2**30
_OPTIMIZER = 16  # bytes of a trained weight: itself, its gradient and AdamW's two moments, all fp32
_KEPT = 34  # bytes of a layer's activations per token and hidden unit at 2 bytes each (Korthikanti et al., 2022)


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes: of the base model's weights, of what is trained with its optimizer, of activations; free: to be had.

    It is rough: attention's own working memory and what the allocator wastes are not in it.
    """

    weights: int
    trained: int
    activations: int
    free: int

    @property
    def total(self) -> int:
        return self.weights + self.trained + self.activations

    def __str__(self) -> str:
        return (
            f"about {self.total / _GB:.1f} GB of memory ({self.weights / _GB:.1f} weights, "
            f"{self.trained / _GB:.1f} trained part, {self.activations / _GB:.1f} activations), "
            f"{self.free / _GB:.1f} GB are free"
        )


def estimate(model: Any, batch: Mapping[str, Any], *, checkpointing: bool, device: str) -> Estimate:
    """What training `model`, with its LoRA layers in it, takes with batches like `batch`, the longest one.

    model: peft's PeftModel, its weights loaded already, so `free` has them added.
    """
    import torch

    weights = sum(one.numel() * one.element_size() for one in model.parameters() if not one.requires_grad)
    trained = _OPTIMIZER * sum(one.numel() for one in model.parameters() if one.requires_grad)
    config = model.config
    size = 2 if device.startswith("cuda") else 4
    rows, tokens = batch["input_ids"].shape
    text = config.get_text_config()
    activations = _activations(text, rows * tokens, size, checkpointing)
    # Logits, their gradient and the loss's softmax are in fp32.
    activations += rows * tokens * text.vocab_size * (size + 8)
    vision = getattr(config, "vision_config", None)
    pixels = batch.get("pixel_values")
    if vision is not None and pixels is not None:
        activations += _activations(vision, _patches(pixels, vision), size, checkpointing)
    if device.startswith("cuda"):
        free = torch.cuda.mem_get_info()[0]
    else:
        import psutil

        free = psutil.virtual_memory().available
    return Estimate(weights, trained, activations, free + weights)


def check_fits(found: Estimate, *, batch: int, four_bit: bool, checkpointing: bool) -> None:
    """Raises ModelUnsuitable, with what to change, where the estimate is more than there is."""
    if found.total <= found.free:
        return
    changes = []
    if batch > 1:
        changes.append(f"--batch {max(1, batch // 2)} with --accumulate doubled")
    if not checkpointing:
        changes.append("--checkpointing")
    if not four_bit:
        changes.append("--four-bit (with a GPU)")
    changes.append("smaller images" if found.activations > found.weights else "a smaller model")
    raise ModelUnsuitable(
        f"Training takes {found}, so it will not fit. Try {', or '.join(changes)}; --fits skips this."
    )


def used(device: str) -> int:
    """The most bytes held so far: by torch on the GPU, or by this process."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.max_memory_allocated()
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _activations(config: Any, tokens: int, size: int, checkpointing: bool) -> int:  # Any: PretrainedConfig
    hidden = getattr(config, "hidden_size", None) or getattr(config, "embed_dim", 0)
    layers = getattr(config, "num_hidden_layers", None) or getattr(config, "depth", 0)
    layer = tokens * hidden * _KEPT * size // 2
    return layer + layers * tokens * hidden * size if checkpointing else layers * layer


def _patches(pixels: Any, config: Any) -> int:  # Any: a tensor, PretrainedConfig
    """Patches in a batch: Qwen hands over (patches, values), all others (..., channels, height, width)."""
    if pixels.dim() == 2:
        return pixels.shape[0]
    patch = getattr(config, "patch_size", 14)
    return pixels.numel() // (3 * patch * patch)
