"""How much memory a training will take, told before it starts, and what to change where it will not fit."""

# torch and transformers come with the medical extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

import ctypes
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rag_app.errors import ModelUnsuitable

_GB = 2**30
_MMAP_THRESHOLD = -3  # its number for mallopt
_LARGE = 2**20  # bytes of a block
_OPERATORS = 2**27  # bytes that torch's operators keep for themselves on a processor: 80 to 150 MB were measured
_OPTIMIZER = 16  # bytes of a trained weight: itself, its gradient and AdamW's two moments, all fp32


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes: of the base model's weights, of what is trained with its optimizer, of activations, of what operators keep
    for themselves; free: before it all.

    rows: questions in a batch, which share the activations evenly, of `tokens` each at most. at_least: the trial was
    broken off, so it is more. What the allocator wastes is not in it.
    """

    weights: int
    trained: int
    activations: int
    operators: int
    free: int
    rows: int = 1
    tokens: int = 0
    at_least: bool = False

    @property
    def total(self) -> int:
        return self.weights + self.trained + self.activations + self.operators

    @property
    def fits(self) -> bool:
        return not self.at_least and self.total <= self.free

    def __str__(self) -> str:
        return (
            f"{'more than' if self.at_least else 'about'} {self.total / _GB:.1f} GB of memory "
            f"({self.weights / _GB:.1f} weights, {self.trained / _GB:.1f} trained part, "
            f"{self.activations / _GB:.1f} activations, {self.operators / _GB:.1f} operators), "
            f"{self.free / _GB:.1f} GB are free"
        )


def estimate(model: Any, largest: Mapping[str, Any], *, rows: int, device: str, free: int) -> Estimate:
    """What training `model`, with its LoRA layers in it, takes with `rows` questions in a batch.

    One question goes through the model and back, and what is held meanwhile is counted; all rows of a batch are padded
    to the same length, so they take the same. Costs one pass.

    model: peft's PeftModel, loaded already. largest: a batch of one, with the largest picture and the longest answer.
    free: bytes there were before it was loaded; on a processor its weights may lie in the file's pages, which the
    system counts as free.
    """
    import torch

    from adapters.training.supervised.trial import TooMuch, bytes_of_a_step

    weights = sum(one.numel() * one.element_size() for one in model.parameters() if not one.requires_grad)
    trained = _OPTIMIZER * sum(one.numel() for one in model.parameters() if one.requires_grad)
    operators = _OPERATORS if device == "cpu" else 0
    limit = max(0, free - weights - trained - operators)
    try:
        row, broken_off = bytes_of_a_step(model, largest, device=device, limit=limit), False
    except (TooMuch, torch.OutOfMemoryError):
        row, broken_off = limit, True
    tokens = int(largest["input_ids"].shape[1])
    return Estimate(weights, trained, rows * row, operators, free, rows, tokens, broken_off)


def check_fits(found: Estimate, *, four_bit: bool, checkpointing: bool) -> None:
    """Raises ModelUnsuitable, with what to change, where the estimate is more than there is."""
    if found.fits:
        return
    changes = []
    room = (found.free - found.total + found.activations) * found.rows // max(1, found.activations)
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


def give_back_large_blocks() -> None:
    """Let glibc give blocks of 1 MB and more back to the system as soon as they are freed, from now on.

    By itself it keeps those of up to 32 MB, and finds few of torch's aligned blocks again: trainings of models of 35
    and 240 million parameters held 1.3 to 3 times what they needed (glibc 2.36). It cost 15 % more processor time
    there; smaller and larger blocks are treated as before. Elsewhere than on Linux with glibc it does nothing.
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE)


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


def free_bytes(device: str | None) -> int:
    """Bytes to be had on the GPU, or on this machine. device: None takes the GPU where there is one."""
    import torch

    if (device or "cuda").startswith("cuda") and torch.cuda.is_available():
        return torch.cuda.mem_get_info()[0]
    import psutil

    return psutil.virtual_memory().available
