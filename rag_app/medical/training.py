"""A vision-language model tuned on a medical dataset: the validation part says when to stop, the test part is not read.

from rag_app.medical.training import train
train("hf:Qwen/Qwen2.5-VL-3B-Instruct", Dataset.read(Path("dataset")), Path("adapters/mri"))
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.training.supervised.collating import Item
from adapters.training.supervised.options import Options, Progress
from rag_app.errors import UsageError
from rag_app.medical import DISCLAIMER
from rag_app.medical.records import SPLITS, Dataset, Split

if TYPE_CHECKING:
    from adapters.training.supervised.memory import Estimate
    from adapters.training.supervised.training import Report

KINDS = ("anomaly", "diagnosis", "caption")


def items(dataset: Dataset, split: Split, *, kinds: Sequence[str] = KINDS, languages: Sequence[str] = ()) -> list[Item]:
    """The questions of these kinds and languages (all where none are named) on the images of one part.

    Raises InputError when the part is empty; UsageError when no question is left.
    """
    found = [
        Item(dataset.picture(example), turn.question, turn.answer)
        for example in dataset.of(split)
        for turn in example.turns
        if turn.kind in kinds and (not languages or turn.language in languages)
    ]
    if not found:
        told = f"{', '.join(kinds)} in {', '.join(languages) or 'any language'}"
        there = sorted({f"{turn.kind} ({turn.language})" for example in dataset.of(split) for turn in example.turns})
        raise UsageError(
            f"The {split} part of {dataset.folder} has no question of {told}; it has {', '.join(there) or 'none'}."
        )
    return found


def train(
    name: str,
    dataset: Dataset,
    out: Path,
    *,
    options: Options | None = None,
    kinds: Sequence[str] = KINDS,
    languages: Sequence[str] = (),
    resume: bool = False,
    device: str | None = None,
    fits: bool = False,
    on_estimate: Callable[[Estimate], None] = lambda _: None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Report:
    """Tune the model `name` into the adapter folder `out`; see adapters.training.supervised.training.fine_tune."""
    from adapters.training.supervised.training import fine_tune

    labels = Counter(example.label for example in dataset.of("train"))
    if len(labels) < 2:
        raise UsageError(f"All images of the train part are {next(iter(labels))}: there is nothing to tell apart.")
    counts = Counter(example.split for example in dataset.examples)
    return fine_tune(
        name,
        items(dataset, "train", kinds=kinds, languages=languages),
        items(dataset, "validation", kinds=kinds, languages=languages),
        out,
        data={
            "digest": dataset.digest,
            "images": {split: counts[split] for split in SPLITS},
            "labels": list(dataset.labels),
            "normal": dataset.normal,
            "questions": {"kinds": list(kinds), "languages": list(languages) or "all"},
        },
        options=options,
        resume=resume,
        device=device,
        fits=fits,
        note=DISCLAIMER["en"],
        on_estimate=on_estimate,
        on_progress=on_progress,
    )
