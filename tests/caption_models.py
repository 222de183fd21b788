"""A scripted model for tests of captioning that need no server, and pictures to show it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from rag_app.models import Reply
from tests.caption_replies import ENGLISH, PERSIAN, reply


@dataclass
class Asked:
    """One request as the model got it."""

    prompt: str
    images: tuple[bytes, ...]
    temperature: float
    seed: int
    repeat_penalty: float | None
    schema: Mapping[str, Any] | None  # Any: JSON


def usual(asked: Asked) -> str:
    """Good captions in the language of the prompt."""
    return reply(PERSIAN if "فارسی" in asked.prompt else ENGLISH)


@dataclass
class ScriptedModel:
    """A LanguageModel whose replies a function gives; it may also raise."""

    name: str = "test:model"
    write: Callable[[Asked], str] = usual
    sees: bool = True
    unfit: Exception | None = None
    asked: list[Asked] = field(default_factory=list)
    checked: list[bool] = field(default_factory=list)
    log: list[str] = field(default_factory=list)  # shared between models: who was asked, in order
    at_once: int = 0
    most_at_once: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def check(self, *, pictures: bool = False) -> None:
        self.checked.append(pictures)
        if self.unfit:
            raise self.unfit

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
        asked = Asked(prompt, tuple(images), temperature, seed, repeat_penalty, schema)
        with self._lock:
            self.asked.append(asked)
            self.log.append(self.name)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return Reply(self.write(asked), self.name, 0.1, prompt_tokens=900, reply_tokens=200)
        finally:
            with self._lock:
                self.at_once -= 1

    async def aask(self, prompt: str, **options: Any) -> Reply:  # Any: as ask
        return self.ask(prompt, **options)


def replies_in_turn(*texts: str | Exception) -> Callable[[Asked], str]:
    """Gives or raises each of `texts` once, then the usual."""
    left: Iterator[str | Exception] = iter(texts)

    def write(asked: Asked) -> str:
        text = next(left, None)
        if isinstance(text, Exception):
            raise text
        return usual(asked) if text is None else text

    return write


def picture(path: Path, colour: str = "red", size: tuple[int, int] = (40, 30), **options: Any) -> Path:  # Any: Pillow's
    """A plain picture file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path, **options)
    return path
