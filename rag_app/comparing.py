"""One question put to several models, their answers side by side: each with its time and tokens, or its error."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rag_app.errors import InputError, ModelError, UnknownName
from rag_app.models import LanguageModel


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """What one model said. seconds on the clock, load_seconds of them for loading; error where it said nothing."""

    model: str
    text: str = ""
    seconds: float = 0.0
    load_seconds: float = 0.0
    prompt_tokens: int | None = None
    reply_tokens: int | None = None
    context_tokens: int | None = None
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return dataclasses.asdict(self)


def compare(
    models: Sequence[LanguageModel],
    prompt: str,
    *,
    images: Sequence[bytes] = (),
    max_tokens: int = 1024,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[ModelAnswer]:
    """The answers of `models` to one prompt, in their order, asked one after another with the same seed.

    All models are checked before the first is asked. One that fails then has its error as its answer.

    Raises UnknownName, ModelError: a model cannot be used; none has been asked then.
    """
    for model in models:
        model.check(pictures=bool(images))
    answers: list[ModelAnswer] = []
    for done, model in enumerate(models):
        on_progress(done, len(models))
        began = time.perf_counter()
        try:
            reply = model.ask(prompt, images=images, max_tokens=max_tokens)
        except (ModelError, UnknownName, InputError) as exc:
            answers.append(ModelAnswer(model.name, seconds=time.perf_counter() - began, error=str(exc)))
            continue
        answers.append(
            ModelAnswer(
                model.name,
                reply.text.strip(),
                reply.seconds,
                reply.load_seconds,
                reply.prompt_tokens,
                reply.reply_tokens,
                reply.context_tokens,
            )
        )
    on_progress(len(models), len(models))
    return answers
