"""Parsers, models or writers side by side: a line a metric, a column each, means with intervals and counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from eval.runs import Group, Row
from eval.runs.summary import group_of
from eval.statistics import text_table


def grouped(rows: Sequence[Row], by: str, names: Sequence[str]) -> dict[str, Group]:
    """A group of rows for each of `names`, the values of the group key `by`."""
    found: dict[str, Group] = {}
    for name in names:
        own = [row for row in rows if row.groups.get(by) == name]
        metrics = list(dict.fromkeys(metric for row in own for metric in (*row.scores, *row.unscored)))
        found[name] = group_of(own, metrics, {by: name})
    return found


def table(
    title: str, groups: Mapping[str, Group], labels: Mapping[str, str], more: Sequence[Sequence[object]] = ()
) -> str:
    """Metrics of `labels` that any group has, in that order, then items scored and failed, then the rows of `more`."""
    there = [metric for metric in labels if any(metric in group.scores for group in groups.values())]
    rows: list[Sequence[object]] = [
        [labels[name], *(_said(group, name) for group in groups.values())] for name in there
    ]
    rows.append(["items: done + failed", *(f"{g.total - g.failed} + {g.failed}" for g in groups.values())])
    return text_table([title, *groups], [*rows, *more])


def _said(group: Group, metric: str) -> str:
    score = group.scores.get(metric)
    if score is None or not score.scored:
        return "-"
    return f"{score.mean} ({score.scored}{f', {score.unscored} not' if score.unscored else ''})"
