"""`medical compare --html`: the page on two models, and the images that one has right and the other wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from eval.medical.comparing import Compared, compared_verdicts, signed
from eval.medical.measuring import Measured
from eval.medical.running import ABNORMAL
from eval.runs.rows import Row
from rag_app.medical import DISCLAIMER
from rag_app.medical.records import IMAGES, Dataset
from rag_app.render.medical_report import MEASURES, TITLES, point, reliability
from rag_app.render.plots import Dots, svg
from rag_app.render.self_contained import Embedded, embedded, environment, write_whole

SHOWN = 18  # images of each kind of flip
_SIDE = 200  # pixels of a thumbnail
_GONE = "The dataset is no longer where it was."


@dataclass(frozen=True, slots=True)
class _Flip:
    """An image that flipped: what it is, and what was said of it before and after, with the share."""

    picture: Embedded
    label: str
    before: tuple[str, float]
    after: tuple[str, float]


@dataclass(frozen=True, slots=True)
class _Flips:
    shown: tuple[_Flip, ...]
    in_all: int


def write_medical_comparison(found: Compared, dataset: Dataset | None, path: Path) -> None:
    """Write the page to `path`, replacing it whole; without a dataset it has no images. Raises UsageError when it
    cannot be written."""
    against = found.against
    failed = [(against.before, found.failed[0]), (against.after, found.failed[1])]
    page = environment({"estimate": str, "signed": signed}).get_template("medical_comparison.html.j2").render(
        found=found,
        against=against,
        manifest=found.manifests[1],
        failed=failed,
        titles=TITLES,
        measures=MEASURES,
        verdicts=compared_verdicts(found),
        kept={task: _kept(found, task) for task in found.measured},
        plots={task: _plots(task, *both) for task, both in found.measured.items()},
        flips={task: _flips(found, task, dataset) for task in found.measured},
        disclaimer=DISCLAIMER,
    )  # fmt: skip
    write_whole(path, iter([page]))


def _kept(found: Compared, task: str) -> tuple[int, int]:
    """How many images both have right, and both have wrong."""
    scores = [(one.scores[f"{task}_right"], other.scores[f"{task}_right"]) for one, other in found.pairs]
    return scores.count((1.0, 1.0)), scores.count((0.0, 0.0))


def _plots(task: str, before: Measured, after: Measured) -> dict[str, str | Mapping[str, str]]:
    """As SVG: "labels", the sensitivity by label, and "reliability" before and after."""
    both = {"before": before, "after": after}
    points = {
        (label, when): drawn
        for when, measured in both.items()
        for label, own in measured.classes.items()
        if (drawn := point(own["sensitivity"], measured.counts[label])) is not None
    }
    dots = Dots(tuple(before.classes), tuple(both), points, "sensitivity")
    return {
        "labels": svg(dots, name=f"labels-{task}", label=f"{TITLES[task]}: sensitivity by label", themed=True),
        "reliability": {
            when: reliability(measured, name=f"{when}-{task}", label=f"{TITLES[task]}, {when}: right by confidence")
            for when, measured in both.items()
        },
    }


def _flips(found: Compared, task: str, dataset: Dataset | None) -> dict[str, _Flips]:
    """The images by which way they flipped, the one that the later model is surest of first."""
    rows = {one.id: (one, other) for one, other in found.pairs}
    made = {}
    for title, wanted in (("Now right", 1.0), ("Now wrong", 0.0)):
        ids = [flip.id for flip in found.against.flipped[task].flipped if flip.after == wanted]
        flips = sorted((rows[i] for i in ids), key=lambda pair: -_said(found, pair[1], task)[1])
        shown = tuple(
            _Flip(
                _picture(dataset, one),
                _truth(one, task),
                _said(found, one, task),
                _said(found, other, task),
            )
            for one, other in flips[:SHOWN]
        )
        made[title] = _Flips(shown, len(ids))
    return made


def _truth(row: Row, task: str) -> str:
    """What the image is; for the anomaly with the label, where that is not the same word."""
    label, kind = row.record["label"], ABNORMAL[int(row.record["abnormal"])]
    return label if task == "diagnosis" or label == kind else f"{kind}: {label}"


def _said(found: Compared, row: Row, task: str) -> tuple[str, float]:
    """The likeliest class with its share."""
    if task == "diagnosis":
        labels, shares = found.manifests[0].settings["labels"], row.record["probabilities"]
    else:
        abnormal = row.record["abnormal_probability"]
        labels, shares = ABNORMAL, [1 - abnormal, abnormal]
    return max(zip(labels, shares, strict=True), key=lambda pair: pair[1])


def _picture(dataset: Dataset | None, row: Row) -> Embedded:
    if dataset is None:
        return Embedded(None, _GONE)
    return embedded(dataset.folder / IMAGES / row.record["image"], side=_SIDE)
