"""A medical dataset: a folder with dataset.json, examples.jsonl and images/, written by `medical prepare`.

dataset.json says where it came from, its labels and its split; examples.jsonl has one image a line. Nothing in it names
a patient: `patient` and `source` are pseudonyms made from a salt that is not kept.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, get_args

from rag_app.errors import InputError
from rag_app.medical.labels import Names, checked_names
from rag_app.outside import json_value

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
MANIFEST, EXAMPLES, IMAGES = "dataset.json", "examples.jsonl", "images"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Turn:
    """A question on an image and its answer; kind: diagnosis, anomaly, caption or free; language: "en" or "fa"."""

    question: str
    answer: str
    kind: str
    language: str


@dataclass(frozen=True, slots=True)
class Example:
    """One image.

    id        digest of its pixels, so the same picture has one id
    image     file in the dataset's images/
    label     one of the dataset's labels; abnormal: whether that label is not the normal one
    cluster   near-duplicates share it and are never split apart; patient likewise, None where unknown
    captions  by language; caption_by says who wrote them: "label", "table", or a model's name
    groups    what the report splits by besides the label, {"modality": "MR", "sex": "F"}
    """

    id: str
    image: str
    label: str
    abnormal: bool
    split: Split
    cluster: str
    patient: str | None
    captions: Mapping[str, str]
    caption_by: str
    turns: tuple[Turn, ...]
    groups: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Self:
        """Rebuild what `to_dict` gave, after JSON; KeyError, TypeError or ValueError on another shape."""
        found = cls(**{**raw, "turns": tuple(Turn(**turn) for turn in raw["turns"])})
        told = [found.id, found.image, found.label, found.cluster, found.caption_by]
        told += [text for turn in found.turns for text in dataclasses.astuple(turn)]
        if not all(isinstance(text, str) for text in told):
            raise ValueError("a text of it is none")
        if found.split not in SPLITS:
            raise ValueError(f"split is {found.split!r:.40}, not one of {', '.join(SPLITS)}")
        if Path(found.image).name != found.image:
            raise ValueError(f"{found.image!r:.80} is no file in {IMAGES}")
        return found


@dataclass(frozen=True, slots=True)
class Dataset:
    """The examples of a dataset folder, in file order.

    labels  all of them, the order in which choices are shown; normal is the one that means nothing was found
    names   what labels are called where they are shown, by label and language, as far as that was said
    about   the rest of dataset.json: sources, options, versions, leaks found, counts
    """

    folder: Path
    labels: tuple[str, ...]
    normal: str
    examples: tuple[Example, ...]
    about: Mapping[str, Any]  # Any: JSON
    names: Names = dataclasses.field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The dataset in `folder`. Raises InputError, with the line, where it is missing or of another form."""
        try:
            about = json_value((folder / MANIFEST).read_text(encoding="utf-8"))
            lines = (folder / EXAMPLES).read_text(encoding="utf-8").split("\n")
        except FileNotFoundError as exc:
            raise InputError(
                f"{folder} is no medical dataset ({Path(exc.filename).name} is missing). Make one: "
                "rag-app medical prepare."
            ) from exc
        except (OSError, ValueError) as exc:
            raise InputError(f"{folder} cannot be read as a medical dataset: {exc}.") from exc
        if not isinstance(about, dict) or about.get("format") != FORMAT:
            raise InputError(f"{folder / MANIFEST} is not of format {FORMAT}. Prepare the dataset again.")
        examples = []
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                examples.append(Example.from_dict(json_value(line)))
            except (ValueError, KeyError, TypeError) as exc:
                raise InputError(f"{folder / EXAMPLES}, line {number}: it is no example ({exc}).") from exc
        rest = {key: value for key, value in about.items() if key not in {"format", "labels", "normal", "names"}}
        names = checked_names(about.get("names", {}), folder / MANIFEST)
        labels, normal = about.get("labels"), about.get("normal")
        if not isinstance(labels, list) or not all(isinstance(label, str) for label in (*labels, normal)):
            raise InputError(f"{folder / MANIFEST} lacks its labels. Prepare the dataset again.")
        return cls(folder, tuple(labels), str(normal), tuple(examples), rest, names)

    def of(self, split: Split) -> tuple[Example, ...]:
        """The examples of one split. Raises InputError when it has none."""
        found = tuple(example for example in self.examples if example.split == split)
        if not found:
            raise InputError(f"The {split} part of {self.folder} is empty. Prepare it with a larger share for {split}.")
        return found

    def picture(self, example: Example) -> Path:
        return self.folder / IMAGES / example.image

    @property
    def digest(self) -> str:
        """sha256 over ids, labels, splits and turns: two datasets with the same digest train and test the same."""
        return digest_of(self.examples, self.labels)


def digest_of(examples: Iterable[Example], labels: Sequence[str]) -> str:
    """See `Dataset.digest`; the order of the examples does not matter."""
    lines = sorted(
        json.dumps([e.id, e.label, e.split, [dataclasses.astuple(turn) for turn in e.turns]], ensure_ascii=False)
        for e in examples
    )
    return hashlib.sha256("\n".join([*labels, *lines]).encode()).hexdigest()
