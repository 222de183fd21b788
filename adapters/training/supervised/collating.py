"""Pictures, questions and answers as one batch in which only the answers are learned."""

# torch comes with the medical extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters.huggingface.prompting import Message, encoded, lengths, picture, rendered
from rag_app.errors import ModelUnsuitable

IGNORED = -100  # the label that transformers' losses leave out


@dataclass(frozen=True, slots=True)
class Item:
    """A picture's file, a question on it, and the answer to learn."""

    image: Path
    question: str
    answer: str


class Collator:
    """Makes a batch of items as the model's processor and chat template want them, padded on the right.

    labels are those tokens that the answer adds to the question, with the end of the turn; all others are IGNORED.
    This works for every architecture whose template writes the question the same before and after it is answered.
    """

    def __init__(self, processor: Any, name: str) -> None:  # Any: transformers' ProcessorMixin
        self._processor, self._name = processor, name

    def __call__(self, items: Sequence[Item]) -> dict[str, Any]:  # Any: tensors
        """The batch. Raises InputError for a picture that cannot be read, ModelUnsuitable for the template."""
        import torch

        asked = [Message("user", item.question, (picture(item.image),)) for item in items]
        prompts = [rendered(self._processor, [one], ask=True) for one in asked]
        whole = [
            rendered(self._processor, [one, Message("assistant", item.answer)], ask=False)
            for one, item in zip(asked, items, strict=True)
        ]
        if not all(text.startswith(prompt) for text, prompt in zip(whole, prompts, strict=True)):
            raise ModelUnsuitable(
                f"The chat template of {self._name} writes a question otherwise once it is answered, so the answers "
                "alone cannot be learned; use another model."
            )
        batch = encoded(self._processor, whole, [one.images for one in asked], side="right")
        labels = torch.full_like(batch["input_ids"], IGNORED)
        ends = batch["attention_mask"].sum(1).tolist()
        pairs = zip(lengths(self._processor, whole), lengths(self._processor, prompts), strict=True)
        for row, (end, (long, short)) in enumerate(zip(ends, pairs, strict=True)):
            answer = slice(end - (long - short), end)
            labels[row, answer] = batch["input_ids"][row, answer]
        return {**batch, "labels": labels}
