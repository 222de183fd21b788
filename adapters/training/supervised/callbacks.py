"""What happens beside the steps of transformers' Trainer: curves written, progress told, whole checkpoints marked."""

# torch and transformers come with the medical extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from adapters.training.supervised.folder import WHOLE
from adapters.training.supervised.memory import used
from adapters.training.supervised.options import Progress
from rag_app.errors import ModelFailed


class Telling(TrainerCallback):
    """Appends to `curves` and calls `on_progress`: at each step, and with the losses where there are new ones.

    Raises ModelFailed when the loss is no number any more.
    """

    def __init__(self, curves: Path, *, items_a_step: int, device: str, on_progress: Callable[[Progress], None]):
        self._curves, self._items, self._device, self._on_progress = curves, items_a_step, device, on_progress
        self._first = 0  # step at which this run began
        self._began = self._mark = 0.0
        self._paused = 0.0  # seconds spent on checks and checkpoints

    # Any: transformers hands over its arguments, state and control, and more by name.
    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._first = state.global_step
        self._began = self._mark = time.perf_counter()

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == self._first:  # loading, and the check before the first step, are no training
            self._began = time.perf_counter()
            self._paused = 0.0

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._mark = time.perf_counter()
        if state.global_step >= state.max_steps:
            control.should_evaluate = True  # the last step is checked, too
        self._on_progress(self._standing(state))

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._pause()

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        (Path(args.output_dir) / f"checkpoint-{state.global_step}" / WHOLE).touch()
        self._pause()

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        logs = logs or {}
        loss, validation = logs.get("loss"), logs.get("eval_loss")
        if loss is None and validation is None:
            return
        if not all(math.isfinite(value) for value in (loss, validation) if value is not None):
            raise ModelFailed(
                f"The loss is no number any more at step {state.global_step}; train again with a lower --learning-rate."
            )
        told = dataclasses.replace(
            self._standing(state), loss=loss, validation_loss=validation, learning_rate=logs.get("learning_rate")
        )
        with self._curves.open("a", encoding="utf-8") as file:
            file.write(json.dumps(dataclasses.asdict(told)) + "\n")
        self._on_progress(told)

    def _pause(self) -> None:
        now = time.perf_counter()
        self._paused += now - self._mark
        self._mark = now

    def _standing(self, state: Any) -> Progress:
        done = state.global_step - self._first
        seconds = self._mark - self._began - self._paused
        rate = done * self._items / seconds if done and seconds > 0 else None
        left = (state.max_steps - state.global_step) * self._items / rate if rate else None
        return Progress(
            step=state.global_step,
            steps=state.max_steps,
            epoch=float(state.epoch or 0),
            items_per_second=rate,
            seconds_left=left,
            memory=used(self._device),
        )
