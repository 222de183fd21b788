"""What a language model must do for us, whoever runs it: read text and pictures, and write.

A model is asked with bytes of pictures, never with paths or addresses, and either gives a whole reply or raises: what
was cut, went round in circles or is not the JSON that was asked for is never handed back as text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from rag_app.errors import UnusableReply

if TYPE_CHECKING:
    from pydantic import BaseModel

Schema = TypeVar("Schema", bound="BaseModel")


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply.

    model           full name of the model that gave it, "ollama:qwen2.5vl:7b"
    seconds         on the clock, waiting and loading included; load_seconds of them for loading the model
    prompt_tokens   pictures included; None where the server does not say, and the same for reply_tokens
    context_tokens  size of the context it was read in
    """

    text: str
    model: str
    seconds: float
    load_seconds: float = 0.0
    prompt_tokens: int | None = None
    reply_tokens: int | None = None
    context_tokens: int | None = None


class LanguageModel(Protocol):
    """A model that writes. `name` is its full name, with which it can be loaded again."""

    @property
    def name(self) -> str: ...

    @property
    def sees(self) -> bool:
        """Whether it reads pictures; may ask its server once."""
        ...

    def check(self, *, pictures: bool = False) -> None:
        """Make sure, before any work, that it can be used (with pictures, if said).

        Raises ModelUnreachable, ModelNotInstalled with the nearest installed names, ModelUnsuitable.
        """
        ...

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
        """The model's whole reply to one prompt.

        Args:
            images: encoded pictures (anything Pillow reads), in the order the prompt speaks of them.
            schema: JSON Schema the reply has to follow; the reply's text is then JSON.
            on_text: called with each new piece of text as it comes.

        Raises a ModelError; see rag_app.errors.
        """
        ...

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
        ...


def ask_as(
    model: LanguageModel,
    form: type[Schema],
    prompt: str,
    *,
    images: Sequence[bytes] = (),
    system: str = "",
    max_tokens: int = 2048,
    attempts: int = 2,
) -> tuple[Schema, Reply]:
    """The reply as a record of `form`, asked with its JSON Schema and validated.

    A reply that does not validate is asked for again with another seed, `attempts` times in all. Raises UnusableReply
    with what was wrong last, and whatever `LanguageModel.ask` raises.
    """
    from pydantic import ValidationError

    problem = ""
    for attempt in range(attempts):
        reply = model.ask(
            prompt,
            images=images,
            system=system,
            schema=form.model_json_schema(),
            max_tokens=max_tokens,
            temperature=0.0 if attempt == 0 else 0.4,
            seed=attempt,
        )
        try:
            return form.model_validate_json(reply.text), reply
        except ValidationError as exc:
            first = exc.errors(include_url=False, include_input=False)[0]
            problem = f"{'.'.join(map(str, first['loc'])) or 'the reply'}: {first['msg']}"
    raise UnusableReply(
        f"{model.name} did not give what was asked for ({problem}), {attempts} times. Try another model."
    )
