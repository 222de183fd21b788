"""The curves of a training as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from rag_app.render.plots import INK, SERIES
from rag_app.render.plots_training import write_curves


def test_both_losses_are_drawn(tmp_path: Path) -> None:
    lines = [{"step": step, "loss": 2 / (step + 1), "validation_loss": None} for step in range(1, 20)]
    lines += [{"step": step, "loss": None, "validation_loss": 2.5 / (step + 1)} for step in (0, 10, 19)]
    write_curves(lines, tmp_path / "curves.png")
    drawn = np.asarray(Image.open(tmp_path / "curves.png").convert("RGB")).reshape(-1, 3)
    for colour in (*SERIES[:2], INK["--soft"]):
        wanted = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
        assert (drawn == wanted).all(axis=1).sum() > 100, colour


def test_a_training_without_a_step_is_drawn(tmp_path: Path) -> None:
    write_curves([{"step": 0, "loss": None, "validation_loss": 1.0}], tmp_path / "curves.png")
    assert Image.open(tmp_path / "curves.png").size == (960, 510)
