"""/api/chat and /api/generate: a prompt in, events out, streamed or joined."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

from tests.ollama_server import mischief
from tests.ollama_server.answer import Answer, Event, nanoseconds
from tests.ollama_server.errors import nested, refusal
from tests.ollama_server.faults import Fault
from tests.ollama_server.models import Model, Recorded
from tests.ollama_server.reading import format_of, images_of, keep_alive_s, messages_of, model_name, options_of
from tests.ollama_server.writing import Read, pieces_of, read_prompt, reply_text, timestamp

if TYPE_CHECKING:
    from tests.ollama_server.server import OllamaServer


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
        given = mischief.CRAMPED if fault is Fault.TRUNCATED_PROMPT else context
        load_s = held.enter_context(server.scheduler.slot(model, given, keep))
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
        "total_duration": nanoseconds(now - started),
        "load_duration": nanoseconds(load_s),
        "prompt_eval_count": prompt.tokens,
        "prompt_eval_duration": nanoseconds(max(1e-6, first - started - load_s)),
        "eval_count": len(pieces) + len(pieces_of(thought)),
        "eval_duration": nanoseconds(max(1e-6, now - first)),
    }


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
