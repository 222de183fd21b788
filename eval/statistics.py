"""Means with their uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES, SEED = 1000, 20260115


@dataclass(frozen=True, slots=True)
class Mean:
    """Mean of n values with a 95 % bootstrap interval; nan when n is 0."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]" if self.n else "-"


def mean(values: Sequence[float]) -> Mean:
    """Mean and percentile bootstrap interval (Efron 1979; 1,000 resamples of the questions, fixed seed)."""
    if not len(values):
        return Mean(float("nan"), float("nan"), float("nan"), 0)
    sample = np.asarray(values, dtype=np.float64)
    rows = np.random.default_rng(SEED).integers(0, len(sample), size=(RESAMPLES, len(sample)))
    low, high = np.quantile(sample[rows].mean(axis=1), (0.025, 0.975))
    return Mean(float(sample.mean()), float(low), float(high), len(sample))


def wilson(hits: int, n: int) -> tuple[float, float]:
    """95 % interval of a share of hits in n trials (Wilson 1927); (0, 1) when n is 0."""
    if not n:
        return 0.0, 1.0
    z = 1.959964
    share = hits / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def text_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Plain text table; the first column to the left, the others to the right."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = [
        "  ".join(
            cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    ]
    return "\n".join([lines[0], "  ".join("-" * w for w in widths), *lines[1:]])
