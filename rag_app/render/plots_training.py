"""The curves of a training as a PNG: losses over the steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rag_app.render.plots import INK, SERIES


def write_curves(lines: Sequence[Mapping[str, Any]], path: Path) -> None:  # Any: JSON
    """Draw lines of curves.jsonl. Raises ImportError where Matplotlib is not installed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.4), dpi=150, layout="constrained")
    axes = figure.subplots()
    for place, (key, name, mark) in enumerate(
        (("loss", "training", ""), ("validation_loss", "validation", "o")),
    ):
        points = [(line["step"], line[key]) for line in lines if line.get(key) is not None]
        axes.plot(
            [step for step, _ in points],
            [value for _, value in points],
            color=SERIES[place],
            marker=mark,
            markersize=4,
            linewidth=1.6,
            label=name,
        )
    axes.set_xlabel("step", color=INK["--soft"])
    axes.set_ylabel("loss, nats a token of the answer", color=INK["--soft"])
    axes.grid(color=INK["--line"], linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, metadata={"Software": None})
