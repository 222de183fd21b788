"""Two runs, item by item: what changed, whether chance explains it, and which items flipped.

Only items that both runs scored are compared; the others are counted. Metrics of 0 and 1 are tested by McNemar's exact
test (McNemar 1947), all others by the paired bootstrap (Berg-Kirkpatrick et al. 2012), both two-sided. Where several
metrics are tested, p is adjusted by Holm (1979).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eval.runs.rows import Row
from eval.runs.run import Run
from eval.statistics import SEED, text_table
from rag_app.errors import UsageError

RESAMPLES = 10_000
_AT_ONCE = 2_000_000  # numbers drawn at a time: 16 MB
SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True)
class Flip:
    """An item whose score of 0 or 1 is another one now."""

    id: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Difference:
    """One metric over the items that both runs scored.

    before, after  means over the same n items
    difference     after - before, with its 95 % bootstrap interval low..high
    test           "McNemar" or "bootstrap"; p: its two-sided p-value; adjusted: by Holm, over the metrics compared
    rose, fell     items whose score is higher, lower; the rest is equal
    flipped        of a metric of 0 and 1: the items that rose or fell
    unpaired       items that are in both runs, scored in one of them only
    """

    metric: str
    n: int
    before: float
    after: float
    difference: float
    low: float
    high: float
    test: str
    p: float
    adjusted: float
    rose: int
    fell: int
    flipped: tuple[Flip, ...]
    unpaired: int

    @property
    def significant(self) -> bool:
        return self.adjusted < SIGNIFICANT


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs of one kind.

    before, after  their names
    common         items in both; only_before, only_after: items in one of them
    changed        what decides the figures and is not the same: "models.answer was builtin, now ollama:gemma3:4b"
    newly_failed   items with a result before and none now; mended: the other way round
    incomparable   metrics that no item has in both runs
    """

    before: str
    after: str
    common: int
    only_before: int
    only_after: int
    changed: tuple[str, ...]
    newly_failed: tuple[str, ...]
    mended: tuple[str, ...]
    differences: tuple[Difference, ...]
    incomparable: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return dataclasses.asdict(self)

    def table(self) -> str:
        rows = [
            [
                one.metric,
                one.n,
                f"{one.before:.3f}",
                f"{one.after:.3f}",
                f"{one.difference:+.3f} [{one.low:+.3f}, {one.high:+.3f}]",
                f"{one.adjusted:.3f}{' *' if one.significant else ''}",
                one.rose,
                one.fell,
                one.unpaired,
            ]
            for one in self.differences
        ]
        header = ["", "n", "before", "after", "difference [95 %]", "p", "rose", "fell", "unpaired"]
        parts = [f"before  {self.before}\nafter   {self.after}", text_table(header, rows)]
        notes = [
            f"{self.common} items in both runs, {self.only_before} only before, {self.only_after} only after. "
            "* p < 0.05, adjusted by Holm over the metrics.",
            *(f"Changed: {one}." for one in self.changed),
        ]
        if self.incomparable:
            notes.append(f"In no item of both runs: {', '.join(self.incomparable)}.")
        for what, ids in (("Failed now", self.newly_failed), ("Failed before", self.mended)):
            if ids:
                notes.append(f"{what}: {', '.join(ids)}.")
        for one in self.differences:
            for what, step in (("rose", 1), ("fell", -1)):
                ids = [flip.id for flip in one.flipped if (flip.after - flip.before) * step > 0]
                if ids:
                    notes.append(f"{one.metric} {what}: {', '.join(ids)}")
        return "\n\n".join([*parts, "\n".join(notes)])


def compare_runs(before: Run, after: Run) -> Comparison:
    """Compare two runs. Raises UsageError when they are of different kinds or have no item in common."""
    if before.manifest.kind != after.manifest.kind:
        raise UsageError(
            f"{before.folder} is a run of {before.manifest.kind} and {after.folder} one of {after.manifest.kind}: "
            "compare two runs of one kind."
        )
    mine, theirs = ({row.id: row for row in run.rows()} for run in (before, after))
    common = [item for item in mine if item in theirs]
    if not common:
        raise UsageError(
            f"{before.folder} and {after.folder} have no item in common: compare runs of one question set."
        )
    differences, incomparable = compare_rows([mine[item] for item in common], [theirs[item] for item in common])
    return Comparison(
        before=str(before.folder),
        after=str(after.folder),
        common=len(common),
        only_before=len(mine) - len(common),
        only_after=len(theirs) - len(common),
        changed=tuple(before.manifest.changes(after.manifest)),
        newly_failed=tuple(item for item in common if mine[item].error is None and theirs[item].error is not None),
        mended=tuple(item for item in common if mine[item].error is not None and theirs[item].error is None),
        differences=differences,
        incomparable=incomparable,
    )


