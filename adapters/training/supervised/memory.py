"""How much memory a training will take, told before it starts, and what to change where it will not fit."""

# torch and transformers come with the medical extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rag_app.errors import ModelUnsuitable

_GB = 2**30
_OPTIMIZER = 16  # bytes of a trained weight: itself, its gradient and AdamW's two moments, all fp32


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes: of the base model's weights, of what is trained with its optimizer, of activations; free: to be had.

    rows: questions in a batch, which share the activations evenly. at_least: the trial was broken off, so it is more.
    What the allocator wastes, and operators hold inside them, is not in it.
    """

    weights: int
    trained: int
    activations: int
    free: int
    rows: int = 1
    at_least: bool = False

    @property
    def total(self) -> int:
        return self.weights + self.trained + self.activations

    @property
    def fits(self) -> bool:
        return not self.at_least and self.total <= self.free

    def __str__(self) -> str:
        return (
            f"{'more than' if self.at_least else 'about'} {self.total / _GB:.1f} GB of memory "
            f"({self.weights / _GB:.1f} weights, {self.trained / _GB:.1f} trained part, "
            f"{self.activations / _GB:.1f} activations), {self.free / _GB:.1f} GB are free"
        )


def estimate(model: Any, largest: Mapping[str, Any], *, rows: int, device: str) -> Estimate:
    """What training `model`, with its LoRA layers in it, takes with `rows` questions in a batch.

    One question goes through the model and back, and what is held meanwhile is counted; all rows of a batch are padded
    to the same length, so they take the same. Costs one pass.

    model: peft's PeftModel, loaded already. largest: a batch of one, with the largest picture and the longest answer.
    """
    import torch

    from adapters.training.supervised.trial import TooMuch, bytes_of_a_step

    weights = sum(one.numel() * one.element_size() for one in model.parameters() if not one.requires_grad)
    trained = _OPTIMIZER * sum(one.numel() for one in model.parameters() if one.requires_grad)
    free = _free(device)
    limit = max(0, free - trained)
    try:
        row, broken_off = bytes_of_a_step(model, largest, device=device, limit=limit), False
    except (TooMuch, torch.OutOfMemoryError):
        row, broken_off = limit, True
    return Estimate(weights, trained, rows * row, free + weights, rows, broken_off)


def check_fits(found: Estimate, *, four_bit: bool, checkpointing: bool) -> None:
    """Raises ModelUnsuitable, with what to change, where the estimate is more than there is."""
    if found.fits:
        return
    changes = []
    room = (found.free - found.weights - found.trained) * found.rows // max(1, found.activations)
    if found.rows > 1 and (room or found.at_least):
        changes.append(f"--batch {max(1, min(room, found.rows // 2))} with more --accumulate")
    if not checkpointing:
        changes.append("--checkpointing")
    if not four_bit:
        changes.append("--four-bit (with a GPU)")
    changes.append("smaller images (--max-pixels)" if found.activations > found.weights else "a smaller model")
    raise ModelUnsuitable(
        f"Training takes {found}, so it will not fit. Try {', or '.join(changes)}; --fits skips this."
    )


def used(device: str) -> int:
    """The most bytes held so far: by torch on the GPU, or by this process."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.max_memory_allocated()
    if sys.platform == "win32":
        import psutil

        return psutil.Process().memory_info().peak_wset
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _free(device: str) -> int:
    if device.startswith("cuda"):
        import torch

        return torch.cuda.mem_get_info()[0]
    import psutil

    return psutil.virtual_memory().available
