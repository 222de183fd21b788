"""What the servers have: installed models and what they can do, what is loaded, and fetching another."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from adapters.fleet import Failure, all_of, first_of, together
from adapters.ollama import background, failures, host, names
from adapters.ollama.server import Line, Server, at
from rag_app.errors import ModelFailed, ModelNotInstalled, ModelUnsuitable, RagAppError
from rag_app.settings import Settings

_FACTS_S = 60.0  # how long what a model can do is believed before it is asked again
_AT_ONCE = 4
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Installed:
    """A model that the server has.

    name              as we write it: lower case, without ":latest"
    capabilities      of completion, vision, embedding, tools, insert, thinking, audio, image
    context_length    tokens it was trained with; None where the server does not say, and the same for embedding_length
    parameters        "8.3B"; quantization "Q4_K_M"; family "qwen25vl"; modified in RFC 3339; "" where not said
    """

    name: str
    size_bytes: int = 0
    capabilities: frozenset[str] = frozenset()
    context_length: int | None = None
    embedding_length: int | None = None
    parameters: str = ""
    quantization: str = ""
    family: str = ""
    modified: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Answering:
    """A server with what it has, or the `problem` why it does not answer; `version` as it says it, "0.33.0"."""

    url: str
    version: str = ""
    models: tuple[Installed, ...] = ()
    loaded: tuple[Loaded, ...] = ()
    problem: RagAppError | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model in the server's memory: bytes in all and on the GPU, the context really given, until when (RFC 3339)."""

    name: str
    size_bytes: int
    vram_bytes: int
    context_tokens: int | None
    expires: str


def answering(settings: Settings) -> tuple[Answering, ...]:
    """Each server of the settings with its version, what it has and has loaded, or why it does not answer."""

    async def one(server: Server) -> Answering:
        version = str((await _get(server, "/api/version")).get("version", ""))
        return Answering(server.url, version, await list_installed(server), await _loaded(server))

    async def work() -> tuple[Answering, ...]:
        found = await all_of(at(settings), one, failures.explaining("a model"))
        return tuple(
            Answering(server.url, problem=one) if isinstance(one, RagAppError) else one for server, one in found.items()
        )

    return background.run(work())


def installed(settings: Settings) -> tuple[Installed, ...]:
    """What the servers have, by name; a model that several have once, as the first has it.

    Asks once more for each model on servers that do not list capabilities. Raises ModelError where no server answers.
    """

    async def work() -> tuple[Installed, ...]:
        found = await all_of(at(settings), list_installed, failures.explaining("a model"))
        errors = {server.url: Failure(one) for server, one in found.items() if isinstance(one, RagAppError)}
        if len(errors) == len(found):
            raise together(errors).error
        return merged([one for one in found.values() if not isinstance(one, RagAppError)])

    return background.run(work())


def merged(lists: Iterable[Iterable[Installed]]) -> tuple[Installed, ...]:
    """The models of several servers by name, each as the first has it; its digest is that of each where they differ."""
    found: dict[str, list[Installed]] = {}
    for model in (model for models in lists for model in models):
        found.setdefault(model.name, []).append(model)
    return tuple(
        replace(same[0], digest="+".join(dict.fromkeys(one.digest for one in same if one.digest)))
        for _, same in sorted(found.items())
    )


def show(name: str, settings: Settings) -> Installed:
    """One model, newly asked; ModelNotInstalled with the nearest installed names."""
    return _first(settings, name, lambda server: facts(server, name, fresh=True))


def resolve(name: str, settings: Settings) -> Installed:
    """As `show`, but what was asked within the last minute is believed."""
    return _first(settings, name, lambda server: facts(server, name))


def check(name: str, settings: Settings, *, pictures: bool) -> None:
    """Make sure that a server can be asked so; see `suit`."""
    _first(settings, name, lambda server: suit(server, name, pictures=pictures))


def _first(settings: Settings, name: str, ask: Callable[[Server], Awaitable[T]]) -> T:
    async def work() -> T:
        return await first_of(at(settings), ask, failures.explaining(names.full(name)))

    return background.run(work())


def nearest(name: str, installed: tuple[Installed, ...]) -> list[str]:
    """Up to three installed names that `name` may have been meant as, best first."""
    return names.nearest(name, [model.name for model in installed])


async def given_context(server: Server, name: str) -> int | None:
    """Tokens of context that a loaded model really has; None where it is not loaded, or the server does not say."""
    return next((one.context_tokens for one in await _loaded(server) if one.name == names.full(name)), None)


