"""Where a training stands after an epoch, on disk: safetensors and JSON, from which it goes on exactly."""

# torch and safetensors come with the clip extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from rag_app.errors import UsageError

FOLDER = "unfinished"
_BEFORE = ".before"  # after its name: the epoch before, while the next one takes its place
_MOMENTS = ("exp_avg", "exp_avg_sq", "step")  # what AdamW keeps for each tensor


@dataclass(frozen=True, slots=True)
class Standing:
    """What an epoch leaves: the best weights so far, and what was noted (history, best epoch), as JSON."""

    best: dict[str, torch.Tensor]
    notes: Mapping[str, Any]  # Any: JSON


def save_standing(
    folder: Path,
    parameters: Mapping[str, torch.nn.Parameter],
    optimizer: torch.optim.Optimizer,
    standing: Standing,
) -> None:
    """Write it under `folder`, whole or not at all: a run stopped at any time leaves it or the epoch before."""
    tensors = {f"now/{name}": value.detach() for name, value in parameters.items()}
    tensors |= {f"best/{name}": value for name, value in standing.best.items()}
    for name, value in parameters.items():
        tensors |= {f"{moment}/{name}": optimizer.state[value][moment] for moment in _MOMENTS}
    whole, writing, before = (folder / f"{FOLDER}{end}" for end in ("", ".writing", _BEFORE))
    shutil.rmtree(writing, ignore_errors=True)
    writing.mkdir(parents=True)
    save_file({name: value.contiguous().cpu() for name, value in tensors.items()}, writing / "state.safetensors")
    (writing / "notes.json").write_text(json.dumps(standing.notes), encoding="utf-8")
    if whole.exists():
        shutil.rmtree(before, ignore_errors=True)
        whole.replace(before)
    writing.replace(whole)
    shutil.rmtree(before, ignore_errors=True)


def load_standing(
    folder: Path, parameters: Mapping[str, torch.nn.Parameter], optimizer: torch.optim.Optimizer
) -> Standing:
    """Put `parameters` and `optimizer` where they stood. Raises UsageError where there is nothing to go on from."""
    whole = folder / FOLDER
    if not whole.exists():
        whole = folder / f"{FOLDER}{_BEFORE}"  # stopped between putting the one away and the next one in its place
    try:
        tensors = load_file(whole / "state.safetensors")
        notes = json.loads((whole / "notes.json").read_text(encoding="utf-8"))
        with torch.no_grad():
            for name, value in parameters.items():
                value.copy_(tensors[f"now/{name}"])
                optimizer.state[value] = {moment: tensors[f"{moment}/{name}"].to(value.device) for moment in _MOMENTS}
                optimizer.state[value]["step"] = tensors[f"step/{name}"]  # stays on the CPU
        best = {name: tensors[f"best/{name}"] for name in parameters}
    except FileNotFoundError as exc:
        raise UsageError(f"{folder} holds no unfinished training; start it without resume.") from exc
    except (SafetensorError, KeyError, ValueError, RuntimeError) as exc:
        raise UsageError(f"{whole} does not fit this training ({exc}); remove it and start without resume.") from exc
    return Standing(best, notes)


def forget_standing(folder: Path) -> None:
    """Remove it, once the training is finished."""
    for end in ("", _BEFORE):
        shutil.rmtree(folder / f"{FOLDER}{end}", ignore_errors=True)
