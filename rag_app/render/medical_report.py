"""`medical evaluate`: the page that says how well each model diagnoses, beside the baselines, and what went wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.medical.comparing import Against, signed
from eval.medical.measuring import Estimate, Measured
from eval.medical.results import TASKS, Examined, Worded, verdicts
from eval.runs.rows import Row
from eval.statistics import wilson
from rag_app.medical import DISCLAIMER
from rag_app.medical.records import IMAGES, Dataset
from rag_app.render.plots import Curves, Dots, Point, Reliability, svg
from rag_app.render.self_contained import Embedded, embedded, environment, write_whole

SHOWN = 12  # wrong images of each model
_SIDE = 200  # pixels of a thumbnail
TITLES = {"diagnosis": "Diagnosis", "anomaly": "Normal or abnormal"}
MEASURES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "auroc": "AUROC",
    "calibration_error": "ECE",
    "accuracy_at_80": "accuracy on the surest 80 %",
    "accuracy_at_50": "on the surest 50 %",
}


@dataclass(frozen=True, slots=True)
class _Wrong:
    """An image that was diagnosed wrongly: what it is, and the three likeliest labels with their shares."""

    picture: Embedded
    id: str
    label: str
    said: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class _Details:
    """One model's own part of the page; plots by task."""

    name: str
    note: str
    tasks: Mapping[str, Measured]
    labels: Mapping[str, tuple[str, ...]]
    reliability: Mapping[str, str]
    subgroups: Mapping[tuple[str, str], Mapping[str, Measured]]
    answers: Mapping[str, Worded]
    judge: Mapping[str, Any]  # Any: JSON
    judged: Mapping[str, Any]  # Any: JSON
    examples: tuple[Mapping[str, Any], ...]  # Any: JSON
    wrong: tuple[_Wrong, ...]
    wrong_in_all: int
    failed: tuple[Row, ...]


def write_medical_report(
    dataset: Dataset, examined: Sequence[Examined], pairs: Sequence[Against], path: Path, *, notes: Sequence[str] = ()
) -> None:
    """Write the page to `path`, replacing it whole. pairs: comparisons with the first model; notes: sentences on what
    could not be measured. Raises UsageError when it cannot be written."""
    page = environment({"estimate": str, "signed": signed}).get_template("medical_report.html.j2").render(
        dataset=dataset,
        split=examined[0].manifest.settings["split"],
        examined=examined,
        details=[_details(dataset, one, f"m{number}") for number, one in enumerate(examined)],
        pairs=pairs,
        titles=TITLES,
        measures=MEASURES,
        gained=("accuracy", "balanced_accuracy", "macro_f1", "auroc"),
        plots={task: _plots(examined, task) for task in TASKS},
        verdicts=verdicts(examined),
        notes=notes,
        disclaimer=DISCLAIMER,
    )  # fmt: skip
    write_whole(path, iter([page]), option="--out")


def _plots(examined: Sequence[Examined], task: str) -> list[tuple[str, str]]:
    """(title, SVG): the models' figures, accuracy by coverage, and the ROC curves."""
    names = tuple(one.name for one in examined)
    shown = ("balanced_accuracy", "auroc")
    points = {
        (one.name, MEASURES[measure]): dot
        for one in examined
        for measure in shown
        if (dot := point(one.tasks[task].overall[measure], one.tasks[task].images)) is not None
    }
    drawn = [
        (
            "With 95 % intervals",
            svg(
                Dots(names, tuple(MEASURES[measure] for measure in shown), points, "share"),
                name=f"dots-{task}",
                label=f"{TITLES[task]}: balanced accuracy and AUROC of each model",
                themed=True,
            ),
        ),
        (
            "Accuracy on the images it is surest of, by how many it answers",
            svg(
                Curves(
                    {one.name: _from_none(*one.tasks[task].selective) for one in examined},
                    "coverage: share of the images answered",
                    "accuracy",
                ),
                name=f"selective-{task}",
                label=f"{TITLES[task]}: accuracy by coverage",
                themed=True,
            ),
        ),
    ]
    if task == "anomaly":
        lines = {one.name: one.tasks[task].roc["abnormal"] for one in examined if one.tasks[task].roc["abnormal"][0]}
        if lines:
            drawn.append(
                (
                    "ROC",
                    svg(
                        Curves(lines, "1 - specificity", "sensitivity"),
                        name="roc-anomaly",
                        label="ROC curves of abnormal against normal",
                        themed=True,
                    ),
                )
            )
    return drawn


def _from_none(coverage: Sequence[float], accuracy: Sequence[float]) -> tuple[list[float], list[float]]:
    """The curve from coverage 0 on, so that equally sure images are a line: any part of them is as good."""
    return [0.0, *coverage], [accuracy[0], *accuracy]


def point(one: Estimate, n: int) -> Point | None:
    """A figure of n images as a dot of a plot; None where it has no interval."""
    if one.value is None or one.low is None or one.high is None:
        return None
    return Point(one.value, one.low, one.high, n)


def reliability(measured: Measured, *, name: str, label: str) -> str:
    """The reliability plot as SVG; name and label: as for `svg`."""
    points = [(said, Point(right / n, *wilson(right, n), n)) for said, right, n in measured.bins]
    return svg(Reliability(points), name=name, label=label, themed=True)


def _details(dataset: Dataset, one: Examined, name: str) -> _Details:
    wrong = sorted(
        (row for row in one.rows if not row.scores["diagnosis_right"]),
        key=lambda row: -max(row.record["probabilities"]),
    )
    return _Details(
        name=one.name,
        note=one.note,
        tasks=one.tasks,
        labels={task: tuple(measured.classes) for task, measured in one.tasks.items()},
        reliability={
            task: reliability(
                measured, name=f"{name}-{task}", label=f"{one.name}, {TITLES[task]}: share right by confidence"
            )
            for task, measured in one.tasks.items()
        },
        subgroups=one.subgroups,
        answers=one.answers,
        judge=one.judge,
        judged=one.judged,
        examples=tuple(said for row in one.rows for said in row.record.get("answers", ()))[:SHOWN],
        wrong=tuple(_wrong(dataset, row) for row in wrong[:SHOWN]),
        wrong_in_all=len(wrong),
        failed=one.failed,
    )


def _wrong(dataset: Dataset, row: Row) -> _Wrong:
    shares = sorted(zip(dataset.labels, row.record["probabilities"], strict=True), key=lambda pair: -pair[1])
    picture = embedded(dataset.folder / IMAGES / row.record["image"], side=_SIDE)
    return _Wrong(picture, row.id, row.record["label"], tuple(shares[:3]))
