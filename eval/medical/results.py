"""Runs on held-out images, read back: their figures, by subgroup, and whether they beat the baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from eval.medical.manifests import KIND
from eval.medical.measuring import Estimate, Measured, Predictions, gains, mean, measure
from eval.medical.running import ABNORMAL
from eval.runs import Manifest, Row, Run
from rag_app.errors import InputError, UsageError

TASKS = ("diagnosis", "anomaly")


@dataclass(frozen=True, slots=True)
class Worded:
    """One measure of the answers in words. scored, unscored: images; why: the first reason for having no score."""

    figure: Estimate
    scored: int
    unscored: int = 0
    why: str = ""

    def __str__(self) -> str:
        left = f"; {self.unscored} not scored: {self.why}" if self.unscored else ""
        return f"{self.figure} ({self.scored} images{left})"


@dataclass(frozen=True, slots=True)
class Examined:
    """One model, or baseline, on the images. rows: those with a result; failed: those without.

    tasks      diagnosis, and anomaly: normal against abnormal
    subgroups  (group, value) -> task -> its figures, where the dataset names groups
    answers    measures of the answers in words, where it was asked for them
    judge      who judged them, as in the manifest; judged: what that took; both empty without a judge
    """

    name: str
    note: str
    manifest: Manifest
    rows: tuple[Row, ...]
    failed: tuple[Row, ...]
    tasks: Mapping[str, Measured]
    subgroups: Mapping[tuple[str, str], Mapping[str, Measured]]
    answers: Mapping[str, Worded]
    judge: Mapping[str, Any] = field(default_factory=dict)  # Any: JSON
    judged: Mapping[str, Any] = field(default_factory=dict)  # Any: JSON

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return {
            "name": self.name,
            "note": self.note,
            "images": len(self.rows),
            "failed": len(self.failed),
            **{task: one.to_dict() for task, one in self.tasks.items()},
            "subgroups": [
                {"group": group, "value": value, **{task: one.to_dict() for task, one in tasks.items()}}
                for (group, value), tasks in self.subgroups.items()
            ],
            "answers": {
                name: {
                    "mean": one.figure.value,
                    "low": one.figure.low,
                    "high": one.figure.high,
                    "n": one.scored,
                    "unscored": one.unscored,
                    "why": one.why,
                }
                for name, one in self.answers.items()
            },
            "judge": {**self.judge, "took": dict(self.judged)} if self.judge else None,
        }


def examine(run: Run) -> Examined:
    """The figures of a run. Raises InputError where no image of it has a result."""
    manifest = medical_manifest(run)
    rows = tuple(row for row in run.rows() if row.error is None)
    failed = tuple(row for row in run.rows() if row.error is not None)
    if not rows:
        why = failed[0].error if failed else "it has not been gone on with"
        raise InputError(f"{run.folder} has no image with a result: {why}")
    said = predictions(manifest, rows)
    keys = list(dict.fromkeys((key, value) for row in rows for key, value in row.groups.items() if key != "label"))
    subgroups: dict[tuple[str, str], dict[str, Measured]] = {}
    for key, value in sorted(keys):
        chosen = np.array([row.groups.get(key) == value for row in rows])
        subgroups[key, value] = {task: measure(one.of(chosen)) for task, one in said.items()}
    return Examined(
        name=manifest.models["vision"],
        note=str(manifest.settings["note"]),
        manifest=manifest,
        rows=rows,
        failed=failed,
        tasks={task: measure(one) for task, one in said.items()},
        subgroups=subgroups,
        answers=_worded(rows),
        judge=manifest.judge or {},
        judged=run.kept("judge"),
    )


def _worded(rows: Sequence[Row]) -> dict[str, Worded]:
    """The measures of the answers in words, over the rows that have them."""
    names = dict.fromkeys(name for row in rows for name in (*row.scores, *row.unscored) if not name.endswith("_right"))
    found = {}
    for name in names:
        scored = [row for row in rows if name in row.scores]
        reasons = [row.unscored[name] for row in rows if name in row.unscored]
        figure = mean([row.scores[name] for row in scored], [row.record["unit"] for row in scored]) if scored else None
        found[name] = Worded(figure or Estimate(None), len(scored), len(reasons), reasons[0] if reasons else "")
    return found


def predictions(manifest: Manifest, rows: Sequence[Row]) -> dict[str, Predictions]:
    """What was said of the rows' images, by task."""
    labels = tuple(manifest.settings["labels"])
    units = np.unique([row.record["unit"] for row in rows], return_inverse=True)[1]
    abnormal = np.array([row.record["abnormal_probability"] for row in rows])
    return {
        "diagnosis": Predictions(
            labels,
            np.array([labels.index(row.record["label"]) for row in rows]),
            np.array([row.record["probabilities"] for row in rows]),
            units,
        ),
        "anomaly": Predictions(
            ABNORMAL,
            np.array([int(row.record["abnormal"]) for row in rows]),
            np.stack([1 - abnormal, abnormal], axis=1),
            units,
        ),
    }


def medical_manifest(run: Run) -> Manifest:
    """The manifest of a run on medical images. Raises UsageError for a run of another kind."""
    if run.manifest.kind != KIND:
        raise UsageError(
            f"{run.folder} is a run of {run.manifest.kind}, not of rag-app medical evaluate; name one of its folders."
        )
    return run.manifest


def verdicts(examined: Sequence[Examined]) -> list[str]:
    """What the figures allow to be said of each model that is no baseline, a sentence a task; of the baselines alone,
    which of them is best."""
    baselines = [one for one in examined if one.manifest.settings["by"] == "baseline"]
    models = [one for one in examined if one not in baselines]
    said = []
    for task in TASKS:
        if not baselines:
            continue
        best = max(baselines, key=lambda one: one.tasks[task].overall["balanced_accuracy"].value or 0)
        bar = best.tasks[task].overall["balanced_accuracy"]
        if not models:
            said.append(f"{task.capitalize()}: the best baseline is {best.name}, balanced accuracy {bar}.")
        for one in models:
            own = one.tasks[task].overall["balanced_accuracy"]
            gain = gains_over(best, one, task)["balanced_accuracy"]
            words = "is not told apart from"
            if gain.low is not None and gain.low > 0:
                words = "beats"
            elif gain.high is not None and gain.high < 0:
                words = "is worse than"
            said.append(
                f"{task.capitalize()}: {one.name} {words} the best baseline, {best.name} "
                f"(balanced accuracy {own} against {bar})."
            )
    return said


def gains_over(before: Examined, after: Examined, task: str) -> dict[str, Estimate]:
    """after - before in one task, on the images that both have a result for."""
    theirs = {row.id: row for row in after.rows}
    first = [row for row in before.rows if row.id in theirs]
    if not first:
        raise UsageError(f"{before.name} and {after.name} have no image in common that both have a result for.")
    said = predictions(before.manifest, first)[task]
    return gains(said, predictions(after.manifest, [theirs[row.id] for row in first])[task])