async def _loaded(server: Server) -> tuple[Loaded, ...]:
    listed = await _get(server, "/api/ps")
    return tuple(
        Loaded(
            names.full(str(one.get("name") or one.get("model"))),
            int(one.get("size") or 0),
            int(one.get("size_vram") or 0),
            one.get("context_length"),
            str(one.get("expires_at") or ""),
        )
        for one in listed.get("models") or ()
    )


def pull(name: str, settings: Settings, on_progress: Callable[[str, int, int], None]) -> None:
    """Have each server fetch `name`, one after the other; what was fetched before an interruption is kept there.

    `on_progress` gets the server's word ("pulling 6a0746a1ec1a"), bytes done and bytes known so far, of all parts.

    Raises ModelNotInstalled when the registry has no such model, ModelUnreachable, ModelFailed, ModelTimeout.
    """
    for number in range(len(host.find(settings))):
        _pull(name, settings, on_progress, number)


def _pull(name: str, settings: Settings, on_progress: Callable[[str, int, int], None], number: int) -> None:
    done: dict[str, tuple[int, int]] = {}

    async def work() -> AsyncGenerator[Line, None]:
        server = at(settings).hosts[number]
        server.known.clear()
        server.lacks.clear()
        wait_s = float(settings.ollama.first_word_s)
        body = {"model": names.on_wire(name), "stream": True}
        try:
            async with aclosing(server.client.lines("/api/pull", body, first_s=wait_s, next_s=wait_s)) as lines:
                async for line in lines:
                    yield line
        except Exception as exc:
            raise failures.explain(exc, model=names.full(name), url=server.url).error from exc

    status = ""
    for line in background.iterate(work()):
        status = str(line.get("status", ""))
        if digest := line.get("digest"):
            done[digest] = (int(line.get("completed") or 0), int(line.get("total") or 0))
        on_progress(status, sum(part for part, _ in done.values()), sum(total for _, total in done.values()))
    if status != "success":
        raise ModelFailed(
            f"Fetching {name} ended too early (last: {status or 'nothing'}); go on with: rag-app models pull {name}"
        )


# --- on the background loop -----------------------------------------------------------------------------------------


async def facts(server: Server, name: str, *, fresh: bool = False) -> Installed:
    """What the model can do; believed for a minute. Raises ModelNotInstalled, ModelError."""
    key = names.full(name)
    kept = server.known.get(key)
    if kept and not fresh and time.monotonic() - kept[0] < _FACTS_S:
        return kept[1]
    server.known.pop(key, None)
    try:
        shown = await server.client.fetch("/api/show", {"model": names.on_wire(name)})
        found = from_show(key, shown)
    except Exception as exc:
        error = failures.explain(exc, model=key, url=server.url).error
        if isinstance(error, ModelNotInstalled):
            raise await _not_installed(server, key) from exc
        raise error from exc
    server.known[key] = (time.monotonic(), found)
    return found


async def digest_of(server: Server, name: str) -> str:
    """Digest of the model's files at that server, "" where it does not list it; believed for a minute."""
    key = f"digest of {name}"
    kept = server.known.get(key)
    if not kept or time.monotonic() - kept[0] >= _FACTS_S:
        found = next((model.digest for model in await list_installed(server) if model.name == name), "")
        kept = server.known[key] = (time.monotonic(), found)
    return kept[1]


async def list_installed(server: Server) -> tuple[Installed, ...]:
    """All models of the server, by name."""
    listed = (await _get(server, "/api/tags")).get("models") or ()
    turn = asyncio.Semaphore(_AT_ONCE)

    async def one(tag: Line) -> Installed | None:
        known = from_tag(tag)
        if known.capabilities and known.context_length:
            return known
        async with turn:
            try:
                shown = await server.client.fetch("/api/show", {"model": str(tag.get("model") or tag.get("name"))})
                return from_show(known.name, shown, tag)
            except failures.Refusal as exc:
                if exc.status == 404:  # removed between the two questions
                    return None
                raise

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(tag)) for tag in listed]
    except ExceptionGroup as exc:
        raise failures.explain(exc.exceptions[0], model="a model", url=server.url).error from exc
    found = [task.result() for task in tasks]
    return tuple(sorted((model for model in found if model), key=lambda model: model.name))


async def suit(server: Server, name: str, *, pictures: bool = False, tools: bool = False) -> Installed:
    """The model's facts when it can be asked so; ModelNotInstalled, ModelUnsuitable with names that could."""
    model = await facts(server, name)
    if "completion" not in model.capabilities:
        others = await names_with(server, "completion")
        raise ModelUnsuitable(f"{model.name} writes no text, it only embeds. {_choose(others, 'models that write')}")
    if model.family == "mllama" and await _version(server) >= (0, 30):
        raise ModelUnsuitable(failures.MLLAMA.format(model=model.name))
    if pictures and "vision" not in model.capabilities:
        others = await names_with(server, "vision")
        raise ModelUnsuitable(f"{model.name} reads no pictures. {_choose(others, 'vision models')}")
    if tools and "tools" not in model.capabilities:
        raise ModelUnsuitable(f"{model.name} cannot call tools: leave them out, or use another model.")
    return model


