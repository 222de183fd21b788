"""`medical prepare`: the data card of a dataset: its counts, its split, what was left out, and a contact sheet."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from rag_app.medical import DISCLAIMER
from rag_app.medical.records import SPLITS, Dataset, Example
from rag_app.render.self_contained import Embedded, embedded, environment, write_whole

SHOWN = 24  # images of each label on the contact sheet
_SIDE = 160  # pixels of a thumbnail


@dataclass(frozen=True, slots=True)
class _Shown:
    example: Example
    picture: Embedded


@dataclass(frozen=True, slots=True)
class _Label:
    """One label: what it is called in Persian, "" where nobody has said; images by part, its share of all, how many
    groups they form, and some of them."""

    name: str
    persian: str
    normal: bool
    counts: tuple[int, ...]
    share: float
    clusters: int
    shown: tuple[_Shown, ...]


def write_data_card(dataset: Dataset, path: Path) -> None:
    """Write the card to `path`, replacing it whole. Raises UsageError when it cannot be written."""
    page = environment().get_template("data_card.html.j2").render(
        dataset=dataset,
        about=dataset.about,
        parts=SPLITS,
        labels=[_label(dataset, label) for label in dataset.labels],
        totals=[sum(example.split == part for example in dataset.examples) for part in SPLITS],
        clusters=len({example.cluster for example in dataset.examples}),
        patients=len({example.patient for example in dataset.examples if example.patient}),
        groups=_groups(dataset),
        captions_by=Counter(example.caption_by for example in dataset.examples).most_common(),
        shown=SHOWN,
        disclaimer=DISCLAIMER,
    )  # fmt: skip
    write_whole(path, iter([page]), option="--out")


def _label(dataset: Dataset, label: str) -> _Label:
    own = [example for example in dataset.examples if example.label == label]
    step = max(1, len(own) / SHOWN)
    chosen = [own[int(i * step)] for i in range(min(SHOWN, len(own)))]
    return _Label(
        name=label,
        persian=dataset.names.get(label, {}).get("fa", ""),
        normal=label == dataset.normal,
        counts=tuple(sum(example.split == part for example in own) for part in SPLITS),
        share=len(own) / len(dataset.examples),
        clusters=len({example.cluster for example in own}),
        shown=tuple(_Shown(example, embedded(dataset.picture(example), side=_SIDE)) for example in chosen),
    )


def _groups(dataset: Dataset) -> dict[str, list[tuple[str, int]]]:
    """For each thing the report splits by, its values and how many images have them."""
    names = sorted({name for example in dataset.examples for name in example.groups})
    return {
        name: Counter(example.groups.get(name, "not said") for example in dataset.examples).most_common()
        for name in names
    }
