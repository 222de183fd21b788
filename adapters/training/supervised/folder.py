"""The folder of a training: what it is of, its curves and checkpoints, and from where it goes on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adapters.lora.vision_language import WEIGHTS
from rag_app.errors import UsageError

RUN, CURVES, CHECKPOINTS = "run.json", "curves.jsonl", "checkpoints"
WHOLE = "whole"  # empty file in a checkpoint that was written to its end


def begin(out: Path, run: Mapping[str, Any]) -> None:  # Any: JSON
    """Make the folder and note what is trained. Raises UsageError where it holds something already."""
    check_empty(out)
    (out / CHECKPOINTS).mkdir(parents=True)
    (out / RUN).write_text(json.dumps(run, indent=1, ensure_ascii=False), encoding="utf-8")


def check_empty(out: Path) -> None:
    """Raises UsageError where the folder holds something already."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        more = "; --resume goes on with the training in it" if (out / RUN).is_file() else ""
        raise UsageError(f"{out} holds something already: choose another folder with --out, or remove it{more}.")


def check_unfinished(out: Path) -> None:
    """Raises UsageError where there is no training to go on with."""
    if not (out / RUN).is_file():
        raise UsageError(f"{out} holds no training to go on with; leave out --resume.")
    if (out / WEIGHTS).is_file():
        raise UsageError(f"The training in {out} is finished; to train again, choose another folder with --out.")


def go_on(out: Path, run: Mapping[str, Any]) -> Path | None:  # Any: JSON
    """The newest whole checkpoint, None where there is none yet; what came after it is removed.

    The folder, and that of the base model, may have been moved: weights and data are told by their digests. Raises
    UsageError when the interrupted training was of another model, of other data or with other options.
    """
    check_unfinished(out)
    try:
        before = json.loads((out / RUN).read_text(encoding="utf-8"))
    except ValueError as exc:
        raise UsageError(f"{out / RUN} cannot be read ({exc}); train again into another folder.") from exc
    changed = [key for key in run if key != "base" and before.get(key) != json.loads(json.dumps(run[key]))]
    if changed:
        told = "; ".join(f"{key} was {_short(before.get(key))}, now {_short(run[key])}" for key in changed)
        raise UsageError(f"The training in {out} cannot go on otherwise than it began ({told}); take --out DIR anew.")
    whole = {}
    for folder in (out / CHECKPOINTS).glob("checkpoint-*"):
        if (folder / WHOLE).is_file():
            whole[int(folder.name.partition("-")[2])] = folder
        else:
            shutil.rmtree(folder)  # half-written
    newest = max(whole, default=0)
    _cut(out / CURVES, newest)
    return whole.get(newest)


def finish(out: Path, written: Path) -> None:
    """Take the adapter's files out of `written`, its weights last: where they are, all is. Checkpoints are removed."""
    for file in sorted(written.iterdir(), key=lambda file: file.name == WEIGHTS):
        file.replace(out / file.name)
    shutil.rmtree(out / CHECKPOINTS)


def read_curves(out: Path) -> list[dict[str, Any]]:  # Any: JSON
    """The lines of the curves, a torn last one left out."""
    lines = []
    file = out / CURVES
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else []:
        try:
            lines.append(json.loads(line))
        except ValueError:
            break
    return lines


def _cut(file: Path, step: int) -> None:
    """Leave of the curves what was before the end of `step`; without a checkpoint, nothing."""
    kept = [line for line in read_curves(file.parent) if step and line["step"] <= step]
    file.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 200 else text[:200] + "…"
