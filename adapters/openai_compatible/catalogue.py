"""What the servers offer: their models, and what these can do as far as a server says it or shows it when asked."""

from __future__ import annotations

import difflib
import io
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from adapters.fleet import all_of, first_of
from adapters.ollama import background
from adapters.openai_compatible import failures
from adapters.openai_compatible.content import picture_part, text_part
from adapters.openai_compatible.server import Event, NotOpenAI, Server, at
from rag_app.errors import ModelNotInstalled, ModelUnsuitable, RagAppError
from rag_app.settings import Settings

_FACTS_S = 60.0  # how long what a server offers is believed before it is asked again
_SIDE = 112  # pixels of the picture by which it is seen whether a model sees
_LEAST_TOKENS = 8  # that such a picture takes; every known encoder takes more
_CONTEXT_KEYS = ("max_model_len", "loaded_context_length", "context_length", "max_context_length")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Offered:
    """A model that a server offers.

    context_tokens  that prompt and reply may have together; None where the server does not say
    sees            whether it reads pictures; None where the server does not say
    """

    name: str
    context_tokens: int | None = None
    sees: bool | None = None


@dataclass(frozen=True, slots=True)
class Answering:
    """A server with what it offers, or the `problem` why it does not answer."""

    url: str
    models: tuple[Offered, ...] = ()
    problem: RagAppError | None = None


def answering(settings: Settings) -> tuple[Answering, ...]:
    """Each server of the settings with what it offers. Raises SettingsError where they name none."""

    async def work() -> tuple[Answering, ...]:
        found = await all_of(at(settings), listed, failures.explaining("a model"))
        return tuple(
            Answering(server.url, problem=one) if isinstance(one, RagAppError) else Answering(server.url, one)
            for server, one in found.items()
        )

    return background.run(work())


def offered(settings: Settings) -> tuple[Offered, ...]:
    """What the servers that answer offer, by name; nothing where the settings name no server."""
    if not settings.openai.hosts.strip():
        return ()
    found = {model.name: model for server in answering(settings) for model in server.models}
    return tuple(found[name] for name in sorted(found))


def check(name: str, settings: Settings, *, pictures: bool) -> None:
    """Make sure that a server can be asked so; see `suit`."""
    _first(settings, name, lambda server: suit(server, name, pictures=pictures, wait_s=settings.openai.first_word_s))


def reads_pictures(name: str, settings: Settings) -> bool:
    """Whether the model reads pictures: as its server says, else as two short requests show."""
    return _first(settings, name, lambda server: sees(server, name, wait_s=settings.openai.first_word_s))


def _first(settings: Settings, name: str, ask: Callable[[Server], Awaitable[T]]) -> T:
    async def work() -> T:
        return await first_of(at(settings), ask, failures.explaining(name))

    return background.run(work())


# --- on the background loop -----------------------------------------------------------------------------------------


async def listed(server: Server) -> tuple[Offered, ...]:
    """All models of the server, by name."""
    answer = await server.fetch("/models")
    entries = answer.get("data")
    if not isinstance(entries, list) or not all(isinstance(one, dict) and one.get("id") for one in entries):
        raise NotOpenAI("no list of models")
    # llama.cpp lists them a second time, with what they can do.
    more = {str(one.get("name")): one for one in answer.get("models") or () if isinstance(one, dict)}
    return tuple(sorted((_offered(one, more.get(str(one["id"]), {})) for one in entries), key=lambda one: one.name))


def _offered(entry: Event, more: Event) -> Offered:
    sizes = (entry.get(key) for key in _CONTEXT_KEYS)
    context = next((size for size in sizes if isinstance(size, int) and size > 0), None)
    return Offered(str(entry["id"]), context, _said_to_see(entry, more))


def _said_to_see(entry: Event, more: Event) -> bool | None:
    """What servers say of pictures, each in its own way; None for those that say nothing."""
    if isinstance(can := more.get("capabilities"), list):  # llama.cpp
        return "multimodal" in can
    if isinstance(can := entry.get("capabilities"), dict) and "vision" in can:  # Mistral
        return bool(can["vision"])
    architecture = entry.get("architecture")
    if isinstance(architecture, dict) and isinstance(kinds := architecture.get("input_modalities"), list):
        return "image" in kinds
    return True if entry.get("type") == "vlm" else None  # LM Studio


async def facts(server: Server, name: str) -> Offered:
    """What the server says of the model; believed for a minute. Raises ModelNotInstalled with the nearest names.

    llama.cpp answers with the one model it has, whatever name it is asked for: so the name is looked up first.
    """
    kept = server.known.get(name)
    if kept and time.monotonic() - kept[0] < _FACTS_S:
        return kept[1]
    server.known.pop(name, None)
    models = await listed(server)
    found = next((model for model in models if model.name == name), None)
    if found is None:
        names = [model.name for model in models]
        near = difflib.get_close_matches(name, names, n=2, cutoff=0.5)
        raise ModelNotInstalled(
            f"The server has no model '{name}'"
            + (f"; did you mean {' or '.join(near)}?" if near else ".")
            + (f" It has: {', '.join(names)}." if names else " It has none.")
        )
    server.known[name] = (time.monotonic(), found)
    return found


async def suit(server: Server, name: str, *, pictures: bool = False, wait_s: float) -> Offered:
    """The model's facts when it can be asked so; ModelNotInstalled, ModelUnsuitable."""
    found = await facts(server, name)
    if pictures and not await sees(server, name, wait_s=wait_s):
        raise ModelUnsuitable(f"{name} reads no pictures: name a vision model, or serve this one with its vision part.")
    return found


async def sees(server: Server, name: str, *, wait_s: float) -> bool:
    """Whether the model reads pictures. Where its server does not say, it is asked with a picture and without, once.

    A model without eyes refuses the picture, or is served by what drops it: then the prompt is as long as without it.
    """
    said_so = (await facts(server, name)).sees
    if said_so is not None:
        return said_so
    key = f"sees {name}"
    if key not in server.known:
        try:
            with_picture = await _prompt_tokens(server, name, [picture_part(_grey()), text_part("?")], wait_s)
        except failures.Refusal as exc:
            if isinstance(failures.explain(exc, model=name, url=server.url).error, ModelUnsuitable):
                with_picture = 0
            else:
                raise
        without = await _prompt_tokens(server, name, [text_part("?")], wait_s) if with_picture else 0
        # A server that counts nothing and takes the picture is believed.
        server.known[key] = with_picture is None or with_picture >= (without or 0) + _LEAST_TOKENS
    return server.known[key]


async def _prompt_tokens(server: Server, name: str, content: list[Event], wait_s: float) -> int | None:
    body = {"model": name, "messages": [{"role": "user", "content": content}], "max_tokens": 1, "temperature": 0}
    answer = await server.fetch("/chat/completions", body, model_s=wait_s)
    count = (answer.get("usage") or {}).get("prompt_tokens")
    return count if isinstance(count, int) else None


def _grey() -> bytes:
    from PIL import Image

    held = io.BytesIO()
    Image.new("RGB", (_SIDE, _SIDE), (127, 127, 127)).save(held, "PNG")
    return held.getvalue()
