"""What a model must do for us, whoever runs it: write, read pictures, and turn pictures into vectors.

A language model is asked with bytes of pictures, never with paths or addresses, and either gives a whole reply or
raises: what was cut, went round in circles or is not the JSON that was asked for is never handed back as text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from rag_app.errors import UnusableReply

if TYPE_CHECKING:
    import numpy as np
    from pydantic import BaseModel, ValidationError

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


@dataclass(frozen=True, slots=True)
class ImageVectors:
    """What `ImageEmbedding.embed_images` gives.

    vectors   (n_images, dimensions) float32 of unit length, in the order given; a row of NaN for a picture without one
    problems  why a picture has none, one sentence each, by its index
    """

    vectors: np.ndarray
    problems: Mapping[int, str] = field(default_factory=dict)


class ImageEmbedding(Protocol):
    """What the role `image_embedding` must do: pictures, and where the model can also texts, in one space."""

    @property
    def model_name(self) -> str:
        """Names the space: "openclip:ViT-B-32/laion2b_s34b_b79k", "builtin-visual"."""
        ...

    @property
    def dimensions(self) -> int: ...

    @property
    def languages(self) -> frozenset[str] | None:
        """ISO 639-1 codes its texts may be in; None for all, empty when it takes no text at all."""
        ...

    def embed_images(
        self, images: Iterable[Path | bytes], *, on_progress: Callable[[int], None] | None = None
    ) -> ImageVectors:
        """A vector for each picture, a file or encoded bytes; a bad picture is a problem and the others go on.

        on_progress: called with how many are done. Raises WeightsMissing, ModelFailed.
        """
        ...

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """(n_texts, dimensions) float32 of unit length. Raises ModelUnsuitable when the model takes no text."""
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
            problem = first_problem(exc)
    raise UnusableReply(
        f"{model.name} did not give what was asked for ({problem}), {attempts} times. Try another model."
    )


def first_problem(exc: ValidationError) -> str:
    """What is wrong first in a reply of the wrong shape, and where: "axes.0.name: Field required"."""
    first = exc.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the reply'}: {first['msg']}"