def compare_rows(before: Sequence[Row], after: Sequence[Row]) -> tuple[tuple[Difference, ...], tuple[str, ...]]:
    """The difference in each metric, and the metrics that no item has in both; row i of both is the same item."""
    pairs = list(zip(before, after, strict=True))
    if any(one.id != other.id for one, other in pairs):
        raise ValueError("rows to be compared are of the same items, in the same order")
    metrics = list(dict.fromkeys(name for one, other in pairs for name in (*one.scores, *other.scores)))
    found: list[Difference] = []
    incomparable: list[str] = []
    for metric in metrics:
        scored = [(one, other) for one, other in pairs if metric in one.scores and metric in other.scores]
        both = [(one.id, one.scores[metric], other.scores[metric]) for one, other in scored]
        alone = sum((metric in one.scores) != (metric in other.scores) for one, other in pairs)
        if both:
            found.append(_difference(metric, both, alone))
        else:
            incomparable.append(metric)
    adjusted = holm([one.p for one in found])
    return tuple(dataclasses.replace(one, adjusted=p) for one, p in zip(found, adjusted, strict=True)), tuple(
        incomparable
    )


def _difference(metric: str, pairs: Sequence[tuple[str, float, float]], alone: int) -> Difference:
    before = np.asarray([old for _, old, _ in pairs], dtype=np.float64)
    after = np.asarray([new for _, _, new in pairs], dtype=np.float64)
    steps = after - before
    rose, fell = int((steps > 0).sum()), int((steps < 0).sum())
    low, high, p = paired_bootstrap(steps)
    binary = bool(np.isin(before, (0, 1)).all() and np.isin(after, (0, 1)).all())
    flipped = tuple(Flip(item, old, new) for item, old, new in pairs if binary and old != new)
    if binary:
        p = mcnemar(rose, fell)
    return Difference(
        metric, len(pairs), float(before.mean()), float(after.mean()), float(steps.mean()), low, high,
        "McNemar" if binary else "bootstrap", p, p, rose, fell, flipped, alone,
    )  # fmt: skip


def mcnemar(rose: int, fell: int) -> float:
    """Two-sided p-value of the exact test of McNemar (1947): `rose` and `fell` are the items that flipped each way."""
    n = rose + fell
    tail = sum(math.comb(n, i) for i in range(min(rose, fell) + 1))
    return min(1.0, 2 * tail / 2**n)


def paired_bootstrap(steps: np.ndarray, *, resamples: int = RESAMPLES, seed: int = SEED) -> tuple[float, float, float]:
    """95 % percentile interval (low, high) of the mean of the differences (n,), and the two-sided p-value.

    p is the share of resamples whose mean lies as far from the mean found as that lies from 0 (Berg-Kirkpatrick et al.
    2012), with the sample itself counted among them, so that it is never 0.
    """
    generator = np.random.default_rng(seed)
    size = max(1, _AT_ONCE // len(steps))
    means = np.concatenate(
        [
            steps[generator.integers(0, len(steps), size=(min(size, resamples - start), len(steps)))].mean(axis=1)
            for start in range(0, resamples, size)
        ]
    )
    low, high = np.quantile(means, (0.025, 0.975))
    found = steps.mean()
    as_far = int((np.abs(means - found) >= abs(found) - 1e-12).sum())
    return float(low), float(high), (as_far + 1) / (resamples + 1)


def holm(p: Sequence[float]) -> list[float]:
    """p-values adjusted for their number (Holm 1979), in the order given."""
    adjusted = [1.0] * len(p)
    reached = 0.0
    for rank, i in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        reached = max(reached, min(1.0, p[i] * (len(p) - rank)))
        adjusted[i] = reached
    return adjusted
