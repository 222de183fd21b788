"""What the tests of training share: a base model that has learned one scanner, datasets, and how right answers are."""

# torch and transformers come with the medical extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from adapters.torchvision_shim import ensure_torchvision
from rag_app.medical.captions import Wording
from rag_app.medical.records import EXAMPLES, FORMAT, IMAGES, MANIFEST, SPLITS, Dataset, Example, Split
from tests.medical.models import qwen
from tests.xrays import LABELS, drawn

WORDING = Wording(sorted(LABELS), "normal")


def written(folder: Path, counts: dict[Split, int], *, seed: int, scanner_b: bool = False) -> Dataset:
    """A dataset of drawings as `medical prepare` writes it, without its search for copies."""
    (folder / IMAGES).mkdir(parents=True)
    examples = []
    for part in SPLITS:
        pictures = drawn(counts[part], seed=seed + SPLITS.index(part), scanner_b=scanner_b)
        for number, (label, picture) in enumerate(pictures):
            name = f"{part}-{number}"
            picture.save(folder / IMAGES / f"{name}.png")
            examples.append(_example(name, label, part))
    lines = [json.dumps(example.to_dict(), ensure_ascii=False) for example in examples]
    (folder / EXAMPLES).write_text("\n".join(lines) + "\n", encoding="utf-8")
    about = {"format": FORMAT, "labels": sorted(LABELS), "normal": "normal"}
    (folder / MANIFEST).write_text(json.dumps(about), encoding="utf-8")
    return Dataset.read(folder)


def shuffled(dataset: Dataset, folder: Path, *, seed: int) -> Dataset:
    """A copy in which the images of the train and validation parts have each other's labels and answers."""
    shutil.copytree(dataset.folder, folder)
    draw = np.random.default_rng(seed)
    changed = {example.id: example for example in dataset.examples}
    for part in ("train", "validation"):
        examples = dataset.of(part)
        for example, place in zip(examples, draw.permutation(len(examples)), strict=True):
            other = examples[place]
            changed[example.id] = dataclasses.replace(
                example, label=other.label, abnormal=other.abnormal, turns=other.turns, captions=other.captions
            )
    lines = [json.dumps(example.to_dict(), ensure_ascii=False) for example in changed.values()]
    (folder / EXAMPLES).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Dataset.read(folder)


def base_model(folder: Path, dataset: Dataset, *, steps: int) -> Path:
    """A tiny Qwen2.5-VL with all its weights trained from random ones on the train part of `dataset`."""
    ensure_torchvision()
    import torch
    from transformers import PrinterCallback, Trainer, TrainingArguments

    from adapters.huggingface.loading import load_parts
    from adapters.training.supervised.collating import Collator
    from rag_app.medical.training import items

    parts = load_parts(str(qwen(folder, hidden=96, depth=3, vision_depth=3, vision_width=64)), device="cpu")
    parts.model.requires_grad_(True)
    arguments = TrainingArguments(
        output_dir=str(folder / "unused"),
        per_device_train_batch_size=16,
        learning_rate=1.5e-3,
        max_steps=steps,
        warmup_steps=steps // 15,
        lr_scheduler_type="cosine",
        weight_decay=0.05,
        adam_beta2=0.98,
        save_strategy="no",
        logging_strategy="no",
        remove_unused_columns=False,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        seed=0,
    )
    rows: Any = items(dataset, "train", kinds=("anomaly", "diagnosis"), languages=("en",))
    collator = Collator(parts.processor, "tiny")
    trainer = Trainer(model=parts.model, args=arguments, data_collator=collator, train_dataset=rows)
    trainer.remove_callback(PrinterCallback)
    with torch.random.fork_rng():
        trainer.train()
    parts.model.save_pretrained(str(folder))
    return folder


def accuracies(parts: Any, dataset: Dataset, *, split: Split = "test", batch: int = 50) -> dict[str, float]:
    """Share of exactly right English answers by kind: anomaly, diagnosis. parts: loading.Parts."""
    from adapters.huggingface.generating import Options, write
    from adapters.huggingface.prompting import Message, picture

    right: dict[str, list[bool]] = {"anomaly": [], "diagnosis": []}
    asked = [
        (dataset.picture(example), turn)
        for example in dataset.of(split)
        for turn in example.turns
        if turn.language == "en" and turn.kind in right
    ]
    asked.sort(key=lambda one: one[1].kind)
    for start in range(0, len(asked), batch):
        some: Sequence[Any] = asked[start : start + batch]
        said = write(
            parts,
            [[Message("user", turn.question, (picture(image),))] for image, turn in some],
            Options(max_tokens=8),
        )
        for reply, (_, turn) in zip(said, some, strict=True):
            right[turn.kind].append(reply.text == turn.answer)
    return {kind: float(np.mean(values)) for kind, values in right.items()}


def _example(name: str, label: str, part: Split) -> Example:
    captions = WORDING.template(label, {})
    return Example(
        id=name,
        image=f"{name}.png",
        label=label,
        abnormal=label != "normal",
        split=part,
        cluster=name,
        patient=None,
        captions=captions,
        caption_by="label",
        turns=WORDING.turns(label, captions),
    )
