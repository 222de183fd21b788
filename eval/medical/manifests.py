"""What decides the figures of a model, or of a baseline, on medical images: the manifest of its run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eval.medical.baselines import Baseline
from eval.runs import Manifest
from eval.runs.manifest import digest_of_texts, package_versions
from rag_app.medical import asking, differential
from rag_app.medical.records import Dataset, Split

KIND = "medical"
_PACKAGES = ("torch", "transformers", "peft", "scikit-learn")


def model_manifest(
    dataset: Dataset,
    assistant: asking.Assistant,
    *,
    split: Split,
    language: str,
    answers: Sequence[str] = (),
    judge: Mapping[str, Any] | None = None,  # Any: JSON
    command: str = "",
) -> Manifest:
    """What decides the figures of a model. judge: the identity of what judges its answers in words."""
    model = assistant.model
    by = differential.by(model)
    scaling = assistant.scaling if assistant.scaling and assistant.scaling.language == language else None
    note = (
        "From the likelihood of each answer"
        if by == "likelihood"
        else "From numbers that the model said, which are no likelihoods"
    )
    note += f", calibrated on {scaling.images} images." if scaling else ", not calibrated."
    return _manifest(
        dataset,
        model.name,
        note,
        split=split,
        command=command,
        settings={
            "language": language,
            "by": by,
            "answers": list(answers),
            "temperature": scaling.temperature if scaling else 1.0,
        },
        digests={
            "model": str(getattr(model, "digest", "")),  # a model of a user's own class may have none
            "prompts": digest_of_texts([asking.PROMPT_VERSION, differential.PROMPT_VERSION]),
        },
        judge=judge,
    )


def baseline_manifest(dataset: Dataset, baseline: Baseline, *, split: Split, command: str = "") -> Manifest:
    """What decides the figures of a baseline."""
    return _manifest(dataset, baseline.name, baseline.note, split=split, command=command, settings={"by": "baseline"})


def _manifest(
    dataset: Dataset,
    name: str,
    note: str,
    *,
    split: Split,
    command: str,
    settings: dict[str, object],
    digests: dict[str, str] | None = None,
    judge: Mapping[str, Any] | None = None,  # Any: JSON
) -> Manifest:
    return Manifest(
        KIND,
        total=len(dataset.of(split)),
        settings={
            "labels": list(dataset.labels),
            "normal": dataset.normal,
            "split": split,
            "note": note,
            **settings,
        },
        models={"vision": name},
        versions=package_versions(_PACKAGES),
        digests={"dataset": dataset.digest, **(digests or {})},
        judge=judge,
        command=command,
    )