def from_tag(tag: Line) -> Installed:
    """An entry of /api/tags; older servers say no capabilities there."""
    details = tag.get("details") or {}
    return Installed(
        name=names.full(str(tag.get("name") or tag.get("model"))),
        size_bytes=int(tag.get("size") or 0),
        capabilities=frozenset(tag.get("capabilities") or ()),
        context_length=_whole(details.get("context_length")),
        embedding_length=_whole(details.get("embedding_length")),
        parameters=str(details.get("parameter_size") or ""),
        quantization=str(details.get("quantization_level") or ""),
        family=str(details.get("family") or ""),
        modified=str(tag.get("modified_at") or ""),
        digest=str(tag.get("digest") or ""),
    )


def from_show(name: str, shown: Line, tag: Line | None = None) -> Installed:
    """The answer of /api/show, with size and digest of `tag`; NotOllama for what is no such answer."""
    if not isinstance(shown, dict) or not isinstance(shown.get("model_info") or {}, dict):
        raise failures.NotOllama("what is shown of a model is no object")
    details = shown.get("details") or {}
    info = shown.get("model_info") or {}
    family = str(info.get("general.architecture") or details.get("family") or "")
    return Installed(
        name=name,
        size_bytes=int((tag or {}).get("size") or 0),
        capabilities=frozenset(shown.get("capabilities") or _guessed(shown, info, details, family)),
        context_length=_of(info, family, "context_length"),
        embedding_length=_of(info, family, "embedding_length"),
        parameters=str(details.get("parameter_size") or ""),
        quantization=str(details.get("quantization_level") or ""),
        family=family,
        modified=str(shown.get("modified_at") or (tag or {}).get("modified_at") or ""),
        digest=str((tag or {}).get("digest") or ""),
    )


def _guessed(shown: Line, info: Line, details: Line, family: str) -> set[str]:
    """Capabilities as servers from 0.6.4 on would say them, for older ones."""
    if f"{family}.pooling_type" in info or family in {"bert", "nomic-bert", "xlm-roberta"}:
        return {"embedding"}
    found = {"completion"}
    families = set(details.get("families") or ())
    if shown.get("projector_info") or families & {"clip", "mllama"} or any(".vision." in key for key in info):
        found.add("vision")
    if ".Tools" in str(shown.get("template") or ""):
        found.add("tools")
    return found


def _of(info: Line, family: str, key: str) -> int | None:
    found = info.get(f"{family}.{key}")
    if found is None:
        found = next(
            (value for name, value in info.items() if name.endswith(f".{key}") and ".vision." not in name), None
        )
    return _whole(found)


def _whole(value: Any) -> int | None:  # Any: JSON
    return int(value) if isinstance(value, (int, float)) and value > 0 else None


async def _get(server: Server, path: str) -> Line:
    try:
        answer = await server.client.fetch(path)
        if not isinstance(answer, dict):
            raise failures.NotOllama("no object")
    except Exception as exc:
        raise failures.explain(exc, model="a model", url=server.url).error from exc
    return answer


async def _version(server: Server) -> tuple[int, ...]:
    """Its first two numbers; (0, 0) when they cannot be read, as in a build of one's own."""
    text = str((await _get(server, "/api/version")).get("version", ""))
    numbers = text.lstrip("v").split("-")[0].split(".")[:2]
    return tuple(int(part) for part in numbers) if len(numbers) == 2 and all(map(str.isdigit, numbers)) else (0, 0)


async def _not_installed(server: Server, name: str) -> ModelNotInstalled:
    have = [model.name for model in await list_installed(server)]
    near = names.nearest(name, [*have, "builtin"])
    parts = [f"Ollama has no model '{name}'" + (f"; did you mean {' or '.join(near)}?" if near else ".")]
    parts.append(f"Installed: {', '.join(have)}." if have else "None is installed.")
    parts.append(f"Get it: rag-app models pull {name}")
    return ModelNotInstalled(" ".join(parts))


async def names_with(server: Server, capability: str) -> list[str]:
    return [model.name for model in await list_installed(server) if capability in model.capabilities]


def _choose(others: list[str], what: str) -> str:
    if others:
        return f"Installed {what}: {', '.join(others)}."
    return f"No {what} are installed; get one, for example: rag-app models pull gemma3:4b"
