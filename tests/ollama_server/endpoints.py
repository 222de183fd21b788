"""What each path of the API answers: a whole body, or the lines of a stream."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tests.ollama_server import mischief
from tests.ollama_server.errors import nested, refusal
from tests.ollama_server.faults import Fault
from tests.ollama_server.models import Model, Recorded, find, with_tag
from tests.ollama_server.reading import (
    FOR_EVER,
    format_of,
    images_of,
    keep_alive_s,
    messages_of,
    model_name,
    options_of,
)
from tests.ollama_server.writing import Read, pieces_of, read_prompt, reply_text, timestamp, tokens_in

if TYPE_CHECKING:
    from tests.ollama_server.server import OllamaServer

Event = dict[str, Any]  # Any: JSON


@dataclass(slots=True)
class Answer:
    """What to send: a whole JSON `body`, or `events` line by line. `held` is let go of when all is sent."""

    body: Any = None  # Any: JSON, or bytes sent as they are
    events: Iterable[Event] | None = None
    held: ExitStack = field(default_factory=ExitStack)


def write(server: OllamaServer, request: Recorded) -> Answer:
    """/api/chat and /api/generate."""
    body, chat = request.body, request.path == "/api/chat"
    options, keep = options_of(body), keep_alive_s(body.get("keep_alive"))
    name, wanted = model_name(body), format_of(body)
    spoken = messages_of(body) if chat else []
    turns = [(turn["role"], turn.get("content") or "", images_of(turn)) for turn in spoken]
    if not chat:
        texts = [("system", body.get("system") or "", []), ("user", body.get("prompt") or "", images_of(body))]
        turns = [turn for turn in texts if turn[1] or turn[2]]
    model = server.model(name)
    _suits(model, name, "chat" if chat else "generate", body)
    fault = request.fault
    mischief.refuse(fault, name)
    empty = not turns if chat else not body.get("prompt")
    context = server.context_of(model, options)
    if empty and keep == 0:
        server.scheduler.unload(model)
        return _whole(request, name, "", "unload")
    held = ExitStack()
    started = time.monotonic()
    try:
        load_s = held.enter_context(server.scheduler.slot(model, context, keep))
        if empty:
            held.close()
            return _whole(request, name, "", "load")
        if fault is Fault.IMAGES_IGNORED:
            turns = [(role, "[img-0]" * len(images) + text, []) for role, text, images in turns]
        elif request.images and "vision" not in model.capabilities:
            raise nested(400, "Multimodal data provided, but model does not support multimodal requests.")
        prompt = read_prompt(turns, context, truncate=body.get("truncate", True), shift=body.get("shift", True))
        text = reply_text(model, body, prompt, wanted)
        text, prompt = mischief.twisted(fault, text, prompt)
        thought = _thinks(model, body) or ("Let me look at it." if fault is Fault.THINKING else "")
        events = _spoken(
            request,
            name,
            text,
            prompt,
            thought=thought,
            limit=options.get("num_predict"),
            clock=(started, load_s),
        )
        server.wait(model.latency_s)
    except BaseException:
        held.close()
        raise
    return _as_asked(body, mischief.events(fault, events), held, pause=(server, model.piece_s))


def _suits(model: Model, name: str, task: str, body: Event) -> None:
    if "completion" not in model.capabilities:
        raise refusal(400, f'"{name}" does not support {task}')
    if body.get("tools") and "tools" not in model.capabilities:
        raise refusal(400, f"registry.ollama.ai/library/{model.full_name} does not support tools")
    if body.get("think") and "thinking" not in model.capabilities:
        raise refusal(400, f'"{name}" does not support thinking')


def _thinks(model: Model, body: Event) -> str:
    """What a thinking model thinks: it does unless told not to."""
    on = "thinking" in model.capabilities and body.get("think") is not False
    return f"{model.name} thinks about it." if on else ""


def _message(chat: bool, content: str, thinking: str = "") -> Event:
    if chat:
        return {"message": {"role": "assistant", "content": content, **({"thinking": thinking} if thinking else {})}}
    return {"response": content, **({"thinking": thinking} if thinking else {})}


def _whole(request: Recorded, name: str, text: str, reason: str) -> Answer:
    chat = request.path == "/api/chat"
    event = {"model": name, "created_at": timestamp(), **_message(chat, text), "done": True, "done_reason": reason}
    return _as_asked(request.body, [event], ExitStack())


def _spoken(
    request: Recorded,
    name: str,
    text: str,
    prompt: Read,
    *,
    thought: str,
    limit: float | None,
    clock: tuple[float, float],
) -> Iterator[Event]:
    """The events of one reply: a piece each, then the one with the counts."""
    chat, (started, load_s) = request.path == "/api/chat", clock
    first = time.monotonic()
    pieces = pieces_of(text)
    cut = limit is not None and 0 < limit < len(pieces)
    pieces = pieces[: int(limit)] if cut and limit else pieces
    for piece in pieces_of(thought):
        yield {"model": name, "created_at": timestamp(), **_message(chat, "", piece), "done": False}
    for piece in pieces:
        yield {"model": name, "created_at": timestamp(), **_message(chat, piece), "done": False}
    now = time.monotonic()
    yield {
        "model": name,
        "created_at": timestamp(),
        **_message(chat, ""),
        "done": True,
        "done_reason": "length" if cut or request.fault is Fault.LENGTH else "stop",
        "total_duration": _ns(now - started),
        "load_duration": _ns(load_s),
        "prompt_eval_count": prompt.tokens,
        "prompt_eval_duration": _ns(max(1e-6, first - started - load_s)),
        "eval_count": len(pieces) + len(pieces_of(thought)),
        "eval_duration": _ns(max(1e-6, now - first)),
    }


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)


def _as_asked(
    body: Event, events: Iterable[Event], held: ExitStack, pause: tuple[OllamaServer, float] | None = None
) -> Answer:
    """Streamed unless `stream` is false; then all pieces in one body."""
    if body.get("stream", True) is not False:
        if pause and pause[1]:
            events = _paced(events, *pause)
        return Answer(events=events, held=held)
    content, thinking, last = "", "", {}
    for last in events:
        if "error" in last:
            held.close()
            raise refusal(500, last["error"])
        part = last.get("message", last)
        content += part.get("content", part.get("response", ""))
        thinking += part.get("thinking", "")
    whole = {**last, **_message("message" in last, content, thinking)}
    return Answer(body=whole, held=held)


def _paced(events: Iterable[Event], server: OllamaServer, seconds: float) -> Iterator[Event]:
    for event in events:
        yield event
        server.wait(seconds)


def embed(server: OllamaServer, request: Recorded) -> Answer:
    """/api/embed, and the older /api/embeddings, whose one vector is not normalised."""
    body, legacy = request.body, request.path == "/api/embeddings"
    options, name = options_of(body), model_name(body)
    keep = keep_alive_s(body.get("keep_alive"))
    given = body.get("prompt", "") if legacy else body.get("input", [])
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise refusal(400, "invalid input type")
    model = server.model(name)
    fault = request.fault
    mischief.refuse(fault, name)
    if "embedding" not in model.capabilities:
        raise refusal(501, "This server does not support embeddings. Start it with `--embeddings`")
    context = server.context_of(model, options)
    started = time.monotonic()
    with server.scheduler.slot(model, context, keep) as load_s:
        counts = [tokens_in(text) + 2 for text in texts]
        if not body.get("truncate", True) and max(counts, default=0) > context:
            raise refusal(400, "the input length exceeds the context length")
        size = int(body.get("dimensions") or model.embedding_length)
        scale = 7.0 if legacy or fault is Fault.EMBED_NOT_NORMALISED else 1.0
        vectors = [_vector(text[: 4 * context], min(size, model.embedding_length), scale) for text in texts]
        server.wait(model.latency_s)
    if legacy:
        return Answer(body={"embedding": vectors[0]})
    if fault is Fault.EMBED_EMPTY:
        vectors = []
    elif fault is Fault.EMBED_TOO_FEW:
        vectors = vectors[:-1]
    return Answer(
        body={
            "model": name,
            "embeddings": vectors,
            "total_duration": _ns(time.monotonic() - started),
            "load_duration": _ns(load_s),
            "prompt_eval_count": sum(min(count, context) for count in counts),
        }
    )


def _vector(text: str, size: int, scale: float) -> list[float]:
    """A bag of hashed words, so that texts with words in common are near each other; of length `scale`."""
    values = [1e-3] * size
    for word in text.lower().split() or [""]:
        digest = hashlib.sha256(word.encode()).digest()
        values[int.from_bytes(digest[:4], "big") % size] += 1.0 if digest[4] % 2 else -1.0
    norm = math.sqrt(sum(value * value for value in values))
    return [scale * value / norm for value in values]


def details(model: Model, *, old: bool = False) -> Event:
    known = {
        "parent_model": "",
        "format": "gguf",
        "family": model.family,
        "families": None if old else [model.family],
        "parameter_size": model.parameters,
        "quantization_level": model.quantization,
    }
    newer = {"context_length": model.context_length, "embedding_length": model.embedding_length}
    return known if old else {**known, **newer}


def tags(server: OllamaServer, request: Recorded) -> Answer:
    listed = []
    for model in server.models:
        entry = {
            "name": model.full_name,
            "model": model.full_name,
            "modified_at": model.modified,
            "size": model.size_bytes,
            "digest": model.digest,
            "details": details(model, old=request.fault is Fault.TAGS_FAMILIES_NULL),
        }
        if request.fault not in (Fault.TAGS_FAMILIES_NULL, Fault.SHOW_WITHOUT_CAPABILITIES):
            entry["capabilities"] = sorted(model.capabilities)
        listed.append(entry)
    return Answer(body={"models": listed})


def show(server: OllamaServer, request: Recorded) -> Answer:
    name = model_name(request.body)
    model = server.model(name, shown=with_tag(name))
    family = model.family
    info: Event = {
        "general.architecture": family,
        f"{family}.context_length": model.context_length,
        f"{family}.embedding_length": model.embedding_length,
    }
    body: Event = {
        "modelfile": f'# Modelfile generated by "ollama show"\nFROM {model.full_name}\n',
        "parameters": 'stop                           "</s>"',
        "template": "{{ .Prompt }}",
        "details": details(model),
        "model_info": info,
        "modified_at": model.modified,
    }
    if "vision" in model.capabilities:
        body["projector_info"] = {"general.architecture": "clip", "clip.has_vision_encoder": True}
        info[f"{family}.vision.block_count"] = 2
    if request.fault is not Fault.SHOW_WITHOUT_CAPABILITIES:
        body["capabilities"] = sorted(model.capabilities)
    return Answer(body=body)


def ps(server: OllamaServer, request: Recorded) -> Answer:
    listed = []
    for runner in server.scheduler.loaded():
        model = runner.model
        listed.append(
            {
                "name": model.full_name,
                "model": model.full_name,
                "size": model.size_bytes,
                "digest": model.digest,
                "details": details(model),
                "expires_at": _when(runner.expires_at),
                "size_vram": 0,
                "context_length": runner.context,
            }
        )
    return Answer(body={"models": listed})


def _when(at: float) -> str:
    if at == FOR_EVER:
        return "2319-03-05T10:00:00.123456789Z"
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at % 1 * 1e9):09d}Z"


def pull(server: OllamaServer, request: Recorded) -> Answer:
    """Fetches one of `server.pullable`; a model that is there already is done at once."""
    name = model_name(request.body)
    new = find(server.pullable, name) or find(server.models, name)

    def events() -> Iterator[Event]:
        yield {"status": "pulling manifest"}
        if new is None:
            yield {"error": "pull model manifest: file does not exist"}
            return
        if request.fault is Fault.PULL_ERROR:
            yield {"error": "max retries exceeded: unexpected EOF"}
            return
        yield from mischief.progress(new, interleaved=request.fault is Fault.PULL_INTERLEAVED)
        for status in ("verifying sha256 digest", "writing manifest", "removing any unused layers"):
            yield {"status": status}
        if find(server.models, name) is None:
            server.models.append(new)
        yield {"status": "success"}

    return _steps(request, events())


def _steps(request: Recorded, events: Iterator[Event]) -> Answer:
    """Progress line by line, or only its end; an error is a line under 200, or a 500 where nothing is streamed."""
    if request.body.get("stream", True) is not False:
        return Answer(events=events)
    last: Event = {}
    for last in events:
        if "error" in last:
            raise refusal(500, last["error"])
    return Answer(body=last)


def create(server: OllamaServer, request: Recorded) -> Answer:
    """A model made from an installed one; adapters and files need their blobs."""
    name = model_name(request.body)
    base = request.body.get("from")
    missing = [
        digest
        for key in ("files", "adapters")
        for digest in (request.body.get(key) or {}).values()
        if digest not in server.blobs
    ]

    def events() -> Iterator[Event]:
        yield {"status": "parsing GGUF"}
        if missing:
            yield {"error": f"blob {missing[0]} not found"}
            return
        if request.fault is Fault.CREATE_ERROR:
            yield {"error": "unsupported architecture"}
            return
        origin = find(server.models, base) if base else None
        if base and origin is None:
            yield {"error": "pull model manifest: file does not exist"}
            return
        made = replace(origin, name=name) if origin else Model(name)
        server.models[:] = [model for model in server.models if model.full_name != made.full_name] + [made]
        yield {"status": "writing manifest"}
        yield {"status": "success"}

    return _steps(request, events())


def delete(server: OllamaServer, request: Recorded) -> Answer:
    model = server.model(model_name(request.body))
    server.models.remove(model)
    server.scheduler.unload(model)
    return Answer(body=b"")


def copy(server: OllamaServer, request: Recorded) -> Answer:
    model = server.model(str(request.body.get("source", "")))
    server.models.append(replace(model, name=str(request.body.get("destination", ""))))
    return Answer(body=b"")


def version(server: OllamaServer, request: Recorded) -> Answer:
    return Answer(body={"version": server.version})


GET = {"/api/tags": tags, "/api/ps": ps, "/api/version": version}
POST = {
    "/api/chat": write,
    "/api/generate": write,
    "/api/embed": embed,
    "/api/embeddings": embed,
    "/api/show": show,
    "/api/pull": pull,
    "/api/create": create,
    "/api/copy": copy,
}
DELETE = {"/api/delete": delete}
