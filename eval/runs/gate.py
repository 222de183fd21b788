"""A gate for continuous integration: a run passes or fails, and says why in a sentence a reason.

An item that failed or could not be scored counts as 0 against a threshold, so that a run cannot pass by failing.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from eval.runs.comparing import compare_runs, mcnemar
from eval.runs.run import Run
from eval.runs.summary import Summary
from rag_app.errors import UsageError

SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True)
class Threshold:
    """The least mean that a metric may have."""

    metric: str
    least: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """From "right=0.8". Raises UsageError on anything else."""
        metric, _, number = text.partition("=")
        try:
            least = float(number)
        except ValueError:
            least = math.nan
        if not metric.strip() or not math.isfinite(least):
            raise UsageError(f"--fail-under takes METRIC=NUMBER, as right=0.8; {text!r} is not of that form.")
        return cls(metric.strip(), least)


@dataclass(frozen=True, slots=True)
class Verdict:
    """passed: the run may go through. reasons: a sentence for each way in which it may not."""

    reasons: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.reasons

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return {"passed": self.passed, "reasons": list(self.reasons)}


def below(summary: Summary, thresholds: Sequence[Threshold]) -> list[str]:
    """A sentence for each threshold that the run does not reach.

    Raises UsageError when the run has no such metric, with the nearest it has.
    """
    reasons: list[str] = []
    for threshold in thresholds:
        score = summary.all.scores.get(threshold.metric)
        if score is None:
            metrics = list(summary.all.scores)
            near = difflib.get_close_matches(threshold.metric, metrics, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(metrics) or 'none'}."
            raise UsageError(f"--fail-under: this run has no metric {threshold.metric!r}; {hint}")
        if score.lower_bound < threshold.least:
            lost = score.unscored + score.failed
            counted = f", with {lost} not scored or failed counted as 0" if lost else ""
            reasons.append(
                f"{threshold.metric} is {score.lower_bound:.3f}{counted}, under {threshold.least:g} "
                f"({score.scored} scored)."
            )
    return reasons


def worse(before: Run, after: Run) -> list[str]:
    """A sentence for each metric in which `after` is worse than `before`, by more than chance explains.

    Worse is a metric whose mean over the common items fell, with a 95 % bootstrap interval of the paired difference
    that lies below 0; and a share of items without result that rose (McNemar, p < 0.05). A metric whose name ends in
    _count, as the words of a caption, is neither better nor worse.
    """
    comparison = compare_runs(before, after)
    reasons = [
        f"{one.metric} fell from {one.before:.3f} to {one.after:.3f} over {one.n} common items: "
        f"{one.difference:+.3f} [{one.low:+.3f}, {one.high:+.3f}]."
        for one in comparison.differences
        if one.high < 0 and not one.metric.endswith("_count")
    ]
    lost, mended = len(comparison.newly_failed), len(comparison.mended)
    if lost > mended and mcnemar(mended, lost) < SIGNIFICANT:
        reasons.append(f"{lost} items fail that had a result before, and {mended} the other way round.")
    return reasons


def judge_run(run: Run, summary: Summary, thresholds: Sequence[Threshold], no_worse_than: Run | None) -> Verdict:
    """Whether the run passes the thresholds and, where one is given, the comparison with an earlier run."""
    found = worse(no_worse_than, run) if no_worse_than is not None else []
    return Verdict((*below(summary, thresholds), *found))
