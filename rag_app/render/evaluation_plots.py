"""The plots of an evaluation report: from a run's items to what is drawn, each with a sentence that counts them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from eval.failures import Diagnosis
from eval.runs.rows import Row
from eval.statistics import mean, wilson
from rag_app.render.plots import Curves, Dots, Plot, Point, Reliability, Stack

BINS = 10  # of confidence, each 0.1 wide
_MOST_STAGES = 6  # parts of a bar that can be told apart
_LANGUAGES = {"en": "English", "fa": "Persian", "ar": "Arabic"}


@dataclass(frozen=True, slots=True)
class Figure:
    """A plot under its heading; says: what it is of, and what is not in it. name: letters only."""

    name: str
    title: str
    says: str
    plot: Plot


def figures(rows: Sequence[Row], diagnoses: Mapping[str, Diagnosis], metric: str | None) -> list[Figure]:
    """The plots that these items have anything for. metric: the one to show by kind and language."""
    makers: list[Callable[[], Figure | None]] = [
        lambda: by_kind(rows, metric) if metric else None,
        lambda: depth(rows, diagnoses),
        lambda: calibration(rows),
        lambda: latency(rows),
        lambda: cost(rows),
        lambda: tokens(rows),
    ]
    return [figure for make in makers if (figure := make()) is not None]


def by_kind(rows: Sequence[Row], metric: str) -> Figure | None:
    """Means of the metric by kind, and by language, or by who read or wrote it. None for a metric not of 0 to 1."""
    scored = [row for row in rows if metric in row.scores]
    if not scored or any(not 0 <= row.scores[metric] <= 1 for row in scored):
        return None
    by = next((key for key in ("parser", "writer") if len(_values(scored, key)) > 1), "language")
    kinds, series = _values(scored, "kind"), _values(scored, by)
    points: dict[tuple[str, str], Point] = {}
    for kind in kinds:
        for one in series:
            found = [r.scores[metric] for r in scored if (_of(r, "kind"), _of(r, by)) == (kind, one)]
            if found:
                points[_kind(kind), _language(one)] = _point(found)
    plot = Dots(tuple(map(_kind, kinds)), tuple(map(_language, series)), points, metric)
    rest = f"; {len(rows) - len(scored)} have no such score" if len(scored) < len(rows) else ""
    of = f"over {len(scored)} of {len(rows)} items{rest}"
    says = f"{metric}, mean and 95 % interval (of shares Wilson, else bootstrap), {of}."
    return Figure("kinds", f"{metric} by kind and {by}", says, plot)


def _point(values: Sequence[float]) -> Point:
    """The mean with its interval: of a share the Wilson one, which is honest where all of few items agree."""
    if set(values) <= {0.0, 1.0}:
        hits = int(sum(values))
        return Point(hits / len(values), *wilson(hits, len(values)), len(values))
    one = mean(values)
    return Point(one.value, one.low, one.high, one.n)


def calibration(rows: Sequence[Row]) -> Figure | None:
    """Of the answers given: the confidence said against the share that is right, an answer to a question without one
    counting as wrong; Wilson intervals. In words: the expected calibration error (Guo et al. 2017)."""
    answers = [row.record["answer"] for row in rows if row.record.get("answer")]
    if not any(answer["confidence"] is not None for answer in answers):
        return None
    given = [
        (row.record["answer"]["confidence"], row.scores.get("right", 0.0))
        for row in rows
        if row.record.get("answer") and not row.record["answer"]["refused"]
    ]
    said = np.asarray([(c, right) for c, right in given if c is not None], dtype=np.float64).reshape(-1, 2)
    if not len(said):
        return None
    which = np.minimum((said[:, 0] * BINS).astype(int), BINS - 1)
    points: list[tuple[float, Point]] = []
    error = 0.0
    for one in sorted(set(which.tolist())):
        confidences, rights = said[which == one].T
        points.append((float(confidences.mean()), _point(rights.tolist())))
        error += len(rights) / len(said) * abs(float(rights.mean() - confidences.mean()))
    silent = len(given) - len(said)
    rest = f", {silent} answers come without a confidence" if silent else ""
    refused = sum(answer["refused"] for answer in answers)
    says = (
        f"{len(said)} answers given; expected calibration error {error:.3f}. "
        f"Not in it: {refused} refusals{rest}. Intervals: Wilson, 95 %."
    )
    return Figure("calibration", "Calibration of confidence", says, Reliability(points))


def depth(rows: Sequence[Row], diagnoses: Mapping[str, Diagnosis]) -> Figure | None:
    """Share of the questions whose evidence is among the first k passages found, over k."""
    ranks: dict[str, list[int | None]] = {}
    deepest = 0
    for row in rows:
        diagnosis = diagnoses.get(row.id)
        if diagnosis is None or not diagnosis.wanted:
            continue
        ranks.setdefault(_language(_of(row, "language")), []).append(diagnosis.depth)
        found = row.record["answer"]["evidence"] if row.record.get("answer") else row.record.get("hits") or ()
        deepest = max(deepest, len(found))
    if not deepest:
        return None
    k = range(1, deepest + 1)
    lines = {
        name: (list(k), [sum(r is not None and r <= n for r in found) / len(found) for n in k])
        for name, found in sorted(ranks.items())
    }
    whole = [rank for found in ranks.values() for rank in found]
    never = sum(rank is None for rank in whole)
    says = (
        f"Share of {len(whole)} questions whose evidence, by its words or its label, is among the first k passages; "
        f"of {never} it is in none."
    )
    plot = Curves(lines, "passages looked at, k", "share with the evidence", steps=True, counted=True)
    return Figure("depth", "Depth of retrieval", says, plot)


def latency(rows: Sequence[Row]) -> Figure | None:
    """The distribution of the seconds an item takes in all, by language."""
    seconds: dict[str, list[float]] = {}
    for row in rows:
        if row.seconds:
            seconds.setdefault(_language(_of(row, "language")), []).append(_total(row))
    if not seconds or not any(any(values) for values in seconds.values()):
        return None
    lines = {
        name: (sorted(values), [(i + 1) / len(values) for i in range(len(values))])
        for name, values in sorted(seconds.items())
    }
    whole = [value for values in seconds.values() for value in values]
    half, most, top = np.quantile(whole, (0.5, 0.95, 1))
    says = f"{len(whole)} items: half within {half:.2f} s, 95 % within {most:.2f} s, the slowest {top:.2f} s."
    wide = min(whole) > 0 and max(whole) > 20 * min(whole)
    plot = Curves(lines, "seconds", "share done within", logarithmic=wide, steps=True)
    return Figure("latency", "Latency", says, plot)


def cost(rows: Sequence[Row]) -> Figure | None:
    """Where the seconds go: the mean of each stage, by kind."""
    timed = [row for row in rows if row.seconds]
    stages = _stages(timed)
    if not stages:
        return None
    kinds = _values(timed, "kind")
    parts = {
        stage: [
            float(np.mean([row.seconds.get(stage, 0.0) for row in timed if _of(row, "kind") == kind])) for kind in kinds
        ]
        for stage in stages
    }
    whole = sum(_total(row) for row in timed)
    says = f"Mean seconds of an item by stage and kind; {whole:.1f} s of computing for {len(timed)} items in all."
    return Figure("cost", "Cost in seconds", says, Stack(tuple(map(_kind, kinds)), parts, "seconds an item"))


def tokens(rows: Sequence[Row]) -> Figure | None:
    """Tokens read and written by the answering model, by kind; None where no model counted any."""
    counted = [row for row in rows if (row.record.get("answer") or {}).get("tokens")]
    if not counted:
        return None
    kinds = _values(counted, "kind")
    parts = {
        name: [
            float(np.mean([row.record["answer"]["tokens"].get(key, 0) for row in counted if _of(row, "kind") == kind]))
            for kind in kinds
        ]
        for key, name in (("prompt", "read"), ("reply", "written"))
    }
    whole = {key: sum(row.record["answer"]["tokens"].get(key) or 0 for row in counted) for key in ("prompt", "reply")}
    says = (
        f"Mean tokens of an item over {len(counted)} of {len(rows)} items; in all {whole['prompt']:,} read and "
        f"{whole['reply']:,} written."
    )
    return Figure("tokens", "Cost in tokens", says, Stack(tuple(map(_kind, kinds)), parts, "tokens an item"))


def _stages(rows: Sequence[Row]) -> list[str]:
    """The stages that add up: those of an answer, or all but the total; the longest where there are too many."""
    named = dict.fromkeys(stage for row in rows for stage in row.seconds if stage != "total")
    answers = [stage for stage in ("retrieve", "compose", "cite", "judge") if stage in named]
    main = answers if "compose" in answers else list(named)
    longest = sorted(main, key=lambda stage: -sum(row.seconds.get(stage, 0.0) for row in rows))[:_MOST_STAGES]
    return [stage for stage in main if stage in longest]


def _total(row: Row) -> float:
    return row.seconds["total"] if "total" in row.seconds else sum(row.seconds.values())


def _values(rows: Sequence[Row], key: str) -> list[str]:
    return list(dict.fromkeys(_of(row, key) for row in rows))


def _of(row: Row, key: str) -> str:
    return row.groups.get(key, "")


def _kind(kind: str) -> str:
    return kind.replace("_", " ") or "all"


def _language(language: str) -> str:
    return _LANGUAGES.get(language, language) or "all"
