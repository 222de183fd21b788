"""One question to a model and its whole reply: checked, sized, sent, watched, and asked again where that helps.

suit      what the model can do, before anything is sent          catalogue
size      num_ctx for prompt, pictures and reply                  context
send      always streamed, one place at the server                server
check     ended with done, not cut, prompt read in full, JSON where JSON was asked for
repeat    at another server, or after a pause, only where the same request may succeed    failures, adapters.fleet
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from adapters import sending
from adapters.fleet import Fleet, Tries
from adapters.ollama import catalogue, context, failures, names, pictures
from adapters.ollama.context import Size
from adapters.ollama.server import Line, Server, at
from rag_app.settings import Settings

LIVELIER = 0.4  # temperature of a try with another seed: at 0 the seed changes nothing
REPEAT_PENALTY = 1.15  # of a try after the model went round in circles
_MARK = re.compile(r"\[(img(?:-\d+)?)\]")
_FENCED = re.compile(r"\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*", re.DOTALL)

Json = dict[str, Any]  # Any: JSON
T = TypeVar("T")


def neutral(text: str) -> str:
    """`text` without the marks by which Ollama places pictures, "[img]" and "[img-3]": they get round brackets."""
    return _MARK.sub(r"(\1)", text)


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. images: normalised; extra: further keys of the API, such as tool_calls."""

    role: str
    text: str
    images: tuple[bytes, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)  # Any: JSON


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of `model`.

    options     of the API, sent as they are; num_ctx is chosen unless it is among them
    format      "json", a JSON Schema, or None
    keep_alive  seconds, a duration, or None for the settings'
    think       None: thinking is switched off where the model can think
    whole       the reply is handed on only when it is complete and checked, so that any try may be repeated
    """

    model: str
    messages: tuple[Message, ...]
    options: Mapping[str, Any]  # Any: JSON
    format: str | Mapping[str, Any] | None = None  # Any: JSON Schema
    keep_alive: float | str | None = None
    think: bool | str | None = None
    tools: tuple[Json, ...] = ()
    whole: bool = True

    @property
    def has_pictures(self) -> bool:
        return any(message.images for message in self.messages)

    @property
    def name(self) -> str:
        return f"ollama:{names.full(self.model)}"

    def size(self) -> Size:
        total = Size(0, 0)
        for message in self.messages:
            total += context.measure(message.text)
            total += Size(sum(pictures.tokens(image) for image in message.images), 0)
        for extra in (*self.tools, *(message.extra for message in self.messages if message.extra)):
            total += Size(context.measure(json.dumps(extra, ensure_ascii=False)).most, 0)
        return total

    def livelier(self) -> Question:
        """The same with another seed, and a temperature at which the seed matters."""
        options = dict(self.options)
        options["seed"] = int(options.get("seed") or 0) + 1
        options["temperature"] = max(float(options.get("temperature") or 0.0), LIVELIER)
        options["repeat_penalty"] = max(float(options.get("repeat_penalty") or 0.0), REPEAT_PENALTY)
        return replace(self, options=options)


async def parts(question: Question, settings: Settings) -> AsyncGenerator[Line, None]:
    """The lines of the reply, the last with done and the counts; `num_ctx` is added to each.

    Runs on the background loop. A reply is asked for again, of another server where there is one, as
    settings.ollama.retries and the failure allow, unless some of it was handed on already. Raises the errors of
    `rag_app.models.LanguageModel.ask`.
    """
    coming = sending.pieces(
        tries_at(at(settings), settings, question.name.removeprefix("ollama:")),
        question,
        lambda server, asked: _attempt(server, asked, settings),
        parallel=settings.ollama.parallel,
        is_text=lambda line: bool(_text_of(line)),
    )
    async with aclosing(coming) as lines:
        async for line in lines:
            yield line


async def repeated(servers: Fleet[Server], settings: Settings, model: str, send: Callable[[Server], Awaitable[T]]) -> T:
    """What `send` gives, called again as the failure allows; its errors explained. For requests without a seed."""
    return await sending.repeated(tries_at(servers, settings, model), send, parallel=settings.ollama.parallel)


def tries_at(servers: Fleet[Server], settings: Settings, model: str) -> Tries[Server]:
    """How often a request to `model` is sent."""
    return Tries(servers, model=model, retries=settings.ollama.retries, explain=failures.explaining(model))


async def _attempt(server: Server, question: Question, settings: Settings) -> AsyncGenerator[Line, None]:
    """One request and its reply."""
    known = await catalogue.suit(server, question.model, pictures=question.has_pictures, tools=bool(question.tools))
    body, size = _body(server, question, settings, known)
    num_ctx, model = body["options"]["num_ctx"], known.name
    text, last, called = list[str](), None, False
    first_s, next_s = float(settings.ollama.first_word_s), float(settings.ollama.stall_s)
    async with aclosing(server.client.lines("/api/chat", body, first_s=first_s, next_s=next_s)) as lines:
        async for line in lines:
            if not isinstance(line.get("message"), dict) and not line.get("done"):
                raise failures.NotOllama("a line of the reply has no message")
            text.append(_text_of(line))
            called = called or bool((line.get("message") or {}).get("tool_calls"))
            if line.get("done"):
                last = line
                await _check_counts(server, model, line, size, body)
                _check_text(model, "".join(text), json_asked=bool(question.format), called=called)
            yield {**line, "num_ctx": num_ctx}
    if last is None:
        raise failures.broken(model, "no end was sent; it may have gone round in circles")


def _body(server: Server, question: Question, settings: Settings, known: catalogue.Installed) -> tuple[Json, Size]:
    size = question.size()
    options = dict(question.options)
    if not options.get("num_ctx"):
        context.refuse_too_long(known.name, size, known.context_length)
        before = server.contexts.get(known.name)
        options["num_ctx"] = server.contexts[known.name] = context.choose(
            prompt=size,
            reply_tokens=int(options["num_predict"]),
            at_least=settings.ollama.context_tokens,
            before=before,
            model_most=known.context_length,
        )
    body: Json = {
        "model": names.on_wire(question.model),
        "messages": [_message(message) for message in question.messages],
        "stream": True,
        "options": options,
        "keep_alive": keep_alive(settings.ollama.keep_alive if question.keep_alive is None else question.keep_alive),
        # Newer servers refuse what does not fit instead of cutting it; older ones ignore both.
        "truncate": False,
        "shift": False,
    }
    if question.format:
        body["format"] = question.format
    if question.tools:
        body["tools"] = list(question.tools)
    if question.think is not None:
        body["think"] = question.think
    elif "thinking" in known.capabilities:
        body["think"] = False
    return body, size


def _message(message: Message) -> Json:
    sent: Json = {"role": message.role, "content": neutral(message.text), **message.extra}
    if message.images:
        sent["images"] = [base64.b64encode(image).decode("ascii") for image in message.images]
    return sent


def keep_alive(value: float | str) -> float | int | str:
    """The value as the server takes it: a bare number is seconds and must not be a string ("-1", "300")."""
    if isinstance(value, str):
        try:
            return int(value.strip())
        except ValueError:
            return value.strip()
    return value


def _text_of(line: Line) -> str:
    return str((line.get("message") or {}).get("content") or "")


async def _check_counts(server: Server, model: str, line: Line, size: Size, body: Json) -> None:
    num_ctx, read = int(body["options"]["num_ctx"]), line.get("prompt_eval_count")
    really = await catalogue.given_context(server, model) if context.seems_cut(size, read) else None
    context.refuse_cut(model, size, read=read, context_tokens=num_ctx, really=really)
    reason = line.get("done_reason")
    if reason == "length":
        raise failures.cut_short(model, int(body["options"]["num_predict"]), num_ctx)
    if reason in {"load", "unload"}:
        raise failures.unusable(model, "was loaded but gave no reply")


def _check_text(model: str, text: str, *, json_asked: bool, called: bool) -> None:
    if called:
        return
    if not text.strip():
        raise failures.unusable(model, "gave an empty reply")
    if json_asked:
        try:
            json.loads(unfenced(text))
        except (ValueError, RecursionError) as exc:
            raise failures.unusable(model, f"did not give JSON but {text[:60]!r}") from exc


def unfenced(text: str) -> str:
    """JSON without the Markdown fence that models which ignore `format` put around it."""
    fenced = _FENCED.fullmatch(text)
    return fenced[1] if fenced else text
