"""What `medical evaluate` and `medical compare` say: tables, gains and verdicts as text, and the JSON document."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eval.medical.comparing import Against, Compared
    from eval.medical.results import Examined
    from rag_app.medical.records import Dataset

_MEASURES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "auroc": "AUROC",
    "calibration_error": "ECE",
}


def document(
    dataset: Dataset, examined: Sequence[Examined], pairs: Sequence[Against], notes: Sequence[str], *, split: str
) -> dict[str, object]:
    from rag_app.medical import DISCLAIMER

    return {
        "disclaimer": DISCLAIMER["en"],
        "dataset": str(dataset.folder),
        "digest": dataset.digest,
        "split": split,
        "examined": [one.to_dict() for one in examined],
        "against": [one.to_dict() for one in pairs],
        "notes": list(notes),
    }


def told(
    dataset: Dataset,
    examined: Sequence[Examined],
    pairs: Sequence[Against],
    notes: Sequence[str],
    *,
    split: str,
    report: Path,
) -> str:
    from eval.medical.results import verdicts
    from eval.statistics import text_table
    from rag_app.medical import DISCLAIMER

    lines = []
    for task, title in (("diagnosis", f"Diagnosis, one of {len(dataset.labels)}"), ("anomaly", "Normal or abnormal")):
        rows = [[one.name, *(str(one.tasks[task].overall[measure]) for measure in _MEASURES)] for one in examined]
        lines += [f"{title} ({split}, {examined[0].tasks[task].images} images)", ""]
        lines += [text_table(["", *_MEASURES.values()], rows), ""]
    for one in examined:
        if one.failed:
            lines.append(f"{one.name}: {len(one.failed)} images without a result; {one.failed[0].error}")
        lines += [f"{one.name}: {name.replace('_', ' ')} {figure}" for name, figure in one.answers.items()]
    for pair in pairs:
        lines += [*pair_lines(pair), ""]
    lines += [*verdicts(examined), *notes, f"Report: {report}", DISCLAIMER["en"]]
    return "\n".join(lines)


def pair_lines(pair: Against) -> list[str]:
    from eval.medical.comparing import signed
    from eval.statistics import text_table

    rows = []
    for task, gains in pair.gains.items():
        flipped = pair.flipped[task]
        cells = [signed(gains[measure]) for measure in ("accuracy", "balanced_accuracy", "macro_f1", "auroc")]
        rows.append([task, *cells, flipped.rose, flipped.fell, f"{flipped.p:.2g}"])
    header = ["", "accuracy", "balanced accuracy", "macro F1", "AUROC", "now right", "now wrong", "McNemar p"]
    return [f"From {pair.before} to {pair.after}, {pair.images} images", text_table(header, rows)]


def compared_lines(found: Compared) -> list[str]:
    """Gains, subgroups, answers in words, and what else is not the same, a line or a table each."""
    from eval.medical.comparing import compared_verdicts, signed
    from eval.statistics import text_table

    lines = [*pair_lines(found.against), ""]
    if found.subgroups:
        rows = [
            [f"{one.group}: {one.value}, {task}", one.images, signed(gains["accuracy"]), one.rose[task], one.fell[task]]
            for one in found.subgroups
            for task, gains in one.gains.items()
        ]
        lines += [text_table(["", "images", "accuracy", "now right", "now wrong"], rows), ""]
    if found.answers:
        rows = [
            [name.replace("_", " "), one.images, one.before, one.after, signed(one.gain)]
            for name, one in found.answers.items()
        ]
        lines += [text_table(["answers in words", "images", "before", "after", "gain"], rows), ""]
    for count, name in zip(found.failed, (found.against.before, found.against.after), strict=True):
        if count:
            lines.append(f"{name}: {count} images without a result, which are in no figure.")
    return [*lines, *compared_verdicts(found), *(f"Also not the same: {one}." for one in found.differing)]
