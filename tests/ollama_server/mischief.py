"""How each fault shows: refusals, replies gone wrong, and bytes framed or cut in unusual ways."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from enum import Enum
from itertools import islice
from typing import Any

from tests.ollama_server.errors import Refusal, busy, context_exceeded, nested, plain, refusal
from tests.ollama_server.faults import Fault
from tests.ollama_server.models import Model
from tests.ollama_server.writing import Read, tokens_in

Event = dict[str, Any]  # Any: JSON
HTML = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>nginx</body>\r\n</html>\r\n"


def _html(status: int) -> Refusal:
    return Refusal(status, HTML, "text/html")


# Refusals that any path can give, before its body is looked at.
AT_THE_DOOR: dict[Fault, Callable[[], Refusal]] = {
    Fault.NOT_FOUND_PLAIN: lambda: plain(404, "404 page not found"),
    Fault.METHOD_NOT_ALLOWED: lambda: plain(405, "405 method not allowed"),
    Fault.HTML_502: lambda: _html(502),
    Fault.HTML_200: lambda: _html(200),
    Fault.FORBIDDEN_EMPTY: lambda: Refusal(403, b"", "text/plain"),
}

_MLLAMA = (
    "llama-server process has terminated: exit status 1: error loading model: error loading model architecture:"
    " unknown model architecture: 'mllama'"
)
_ONE_IMAGE = "this model only supports one image while more than one image requested"

# Refusals of a request that was understood, by the name of the model it asks for.
_REFUSALS: dict[Fault, Callable[[str], Refusal]] = {
    Fault.MODEL_MISSING: lambda name: refusal(404, f"model '{name}' not found"),
    Fault.MODEL_MISSING_OLD: lambda name: refusal(404, f'model "{name}" not found, try pulling it first'),
    Fault.TEXT_MODEL_IMAGE: lambda name: nested(
        400, "Multimodal data provided, but model does not support multimodal requests."
    ),
    Fault.TEXT_MODEL_IMAGE_OLD: lambda name: refusal(
        500, "Failed to create new sequence: this model is missing data required for image input"
    ),
    Fault.BAD_BASE64: lambda name: refusal(400, "illegal base64 data at input byte 17"),
    Fault.DATA_URI: lambda name: refusal(400, "illegal base64 data at input byte 4"),
    Fault.UNDECODABLE_IMAGE: lambda name: nested(400, "Failed to load image or audio file"),
    Fault.ANIMATED_WEBP: lambda name: refusal(500, "decode WebP image: webp: invalid format"),
    Fault.ONE_IMAGE_ONLY: lambda name: refusal(500, "vision model only supports a single image per message"),
    Fault.ONE_IMAGE_ONLY_NEWER: lambda name: refusal(500, _ONE_IMAGE),
    Fault.MLLAMA: lambda name: refusal(500, _MLLAMA),
    Fault.CONTEXT_EXCEEDED: lambda name: context_exceeded(30015, 512),
    Fault.BUSY: lambda name: busy(),
    Fault.RUNNER_KILLED: lambda name: refusal(500, "llama-server process has terminated: signal: killed"),
    Fault.RUNNER_STOPPED: lambda name: refusal(
        500,
        "model runner has unexpectedly stopped, this may be due to resource limitations or an internal error, check"
        " ollama server logs for details",
    ),
    Fault.WEIGHTS_DAMAGED: lambda name: refusal(
        500, 'tensor "blk.0.attn_q.weight" offset+size 5242880 exceeds file size 4194304'
    ),
    Fault.REPEAT_LIMIT: lambda name: refusal(500, "prediction aborted, token repeat limit reached"),
    Fault.UNAUTHORIZED: lambda name: Refusal(
        401, {"error": "unauthorized", "signin_url": "https://ollama.com/connect?name=host&key=c3NoLWVk"}
    ),
    Fault.CLOUD_DISABLED: lambda name: refusal(403, "ollama cloud is disabled: remote inference is unavailable"),
    Fault.TOO_MANY_REQUESTS: lambda name: refusal(429, "you've reached your hourly usage limit, please upgrade"),
    Fault.ERROR_IS_A_LIST: lambda name: Refusal(500, ["something", "went wrong"]),
    Fault.EMBED_NOT_SUPPORTED: lambda name: refusal(
        501, "This server does not support embeddings. Start it with `--embeddings`"
    ),
}


CRAMPED = 48  # tokens of context that a model really has which cuts prompts without a word; /api/ps says so


def refuse(fault: Fault | None, name: str) -> None:
    """Raise the Refusal that `fault` is, if it is one."""
    if fault in _REFUSALS:
        raise _REFUSALS[fault](name)


def twisted(fault: Fault | None, text: str, prompt: Read) -> tuple[str, Read]:
    """What the model says, and says it read, under `fault`."""
    if fault is Fault.TRUNCATED_PROMPT:
        return text, replace(prompt, tokens=min(CRAMPED // 2, 1 + tokens_in(prompt.text) // 4), cut=True)
    if fault is Fault.LENGTH:
        return text[: max(1, len(text) // 2)], prompt
    if fault is Fault.NOT_JSON:
        return "Sure! Here is a description of the picture you sent.", prompt
    if fault is Fault.WRONG_SHAPE:
        return json.dumps({"caption": "a picture", "boxes": [1, 2, 3]}), prompt
    if fault in (Fault.EMPTY_REPLY, Fault.LOAD_ONLY, Fault.UNLOAD_ONLY):
        return "", prompt
    return text, prompt


def events(fault: Fault | None, spoken: Iterator[Event]) -> Iterator[Event]:
    """The events of a reply under `fault`."""
    if fault is Fault.NO_DONE:
        yield from (event for event in spoken if not event["done"])
    elif fault is Fault.ERROR_LINE:
        yield from (event for event in islice(spoken, 3) if not event["done"])
        yield {"error": "an error was encountered while running the model: unexpected EOF"}
    elif fault in (Fault.LOAD_ONLY, Fault.UNLOAD_ONLY):
        reason = "load" if fault is Fault.LOAD_ONLY else "unload"
        for event in spoken:
            kept = {key: value for key, value in event.items() if not key.endswith(("_count", "_duration"))}
            yield {**kept, "done_reason": reason}
    else:
        yield from spoken


class Act(Enum):
    """What the server does between two segments."""

    BREATHE = "let the segment before go out on its own"
    STALL = "say nothing more until the client leaves"
    CUT = "end the connection inside a chunk"
    RESET = "reset the connection inside a chunk"


Step = bytes | Act


def segments(fault: Fault | None, lines: Iterable[bytes]) -> Iterator[Step]:
    """The lines of a stream as TCP segments, with what happens between them."""
    if fault is Fault.BLANK_LINES:
        for line in lines:
            yield b"\n" + line + b"\r\n\n"
    elif fault is Fault.COALESCED:
        yield b"".join(lines)
    elif fault is Fault.SPLIT_OBJECT:
        for line in lines:
            third = max(1, len(line) // 3)
            for start in range(0, len(line), third):
                yield line[start : start + third]
                yield Act.BREATHE
    elif fault is Fault.SPLIT_UTF8:
        for line in lines:
            for piece in _inside_characters(line):
                yield piece
                yield Act.BREATHE
    elif fault is Fault.STALL:
        yield from islice(lines, 2)
        yield Act.STALL
    elif fault in (Fault.CUT, Fault.RESET):
        whole = list(lines)
        yield from whole[: len(whole) // 2]
        yield Act.CUT if fault is Fault.CUT else Act.RESET
    elif fault is Fault.HALF_LINE:
        whole = list(lines)
        middle = len(whole) // 2
        yield from whole[:middle]
        yield whole[middle][: len(whole[middle]) // 2]
    else:
        yield from lines


def _inside_characters(line: bytes) -> Iterator[bytes]:
    """The line cut after the first byte of every character of several bytes."""
    start = 0
    for i, byte in enumerate(line):
        if byte >= 0xC0:
            yield line[start : i + 1]
            start = i + 1
    yield line[start:]


def progress(model: Model, *, interleaved: bool) -> Iterator[Event]:
    """The progress of fetching a model's two layers, one after the other or in turns."""
    layers = []
    for part, size in (("weights", model.size_bytes), ("template", 1_000)):
        digest = "sha256:" + hashlib.sha256(f"{model.full_name} {part}".encode()).hexdigest()
        known = {"status": f"pulling {digest[7:19]}", "digest": digest, "total": size}
        counts = [{**known, "completed": size * quarter // 4} for quarter in range(1, 5)]
        layers.append([known, *counts])
    if interleaved:
        for pair in zip(*layers, strict=True):
            yield from pair
    else:
        for layer in layers:
            yield from layer
