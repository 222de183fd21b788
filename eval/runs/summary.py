"""Means of a run's metrics with 95 % bootstrap intervals, for all items and by group; nothing is averaged away.

For each metric and group: scored + unscored + failed + not applicable = total.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from eval.runs.rows import Row
from eval.statistics import Mean, mean, text_table


@dataclass(frozen=True, slots=True)
class Score:
    """One metric over one group. mean: over the scored items; its value is nan where there is none.

    unscored    could not be worked out, though the item has a result; failed: the item has none
    inapplicable  items that the metric says nothing about
    """

    mean: Mean
    scored: int
    unscored: int
    failed: int
    inapplicable: int

    @property
    def lower_bound(self) -> float:
        """The mean with unscored and failed items counted as 0; nan where the metric applies to no item."""
        counted = self.scored + self.unscored + self.failed
        return self.mean.value * self.scored / counted if self.scored else (0.0 if counted else float("nan"))

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        value = {key: None if self.mean.n == 0 else one for key, one in dataclasses.asdict(self.mean).items()}
        return {
            "mean": value["value"],
            "low": value["low"],
            "high": value["high"],
            "scored": self.scored,
            "unscored": self.unscored,
            "failed": self.failed,
            "inapplicable": self.inapplicable,
        }


@dataclass(frozen=True, slots=True)
class Group:
    """Items that share what `by` says; all of them where it is empty. scores: by metric, in order of appearance."""

    by: Mapping[str, str]
    total: int
    failed: int
    scores: Mapping[str, Score]

    @property
    def name(self) -> str:
        return ", ".join(f"{key} {value}" for key, value in self.by.items()) or "all"

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return {
            "by": dict(self.by),
            "total": self.total,
            "failed": self.failed,
            "scores": {metric: score.to_dict() for metric, score in self.scores.items()},
        }


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of one stage: median, 95th percentile and sum over the items that have it."""

    p50: float
    p95: float
    total: float


@dataclass(frozen=True, slots=True)
class Summary:
    """A run in figures.

    total    items the run is to have; missing: of them not done yet
    groups   all items first, then one group for each value of each key of `Row.groups`
    seconds  by stage
    """

    total: int
    missing: int
    groups: tuple[Group, ...]
    seconds: Mapping[str, Timing] = field(default_factory=dict)

    @property
    def all(self) -> Group:
        return self.groups[0]

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return {
            "total": self.total,
            "missing": self.missing,
            "failed": self.all.failed,
            "groups": [group.to_dict() for group in self.groups],
            "seconds": {stage: dataclasses.asdict(timing) for stage, timing in self.seconds.items()},
        }

    def table(self) -> str:
        """All metrics over all items with intervals and counts, then their means by group, a table for each key."""
        overall = [
            [metric, score.mean, score.scored, score.unscored, score.failed, score.inapplicable]
            for metric, score in self.all.scores.items()
        ]
        parts = [text_table(["", "mean [95 %]", "scored", "not scored", "failed", "does not apply"], overall)]
        for key in dict.fromkeys(key for group in self.groups for key in group.by):
            groups = [group for group in self.groups if key in group.by]
            rows = [["items", *(group.total for group in groups)]]
            rows += [[metric, *(_short(group.scores.get(metric)) for group in groups)] for metric in self.all.scores]
            parts.append(text_table([f"by {key}", *(group.by[key] for group in groups)], rows))
        done = f"{self.total} items: {self.all.total - self.all.failed} done, {self.all.failed} failed"
        parts.append(done + (f", {self.missing} not asked yet." if self.missing else "."))
        return "\n\n".join(parts)


def summarise(rows: Sequence[Row], *, total: int | None = None) -> Summary:
    """The figures of these rows. total: items the run is to have, where it is not done yet."""
    metrics = list(dict.fromkeys(name for row in rows for name in (*row.scores, *row.unscored)))
    keys = list(dict.fromkeys(key for row in rows for key in row.groups))
    groups = [group_of(rows, metrics, {})]
    for key in keys:
        for value in sorted({row.groups[key] for row in rows if key in row.groups}):
            chosen = [row for row in rows if row.groups.get(key) == value]
            groups.append(group_of(chosen, metrics, {key: value}))
    expected = len(rows) if total is None else total
    return Summary(max(expected, len(rows)), max(0, expected - len(rows)), tuple(groups), _timings(rows))


def group_of(rows: Sequence[Row], metrics: Sequence[str], by: Mapping[str, str]) -> Group:
    """One group of rows; metrics that have neither a score nor a reason in it are left out."""
    failed = sum(row.error is not None for row in rows)
    scores: dict[str, Score] = {}
    for metric in metrics:
        values = [row.scores[metric] for row in rows if metric in row.scores]
        unscored = sum(metric in row.unscored for row in rows)
        if values or unscored:
            rest = len(rows) - len(values) - unscored - failed
            scores[metric] = Score(mean(values), len(values), unscored, failed, rest)
    return Group(dict(by), len(rows), failed, scores)


def _timings(rows: Sequence[Row]) -> dict[str, Timing]:
    stages = dict.fromkeys(stage for row in rows for stage in row.seconds)
    timings: dict[str, Timing] = {}
    for stage in stages:
        values = [row.seconds[stage] for row in rows if stage in row.seconds]
        p50, p95 = np.quantile(values, (0.5, 0.95))
        timings[stage] = Timing(float(p50), float(p95), float(sum(values)))
    return timings


def _short(score: Score | None) -> str:
    return "-" if score is None or not score.scored else f"{score.mean.value:.3f}"
