"""A model, or a baseline, on held-out images: one Row an image, in a run folder that can be gone on with."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from eval.medical.baselines import Baseline
from eval.runs import Row, Run
from rag_app.errors import IncompleteReply, InputError, UnusableReply
from rag_app.medical import asking, differential
from rag_app.medical.captions import ANOMALY, NO, YES
from rag_app.medical.choices import Choices
from rag_app.medical.records import MANIFEST, Dataset, Example, Split

ABNORMAL = ("normal", "abnormal")  # the two classes of anomaly detection
ANSWERS = ("diagnosis", "anomaly", "caption", "free")  # kinds of questions that can be asked in words
_PLACE = "dataset"  # what is kept beside a run's items on where the dataset was
_BATCH = 8  # images weighed before their rows are kept


def folder_name(name: str) -> str:
    """A folder's name for a model's or baseline's."""
    return re.sub(r"[^\w.+-]+", "-", name).strip("-")[-100:]


def run_model(
    run: Run,
    dataset: Dataset,
    assistant: asking.Assistant,
    *,
    split: Split,
    language: str,
    answers: Sequence[str] = (),
    on_done: Callable[[int], None] | None = None,
) -> None:
    """Keep a row of each image that the run has none of. An image whose reply is of no use becomes a failed row.

    answers: kinds of the dataset's questions that are also asked in words, and the answers compared with the dataset's.
    Raises InputError for a picture that cannot be read, and ModelError where the model cannot be used at all.
    """
    _keep_place(run, dataset)
    examples = dataset.of(split)
    done = run.done()
    waiting = [example for example in examples if example.id not in done]
    likely = differential.by(assistant.model) == "likelihood"
    step = _BATCH if likely else 1
    for start in range(0, len(waiting), step):
        batch = waiting[start : start + step]
        for row in _rows(dataset, assistant, batch, language=language, answers=answers):
            run.append(row)
        if on_done is not None:
            on_done(len(examples) - len(waiting) + start + len(batch))
    run.finish()


def run_baseline(run: Run, dataset: Dataset, baseline: Baseline, *, split: Split) -> None:
    """Keep a row of each image that the run has none of."""
    _keep_place(run, dataset)
    normal = dataset.labels.index(dataset.normal)
    done = run.done()
    for example, shares in zip(dataset.of(split), baseline.probabilities, strict=True):
        if example.id not in done:
            run.append(_row(dataset, example, shares, 1 - shares[normal]))
    run.finish()


def dataset_of(run: Run, data: Path | None = None) -> Dataset | None:
    """The dataset that a run measured on, for its pictures: in the folder `data`, or where it was then.

    None where it is no longer there. Raises InputError where `data` holds none, or another one.
    """
    folder = data or Path(run.kept(_PLACE).get("folder", ""))
    if data is None and not (folder / MANIFEST).is_file():
        return None
    found = Dataset.read(folder)
    if found.digest == run.manifest.digests["dataset"]:
        return found
    if data is None:
        return None
    raise InputError(f"{data} is not the dataset that {run.folder} was measured on: its digest is another one.")


def _keep_place(run: Run, dataset: Dataset) -> None:
    """Beside the items, not in the manifest: a dataset that was moved is the same."""
    run.keep(_PLACE, {"folder": str(dataset.folder.resolve())})


def _rows(
    dataset: Dataset,
    assistant: asking.Assistant,
    batch: Sequence[Example],
    *,
    language: str,
    answers: Sequence[str],
) -> Iterator[Row]:
    started = time.perf_counter()
    pictures = [dataset.picture(example) for example in batch]
    yes_no = Choices(
        ABNORMAL, {language: ANOMALY[language]}, {language: {"normal": NO[language], "abnormal": YES[language]}}
    )
    try:
        shares = assistant.differential(pictures, dataset.labels, language)
        found = differential.scores(assistant.model, pictures, yes_no, language)
    except (UnusableReply, IncompleteReply) as exc:
        for example in batch:
            yield Row(example.id, _groups(example), error=str(exc), record=_record(example))
        return
    abnormal = np.exp(found[:, 1] - np.logaddexp(found[:, 0], found[:, 1]))
    seconds = (time.perf_counter() - started) / len(batch)
    for example, each, share in zip(batch, shares, abnormal, strict=True):
        said, scores, unscored = _asked(dataset, assistant, example, language, answers)
        row = _row(dataset, example, each, float(share), seconds)
        record = {**row.record, "answers": said}
        yield dataclasses.replace(row.with_scores(scores, unscored), record=record)


def _row(dataset: Dataset, example: Example, shares: np.ndarray, abnormal: float, seconds: float | None = None) -> Row:
    predicted = dataset.labels[int(np.argmax(shares))]
    return Row(
        example.id,
        _groups(example),
        {
            "diagnosis_right": float(predicted == example.label),
            "anomaly_right": float((abnormal > 0.5) == example.abnormal),
        },
        seconds={} if seconds is None else {"weigh": seconds},
        record={
            **_record(example),
            "probabilities": [float(share) for share in shares],
            "abnormal_probability": float(abnormal),
        },
    )


def _groups(example: Example) -> dict[str, str]:
    return {"label": example.label, **example.groups}


def _record(example: Example) -> dict[str, object]:
    return {
        "image": example.image,
        "label": example.label,
        "abnormal": example.abnormal,
        "unit": example.patient or example.cluster,
    }


def _asked(
    dataset: Dataset, assistant: asking.Assistant, example: Example, language: str, kinds: Sequence[str]
) -> tuple[list[dict[str, str]], dict[str, float], dict[str, str]]:
    """What the model says to the image's own questions of these kinds, and how near it is to the dataset's answers."""
    from eval.metrics.texts import exact_match, rouge, token_f1  # slow to import

    picture = differential.picture_bytes(dataset.picture(example))
    said: list[dict[str, str]] = []
    scored: dict[str, list[float]] = {}
    unscored: dict[str, str] = {}
    for turn in example.turns:
        if turn.kind not in kinds or turn.language != language:
            continue
        try:
            reply = assistant.model.ask(turn.question, images=[picture], max_tokens=asking.MAX_TOKENS).text.strip()
        except (UnusableReply, IncompleteReply) as exc:
            unscored |= {f"{turn.kind}_{name}": str(exc) for name in ("exact", "token_f1", "rouge_l")}
            continue
        said.append({"kind": turn.kind, "question": turn.question, "expected": turn.answer, "said": reply})
        found = {
            "exact": exact_match(reply, [turn.answer]),
            "token_f1": token_f1(reply, [turn.answer]),
            "rouge_l": rouge(reply, [turn.answer]).get("rougeL"),
        }
        for name, value in found.items():
            if value is not None:
                scored.setdefault(f"{turn.kind}_{name}", []).append(value)
    scores = {name: sum(values) / len(values) for name, values in scored.items() if name not in unscored}
    return said, scores, unscored
