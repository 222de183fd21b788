"""How probable each diagnosis is for an image, as a model sees it.

A model of transformers is asked how likely each answer is (its tokens' log-probabilities). Ollama does not tell that:
its models are asked for numbers, in a reply that follows a schema, and such numbers are what the model says of itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from rag_app.errors import InputError, UnusableReply
from rag_app.medical.choices import Choices
from rag_app.models import LanguageModel
from rag_app.outside import json_value

By = Literal["likelihood", "reply"]
PROMPT_VERSION = "differential-1"
_LEAST = 0.5  # percent that an answer of 0 counts as: no diagnosis is impossible
_ASKED = {
    "en": "{question}\nSay how probable each of them is, in percent, as JSON: a whole number from 0 to 100 for each.",
    "fa": "{question}\nاحتمال هر یک را به درصد و به صورت JSON بگویید: برای هر کدام یک عدد صحیح از ۰ تا ۱۰۰.",
}


@runtime_checkable
class Weighs(Protocol):
    """A model that tells how likely given answers are."""

    def weigh(
        self,
        images: Sequence[Path | bytes],
        question: str,
        answers: Sequence[str],
        *,
        on_done: Callable[[int], None] | None = None,
    ) -> np.ndarray: ...


def by(model: LanguageModel) -> By:
    """Where the model's probabilities come from."""
    return "likelihood" if isinstance(model, Weighs) else "reply"


def scores(
    model: LanguageModel,
    images: Sequence[Path | bytes],
    choices: Choices,
    language: str,
    *,
    on_done: Callable[[int], None] | None = None,
) -> np.ndarray:
    """(n_images, n_labels) log-scores: log-likelihoods, or logarithms of the shares the model said.

    on_done: called with how many images are done. Raises InputError for a picture that cannot be read, ModelError.
    """
    question, answers = choices.of(language)
    if isinstance(model, Weighs):
        return model.weigh(images, question, answers, on_done=on_done)
    rows = []
    for image in images:
        rows.append(_said(model, picture_bytes(image), _ASKED[language].format(question=question), answers))
        if on_done is not None:
            on_done(len(rows))
    return np.array(rows).reshape(len(images), len(answers))


def picture_bytes(image: Path | bytes) -> bytes:
    """The encoded picture; raises InputError where its file cannot be read."""
    if isinstance(image, bytes):
        return image
    try:
        return image.read_bytes()
    except OSError as exc:
        raise InputError(f"The image {image} cannot be read ({exc.strerror}); check its path.") from exc


def _said(model: LanguageModel, image: bytes, prompt: str, answers: Sequence[str]) -> np.ndarray:
    number = {"type": "integer", "minimum": 0, "maximum": 100}
    schema: dict[str, Any] = {  # Any: JSON Schema
        "type": "object",
        "properties": dict.fromkeys(answers, number),
        "required": list(answers),
        "additionalProperties": False,
    }
    reply = model.ask(prompt, images=[image], schema=schema, max_tokens=64 + 32 * len(answers))
    try:
        said = json_value(reply.text)
        shares = np.array([float(said[answer]) for answer in answers])
    except (ValueError, KeyError, TypeError, OverflowError) as exc:
        raise UnusableReply(
            f"{model.name} did not say how probable each diagnosis is ({type(exc).__name__}: {exc}). Try another model."
        ) from exc
    if not ((shares >= 0) & (shares <= 100)).all():  # nan is neither
        raise UnusableReply(
            f"{model.name} gave probabilities that are not 0 to 100: {reply.text[:200]}. Try another model."
        )
    shares = np.maximum(shares, _LEAST)
    return np.log(shares / shares.sum())
