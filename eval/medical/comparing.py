"""One run on medical images against another, on the images that both have a result for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eval.medical.measuring import Estimate, Measured, gains, mean, measure
from eval.medical.results import TASKS, medical_manifest, predictions
from eval.runs import Manifest, Row, Run
from eval.runs.comparing import Difference, compare_rows
from rag_app.errors import UsageError

_OF_A_MODEL = ("models.vision ", "digests.model ", "settings.note ")  # what is never the same for two models


@dataclass(frozen=True, slots=True)
class Against:
    """after - before on the images that both have.

    gains    by task and measure, paired, with 95 % intervals over whole groups of images
    flipped  by task: McNemar's exact test over images, with those that flipped
    """

    before: str
    after: str
    images: int
    gains: Mapping[str, Mapping[str, Estimate]]
    flipped: Mapping[str, Difference]

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class Subgroup:
    """The images of one group. gains, rose and fell: by task, as in Against."""

    group: str
    value: str
    images: int
    gains: Mapping[str, Mapping[str, Estimate]]
    rose: Mapping[str, int]
    fell: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class WordedGain:
    """A measure of the answers in words, over the images that both have it for; gain is paired."""

    images: int
    before: Estimate
    after: Estimate
    gain: Estimate


@dataclass(frozen=True, slots=True)
class Compared:
    """Two runs in full.

    measured   by task: the figures before and after, of the same images
    answers    by measure, where both were asked in words
    pairs      (before, after) of each image; failed: how many have no result before, and after
    differing  what else decides the figures and is not the same, a phrase each
    """

    against: Against
    measured: Mapping[str, tuple[Measured, Measured]]
    subgroups: tuple[Subgroup, ...]
    answers: Mapping[str, WordedGain]
    pairs: tuple[tuple[Row, Row], ...]
    failed: tuple[int, int]
    differing: tuple[str, ...]
    manifests: tuple[Manifest, Manifest]

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return {
            **self.against.to_dict(),
            "measured": {
                task: {"before": one.to_dict(), "after": other.to_dict()}
                for task, (one, other) in self.measured.items()
            },
            "subgroups": [dataclasses.asdict(one) for one in self.subgroups],
            "answers": {name: dataclasses.asdict(one) for name, one in self.answers.items()},
            "failed": {"before": self.failed[0], "after": self.failed[1]},
            "differing": list(self.differing),
        }


def against(before: Run, after: Run) -> Against:
    """One run against another on the same images. Raises UsageError where they are not of one dataset and part."""
    return _against(before, after, _pairs(before, after))


def compared(before: Run, after: Run) -> Compared:
    """As `against`, with the figures of both, subgroups, answers in words and the images themselves."""
    pairs = _pairs(before, after)
    old, new = before.manifest, after.manifest
    said = predictions(old, [one for one, _ in pairs]), predictions(new, [other for _, other in pairs])
    groups = dict.fromkeys((key, value) for row, _ in pairs for key, value in row.groups.items() if key != "label")
    subgroups = []
    for group, value in sorted(groups):
        chosen = np.array([row.groups.get(group) == value for row, _ in pairs])
        ours = {task: (said[0][task].of(chosen), said[1][task].of(chosen)) for task in TASKS}
        subgroups.append(
            Subgroup(
                group,
                value,
                int(chosen.sum()),
                {task: gains(*both) for task, both in ours.items()},
                {task: int((other.right & ~one.right).sum()) for task, (one, other) in ours.items()},
                {task: int((one.right & ~other.right).sum()) for task, (one, other) in ours.items()},
            )
        )
    return Compared(
        against=_against(before, after, pairs),
        measured={task: (measure(said[0][task]), measure(said[1][task])) for task in TASKS},
        subgroups=tuple(subgroups),
        answers=_answers(pairs),
        pairs=tuple(pairs),
        failed=(_without(before), _without(after)),
        differing=tuple(one for one in old.changes(new) if not one.startswith(_OF_A_MODEL)),
        manifests=(old, new),
    )


def compared_verdicts(found: Compared) -> list[str]:
    """What the figures allow to be said, a sentence a task."""
    said = []
    for task, (before, after) in found.measured.items():
        gain, flipped = found.against.gains[task]["balanced_accuracy"], found.against.flipped[task]
        words = "is not told apart in balanced accuracy from"
        if gain.low is not None and gain.low > 0:
            words = "has a higher balanced accuracy than"
        elif gain.high is not None and gain.high < 0:
            words = "has a lower balanced accuracy than"
        said.append(
            f"{task.capitalize()}: {found.against.after} {words} {found.against.before}: "
            f"{after.overall['balanced_accuracy']} against {before.overall['balanced_accuracy']}, gain {signed(gain)}. "
            f"Accuracy: {signed(found.against.gains[task]['accuracy'])}; {flipped.rose} images are right now, "
            f"{flipped.fell} wrong now."
        )
    return said


def signed(gain: Estimate) -> str:
    """A gain with its interval, signs shown: "+0.120 [+0.034, +0.206]"; "-" where there is none."""
    if gain.value is None or gain.low is None or gain.high is None:
        return "-"
    return f"{gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]"


def _against(before: Run, after: Run, pairs: Sequence[tuple[Row, Row]]) -> Against:
    first, second = [one for one, _ in pairs], [other for _, other in pairs]
    said, says = predictions(before.manifest, first), predictions(after.manifest, second)
    found = {one.metric: one for one in compare_rows(first, second)[0]}
    return Against(
        before=before.manifest.models["vision"],
        after=after.manifest.models["vision"],
        images=len(pairs),
        gains={task: gains(said[task], says[task]) for task in TASKS},
        flipped={task: found[f"{task}_right"] for task in TASKS},
    )


def _pairs(before: Run, after: Run) -> list[tuple[Row, Row]]:
    """The rows of the images that both have a result for. Raises UsageError where there is none to compare."""
    old, new = medical_manifest(before), medical_manifest(after)
    for what, one, other in (
        ("datasets", old.digests["dataset"], new.digests["dataset"]),
        ("parts", old.settings["split"], new.settings["split"]),
    ):
        if one != other:
            raise UsageError(f"{before.folder} and {after.folder} are of different {what}; compare runs on the same.")
    theirs = {row.id: row for row in after.rows() if row.error is None}
    pairs = [(row, theirs[row.id]) for row in before.rows() if row.error is None and row.id in theirs]
    if not pairs:
        raise UsageError(f"{before.folder} and {after.folder} have no image in common that both have a result for.")
    return pairs


def _answers(pairs: Sequence[tuple[Row, Row]]) -> dict[str, WordedGain]:
    names = dict.fromkeys(name for row, _ in pairs for name in row.scores if not name.endswith("_right"))
    found = {}
    for name in names:
        both = [(one, other) for one, other in pairs if name in one.scores and name in other.scores]
        if both:
            units = [one.record["unit"] for one, _ in both]
            old = [one.scores[name] for one, _ in both]
            new = [other.scores[name] for _, other in both]
            gain = mean([b - a for a, b in zip(old, new, strict=True)], units)
            found[name] = WordedGain(len(both), mean(old, units), mean(new, units), gain)
    return found


def _without(run: Run) -> int:
    return sum(row.error is not None for row in run.rows())
