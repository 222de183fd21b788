"""Language and vision models of servers that speak OpenAI's protocol, as `rag_app.models.LanguageModel`.

In another LlamaIndex program, llama-index-llms-openai-like speaks to the same servers; it takes a reply that broke off
for a whole one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing, closing
from typing import Any

from adapters.names import ModelName
from adapters.ollama import background
from adapters.ollama.pictures import normalised_all
from adapters.openai_compatible import catalogue, talk
from adapters.openai_compatible.talk import Piece, Question
from rag_app.errors import UnknownName
from rag_app.models import Reply
from rag_app.settings import Settings


class OpenAIModel:
    """A model by the name under which its server lists it. Making it asks the server nothing and costs nothing.

    Every method raises the errors of rag_app.errors; what was cut or broke off is raised, never returned.
    """

    def __init__(self, model: str, *, settings: Settings, pictures: bool = False) -> None:
        """Args:
        pictures: `check` makes sure that it can see, unless told otherwise.
        """
        self._model, self._settings, self._reads_pictures = model, settings, pictures

    @property
    def name(self) -> str:
        """Its full name, "openai:Qwen/Qwen2.5-VL-7B-Instruct", with which it can be loaded again."""
        return f"openai:{self._model}"

    @property
    def sees(self) -> bool:
        """Whether it reads pictures; asks the server once."""
        return catalogue.reads_pictures(self._model, self._settings)

    @property
    def digest(self) -> str:
        """ "": these servers do not say which weights they have."""
        return ""

    def check(self, *, pictures: bool | None = None) -> None:
        """Make sure that it can be asked; see LanguageModel.check. `pictures`: None means as it was made."""
        needed = self._reads_pictures if pictures is None else pictures
        catalogue.check(self._model, self._settings, pictures=needed)

    def ask(
        self,
        prompt: str,
        *,
        images: Sequence[bytes] = (),
        system: str = "",
        schema: Mapping[str, Any] | None = None,  # Any: JSON
        max_tokens: int = 1024,
        temperature: float = 0.0,
        seed: int = 0,
        repeat_penalty: float | None = None,
        on_text: Callable[[str], None] | None = None,
    ) -> Reply:
        """The model's whole reply to one prompt; see LanguageModel.ask.

        With `on_text` a reply that broke off after its first words is raised at once, not asked for again.
        """
        started = time.perf_counter()
        question = Question(
            self._model,
            prompt,
            normalised_all(images),
            system,
            schema,
            max_tokens,
            temperature,
            seed,
            repeat_penalty,
            whole=on_text is None,
        )
        last = Piece("")
        with closing(background.iterate(talk.parts(question, self._settings))) as pieces:
            for last in pieces:
                if last.text and on_text:
                    on_text(last.text)
        return self._reply(last, started)

    async def aask(
        self,
        prompt: str,
        *,
        images: Sequence[bytes] = (),
        system: str = "",
        schema: Mapping[str, Any] | None = None,  # Any: JSON
        max_tokens: int = 1024,
        temperature: float = 0.0,
        seed: int = 0,
        repeat_penalty: float | None = None,
        on_text: Callable[[str], None] | None = None,
    ) -> Reply:
        """As `ask`, without blocking the event loop."""
        started = time.perf_counter()
        question = Question(
            self._model,
            prompt,
            await asyncio.to_thread(normalised_all, images) if images else (),
            system,
            schema,
            max_tokens,
            temperature,
            seed,
            repeat_penalty,
            whole=on_text is None,
        )
        last = Piece("")
        async with aclosing(background.aiterate(talk.parts(question, self._settings))) as pieces:
            async for last in pieces:
                if last.text and on_text:
                    on_text(last.text)
        return self._reply(last, started)

    def _reply(self, last: Piece, started: float) -> Reply:
        assert last.whole is not None  # a reply without an end was raised
        return Reply(
            text=last.whole,
            model=self.name,
            seconds=time.perf_counter() - started,
            prompt_tokens=last.prompt_tokens,
            reply_tokens=last.reply_tokens,
            context_tokens=last.context_tokens,
        )


def load(name: ModelName, settings: Settings) -> OpenAIModel:
    """The language model of that name."""
    return _load(name, settings, pictures=False)


def load_vision(name: ModelName, settings: Settings) -> OpenAIModel:
    """The vision model of that name: its `check` makes sure that it sees."""
    return _load(name, settings, pictures=True)


def _load(name: ModelName, settings: Settings, *, pictures: bool) -> OpenAIModel:
    if name.adapter:
        raise UnknownName(
            f"{name} names a LoRA adapter; these servers list a model with its adapter under a name of its own: use "
            "that one."
        )
    return OpenAIModel(name.rest, settings=settings, pictures=pictures)
