"""How likely a model finds given answers to a question on a picture: the sum of their tokens' log-probabilities."""

# torch comes with the medical extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from adapters.huggingface.loading import Parts
from adapters.huggingface.prompting import Message, encoded, lengths, picture, rendered
from rag_app.errors import ModelFailed, ModelUnsuitable


def log_likelihoods(
    parts: Parts,
    images: Sequence[Path | bytes],
    question: str,
    answers: Sequence[str],
    *,
    batch: int = 8,
    on_done: Callable[[int], None] | None = None,
) -> np.ndarray:
    """(n_images, n_answers) float64, log P(answer and end of turn | image, question), in nats.

    The end of the turn counts, so that of "nodule" and "nodule, large" neither is favoured for being the beginning of
    the other. Each picture with each answer is one pass through the model; `batch` of them go together.

    Args:
        on_done: called with how many images are done.

    Raises:
        InputError: a picture that cannot be read.
        ModelUnsuitable: a chat template whose question is not the beginning of the question with its answer.
        ModelFailed: not enough memory.
    """
    found = np.empty((len(images), len(answers)))
    said = [Message("assistant", answer) for answer in answers]
    together = max(1, batch // max(1, len(answers)))
    for start in range(0, len(images), together):
        asked = [Message("user", question, (picture(image),)) for image in images[start : start + together]]
        rows = [(message, answer) for message in asked for answer in said]
        sums = [_sums(parts, rows[at : at + batch]) for at in range(0, len(rows), batch)]
        found[start : start + len(asked)] = np.concatenate(sums).reshape(len(asked), len(answers))
        if on_done is not None:
            on_done(start + len(asked))
    return found


def _sums(parts: Parts, rows: Sequence[tuple[Message, Message]]) -> np.ndarray:
    """(n_rows,) the log-likelihoods of (question, answer) pairs in one batch."""
    import torch

    prompts = [rendered(parts.processor, [asked], ask=True) for asked, _ in rows]
    whole = [rendered(parts.processor, [asked, said], ask=False) for asked, said in rows]
    if not all(text.startswith(prompt) for text, prompt in zip(whole, prompts, strict=True)):
        raise ModelUnsuitable(
            f"The chat template of {parts.source.name} writes a question otherwise once it is answered, so answers "
            "cannot be weighed; use another model."
        )
    pairs = zip(lengths(parts.processor, whole), lengths(parts.processor, prompts), strict=True)
    answered = [long - short for long, short in pairs]
    try:
        batch = encoded(parts.processor, whole, [asked.images for asked, _ in rows], side="right")
        batch = batch.to(parts.model.device)
        with torch.inference_mode():
            logits = parts.model(**batch).logits
    except torch.OutOfMemoryError as exc:
        raise ModelFailed(f"{parts.source.name} ran out of memory; use a smaller batch or add #4bit.") from exc
    ends = batch["attention_mask"].sum(1).tolist()
    sums = []
    for row, (end, count) in enumerate(zip(ends, answered, strict=True)):
        tokens = batch["input_ids"][row, end - count : end]
        scores = torch.log_softmax(logits[row, end - count - 1 : end - 1].double(), dim=-1)
        sums.append(float(scores.gather(1, tokens[:, None]).sum()))
    return np.array(sums)
