"""Captions of a dataset's images by a vision model, in the words a radiologist would look for."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from rag_app.captioning import CaptionReport, CaptionRow, caption, read_captions
from rag_app.medical.captions import with_captions
from rag_app.medical.records import EXAMPLES, MANIFEST, Dataset
from rag_app.models import LanguageModel
from rag_app.store.replacing import replace_file

ROWS = "captions.jsonl"


def caption_dataset(
    folder: Path,
    model: LanguageModel,
    *,
    languages: Sequence[str] = ("en", "fa"),
    parallel: int = 1,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> CaptionReport:
    """Let the model describe every image of the dataset in `folder`; what passes the checks becomes its captions.

    Each reply is kept in captions.jsonl as it comes, so that it can be interrupted and called again; the examples are
    changed at the end. An image whose caption fails keeps the one it has. The dataset's digest changes with them.

    Raises InputError, UsageError, UnknownName, ModelError, as `rag_app.captioning.caption` does.
    """
    dataset = Dataset.read(folder)
    report = caption(
        [dataset.picture(example) for example in dataset.examples],
        [model],
        languages,
        out=folder / ROWS,
        subject="radiology",
        parallel=parallel,
        on_progress=on_progress,
    )
    if (folder / ROWS).exists():
        put_in(dataset, (row for row in read_captions(folder / ROWS) if row.model == model.name))
    return report


def put_in(dataset: Dataset, rows: Iterable[CaptionRow]) -> Dataset:
    """The dataset with these captions in its examples and in their questions, written back whole."""
    said: dict[str, dict[str, CaptionRow]] = {}
    for row in rows:
        said.setdefault(Path(row.image).name, {})[row.language] = row
    examples = []
    for example in dataset.examples:
        found = said.get(example.image)
        if found:
            captions = {**example.captions, **{language: row.detailed for language, row in found.items()}}
            by = next(iter(found.values())).model
            example = dataclasses.replace(with_captions(example, captions), caption_by=by)
        examples.append(example)
    changed = dataclasses.replace(dataset, examples=tuple(examples))
    lines = "".join(json.dumps(example.to_dict(), ensure_ascii=False) + "\n" for example in examples)
    manifest = json.loads((dataset.folder / MANIFEST).read_text(encoding="utf-8")) | {"digest": changed.digest}
    for name, text in ((EXAMPLES, lines), (MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=1))):
        replace_file(dataset.folder / name, [text.encode()], library=dataset.folder)
    return changed
