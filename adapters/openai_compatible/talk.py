"""One question to a model and its whole reply: checked, sent, watched, and asked again where that helps.

suit      the server has the model, and it sees where pictures are sent     catalogue
send      always streamed, one place at a server                            server, adapters.fleet
check     ended with finish_reason "stop", not cut, prompt read in full, JSON where JSON was asked for
repeat    at another server, or after a pause, only where the same request may succeed    failures, adapters.fleet
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from adapters import sending
from adapters.fleet import Fleet, Tries
from adapters.ollama import context
from adapters.ollama.context import Size
from adapters.ollama.failures import broken, unusable
from adapters.ollama.talk import LIVELIER, REPEAT_PENALTY, unfenced
from adapters.openai_compatible import catalogue, failures
from adapters.openai_compatible.content import content
from adapters.openai_compatible.server import Event, NotOpenAI, Server, at
from adapters.openai_compatible.thoughts import Thoughts
from rag_app.errors import PromptTooLong
from rag_app.settings import Settings

_ENDED = {"stop", "eos", "eos_token", "stop_sequence"}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of `model`.

    images  normalised
    schema  JSON Schema of the reply, or None
    whole   the reply is handed on only when it is complete and checked, so that any try may be repeated
    """

    model: str
    prompt: str
    images: tuple[bytes, ...] = ()
    system: str = ""
    schema: Mapping[str, Any] | None = None  # Any: JSON Schema
    max_tokens: int = 1024
    temperature: float = 0.0
    seed: int = 0
    repeat_penalty: float | None = None
    whole: bool = True

    def size(self) -> Size:
        """Of the text alone: a server's count of a picture is its own."""
        size = context.measure(self.prompt)
        return size + context.measure(self.system) if self.system else size

    def livelier(self) -> Question:
        """The same with another seed, and a temperature at which the seed matters."""
        return replace(
            self,
            seed=self.seed + 1,
            temperature=max(self.temperature, LIVELIER),
            repeat_penalty=max(self.repeat_penalty or 0.0, REPEAT_PENALTY),
        )

    def body(self) -> Event:
        """The request as it is sent."""
        turns = [{"role": "system", "content": self.system}] if self.system else []
        body: Event = {
            "model": self.model,
            "messages": [*turns, {"role": "user", "content": content(self.prompt, self.images)}],
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "seed": self.seed,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if self.repeat_penalty is not None:  # the nearest that all of these servers take
            body["frequency_penalty"] = round(self.repeat_penalty - 1.0, 3)
        if self.schema is not None:
            form = {"name": "reply", "schema": dict(self.schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        return body


@dataclass(frozen=True, slots=True)
class Piece:
    """Some text of a reply; with the last, whose text is empty, come the whole text and the counts."""

    text: str
    whole: str | None = None
    prompt_tokens: int | None = None
    reply_tokens: int | None = None
    context_tokens: int | None = None


async def parts(question: Question, settings: Settings) -> AsyncGenerator[Piece, None]:
    """The pieces of the reply, the last with the whole of it.

    Runs on the background loop. A reply is asked for again, of another server where there is one, as
    settings.openai.retries and the failure allow, unless some of it was handed on already. Raises the errors of
    `rag_app.models.LanguageModel.ask`.
    """
    coming = sending.pieces(
        tries_at(at(settings), settings, question.model),
        question,
        lambda server, asked: _attempt(server, asked, settings),
        parallel=settings.openai.parallel,
        is_text=lambda piece: bool(piece.text),
    )
    async with aclosing(coming) as pieces:
        async for piece in pieces:
            yield piece


async def repeated(servers: Fleet[Server], settings: Settings, model: str, send: Callable[[Server], Awaitable[T]]) -> T:
    """What `send` gives, called again as the failure allows; its errors explained. For requests without a seed."""
    return await sending.repeated(tries_at(servers, settings, model), send, parallel=settings.openai.parallel)


def tries_at(servers: Fleet[Server], settings: Settings, model: str) -> Tries[Server]:
    """How often a request to `model` is sent."""
    return Tries(servers, model=model, retries=settings.openai.retries, explain=failures.explaining(model))


async def _attempt(server: Server, question: Question, settings: Settings) -> AsyncGenerator[Piece, None]:
    """One request and its reply."""
    first_s, next_s = float(settings.openai.first_word_s), float(settings.openai.stall_s)
    model, size = question.model, question.size()
    known = await catalogue.suit(server, model, pictures=bool(question.images), wait_s=first_s)
    context.refuse_too_long(model, size, known.context_tokens)
    text, finish, usage, thoughts = "", None, {}, Thoughts()
    thought = False
    async with aclosing(server.events("/chat/completions", question.body(), first_s=first_s, next_s=next_s)) as events:
        async for event in events:
            usage = event.get("usage") or usage
            delta, finish = _delta(event, finish)
            if delta.get("refusal"):
                raise failures.withheld(model, str(delta["refusal"])[:200])
            thought = thought or bool(delta.get("reasoning_content") or delta.get("reasoning"))
            if new := thoughts.add(str(delta.get("content") or "")):
                text += new
                yield Piece(new)
    if rest := thoughts.end():
        text += rest
        yield Piece(rest)
    _check_end(question, finish, text, thought=thought or thoughts.any)
    read = _count(usage, "prompt_tokens")
    if context.seems_cut(size, read):
        raise PromptTooLong(
            f"{model} read only {read:,} tokens of a prompt of {size.least:,} or more; its reply is thrown away: ask "
            "with less text, or serve it with a larger context."
        )
    _check_text(question, text)
    whole = unfenced(text) if question.schema is not None else text
    yield Piece("", whole, read, _count(usage, "completion_tokens"), known.context_tokens)


def _delta(event: Event, finish: str | None) -> tuple[Event, str | None]:
    """What an event adds to the reply, and why that ended if it has."""
    choices = event.get("choices")
    if not isinstance(choices, list):
        raise NotOpenAI("an event without choices")
    first = next((one for one in choices if isinstance(one, dict) and not one.get("index")), {})
    delta = first.get("delta") or {}
    if not isinstance(delta, dict):
        raise NotOpenAI("a piece of the reply is no object")
    return delta, first.get("finish_reason") or finish


def _count(usage: Event, key: str) -> int | None:
    count = usage.get(key) if isinstance(usage, dict) else None
    return count if isinstance(count, int) else None


def _check_end(question: Question, finish: str | None, text: str, *, thought: bool) -> None:
    if finish is None:
        raise broken(question.model, "no end was sent")
    if finish == "length":
        raise failures.cut_short(question.model, question.max_tokens, thought=thought and not text.strip())
    if finish == "content_filter":
        raise failures.withheld(question.model, "a filter at its server held it back")
    if finish not in _ENDED:
        raise broken(question.model, f"it ended with {finish!r:.60}")


def _check_text(question: Question, text: str) -> None:
    if not text.strip():
        raise unusable(question.model, "gave an empty reply")
    if question.schema is not None:
        try:
            json.loads(unfenced(text))
        except (ValueError, RecursionError) as exc:
            raise unusable(question.model, f"did not give JSON but {text[:60]!r}") from exc
