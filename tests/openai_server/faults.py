"""Everything that can go wrong between a client and such a server, one name each, as it shows on the wire."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from itertools import islice
from typing import Any

from tests.ollama_server.errors import Refusal
from tests.ollama_server.mischief import HTML, Act, Step

WRITING = ("/v1/chat/completions",)
EMBEDDING = ("/v1/embeddings",)
ANY = ()

Event = dict[str, Any]  # Any: JSON


class Fault(Enum):
    """A fault: what happens on the wire, and the paths it can happen on (none: all of them)."""

    # Refused before any work.
    MODEL_MISSING = "404 of vLLM: The model `x` does not exist.", (*WRITING, *EMBEDDING)
    NOT_FOUND = '404 {"detail":"Not Found"}: another path', ANY
    UNAUTHORIZED = '401 of vLLM: {"error":"Unauthorized"}', ANY
    INVALID_KEY = "401 of llama.cpp: Invalid API Key", ANY
    NO_PICTURES = "400 of vLLM: At most 0 image(s) may be provided in one request.", WRITING
    NO_PICTURES_LLAMA = "500 of llama.cpp: image input is not supported - hint: ... mmproj", WRITING
    ONE_PICTURE = "400 of vLLM: At most 1 image(s) may be provided in one request.", WRITING
    BAD_PICTURE = "400: cannot identify image file", WRITING
    TOO_LONG = "400 of vLLM: This model's maximum context length is 4096 tokens. However, you requested ...", WRITING
    TOO_LONG_LLAMA = "400 of llama.cpp: exceed_context_size_error", WRITING
    BAD_SCHEMA = "400 of llama.cpp: failed to parse grammar", WRITING
    LOADING = "503 of llama.cpp: Loading model", (*WRITING, *EMBEDDING)
    TOO_MANY = "429 Too Many Requests", (*WRITING, *EMBEDDING)
    ENGINE_DEAD = "500 of vLLM: EngineCore encountered an issue", WRITING
    OUT_OF_MEMORY = "500 CUDA out of memory", WRITING
    HTML_502 = "502 with an HTML page of a proxy", ANY
    HTML_200 = "200 with an HTML page: something else answers at this address", ANY
    NO_VECTORS = "501 of llama.cpp: This server does not support embeddings", EMBEDDING
    # A whole reply, but not what was asked for.
    LENGTH = "200 with finish_reason length and a cut reply", WRITING
    ONLY_THOUGHT = "200 with finish_reason length, all of it reasoning", WRITING
    FILTERED = "200 with finish_reason content_filter", WRITING
    ABORTED = "200 with finish_reason abort, as of vLLM", WRITING
    NOT_JSON = "200, prose although a form was sent", WRITING
    EMPTY = "200 with finish_reason stop and no text", WRITING
    PROMPT_CUT = "200, the prompt silently cut: usage.prompt_tokens far below the prompt", WRITING
    TOO_FEW_VECTORS = "200 with one vector fewer than texts", EMBEDDING
    # Unusual, and right.
    REASONING = "200 with reasoning_content before the content", WRITING
    THINK_TAGS = "200 with <think>...</think> at the beginning of the content", WRITING
    FENCED = "200, the JSON in a Markdown fence", WRITING
    NO_USAGE = "200 without usage", WRITING
    COMMENTS = "comments between the events, as servers send them to keep a connection open", WRITING
    NO_DONE_LINE = "the stream ends after finish_reason without data: [DONE]", WRITING
    SPLIT = "events and characters split over TCP segments", WRITING
    COALESCED = "several events in one TCP segment", WRITING
    SHUFFLED_VECTORS = "200 with vectors in another order, told by their index", EMBEDDING
    LATE = "the first event comes late", WRITING
    # The reply breaks off.
    NO_FINISH = "the stream ends with data: [DONE], but no finish_reason came", WRITING
    NO_FINISH_NO_DONE = "the stream ends, properly framed, without finish_reason", WRITING
    ERROR_EVENT = '200, then an event {"error": ...}, as of vLLM', WRITING
    ERROR_FIELD = "200, then a line error: {...}, as of llama.cpp", WRITING
    HALF_EVENT = "the stream ends, properly framed, in the middle of an event", WRITING
    CUT = "the connection ends in the middle of a chunk", WRITING
    RESET = "the connection is reset in the middle of a chunk", WRITING
    CLOSED = "the connection is closed without a reply", ANY
    SILENT = "the first event never comes", WRITING
    STALL = "the stream stops between two events", WRITING
    PINGS_ONLY = "the stream stops between two events, but for comments", WRITING

    def __init__(self, wording: str, paths: Sequence[str]) -> None:
        self.wording = wording
        self.paths = tuple(paths)

    def can_hit(self, path: str) -> bool:
        return path in self.paths if self.paths else path.startswith("/v1/")


def _of_vllm(status: int, message: str, kind: str = "BadRequestError") -> Refusal:
    return Refusal(status, {"error": {"message": message, "type": kind, "param": None, "code": status}})


def _of_llama(status: int, message: str, kind: str = "invalid_request_error", **more: int) -> Refusal:
    return Refusal(status, {"error": {"code": status, "message": message, "type": kind, **more}})


def no_such_model(name: str) -> Refusal:
    return _of_vllm(404, f"The model `{name}` does not exist.", "NotFoundError")


def no_pictures() -> Refusal:
    return _of_vllm(400, "At most 0 image(s) may be provided in one request.")


def too_long(context: int, prompt: int, reply: int) -> Refusal:
    return _of_vllm(
        400,
        f"This model's maximum context length is {context} tokens. However, you requested {prompt + reply} tokens "
        f"({prompt} in the messages, {reply} in the completion). Please reduce the length of the messages or "
        "completion.",
    )


_MMPROJ = "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj"
_OVER = "the request exceeds the available context size, try increasing it"

REFUSALS: dict[Fault, Callable[[str], Refusal]] = {
    Fault.MODEL_MISSING: no_such_model,
    Fault.NOT_FOUND: lambda name: Refusal(404, {"detail": "Not Found"}),
    Fault.UNAUTHORIZED: lambda name: Refusal(401, {"error": "Unauthorized"}),
    Fault.INVALID_KEY: lambda name: _of_llama(401, "Invalid API Key", "authentication_error"),
    Fault.NO_PICTURES: lambda name: no_pictures(),
    Fault.NO_PICTURES_LLAMA: lambda name: _of_llama(500, _MMPROJ, "server_error"),
    Fault.ONE_PICTURE: lambda name: _of_vllm(400, "At most 1 image(s) may be provided in one request."),
    Fault.BAD_PICTURE: lambda name: _of_vllm(400, "cannot identify image file <_io.BytesIO object at 0x7f2a>"),
    Fault.TOO_LONG: lambda name: too_long(4096, 4000, 1024),
    Fault.TOO_LONG_LLAMA: lambda name: _of_llama(
        400, _OVER, "exceed_context_size_error", n_prompt_tokens=5000, n_ctx=4096
    ),
    Fault.BAD_SCHEMA: lambda name: _of_llama(400, "failed to parse grammar"),
    Fault.LOADING: lambda name: _of_llama(503, "Loading model", "unavailable_error"),
    Fault.TOO_MANY: lambda name: Refusal(429, {"error": {"message": "Too many requests", "type": "rate_limit"}}),
    Fault.ENGINE_DEAD: lambda name: _of_vllm(
        500, "EngineCore encountered an issue. See stack trace (above) for the root cause.", "InternalServerError"
    ),
    Fault.OUT_OF_MEMORY: lambda name: _of_vllm(500, "CUDA out of memory. Tried to allocate 2.00 GiB", "InternalError"),
    Fault.HTML_502: lambda name: Refusal(502, HTML, "text/html"),
    Fault.HTML_200: lambda name: Refusal(200, HTML, "text/html"),
    Fault.NO_VECTORS: lambda name: _of_llama(
        501, "This server does not support embeddings. Start it with `--embeddings`", "not_supported_error"
    ),
}
ENDS = {Fault.LENGTH: "length", Fault.ONLY_THOUGHT: "length", Fault.FILTERED: "content_filter", Fault.ABORTED: "abort"}
ERROR = {"error": {"message": "the engine died", "type": "InternalServerError", "code": 500}}
PING = b": ping\n\n"


def twisted(fault: Fault | None, text: str) -> str:
    """What the model says under `fault`."""
    if fault is Fault.LENGTH:
        return text[: max(1, len(text) // 2)]
    if fault is Fault.NOT_JSON:
        return "Sure! Here is what you asked for."
    if fault in (Fault.EMPTY, Fault.ONLY_THOUGHT):
        return ""
    if fault is Fault.THINK_TAGS:
        return f"<think>\nLet me look at it.\n</think>\n\n{text}"
    return f"```json\n{text}\n```" if fault is Fault.FENCED else text


def segments(fault: Fault | None, events: Iterable[Event]) -> Iterator[Step]:
    """The events of a stream as TCP segments, with what happens between them. The first three make a reply begin."""
    whole = [b"data: " + json.dumps(event, ensure_ascii=False).encode() + b"\n\n" for event in events]
    done = b"data: [DONE]\n\n"
    if fault in (Fault.NO_FINISH, Fault.NO_FINISH_NO_DONE):
        kept = [line for line in whole if b'"finish_reason": null' in line]
        yield from [*kept, done] if fault is Fault.NO_FINISH else kept
    elif fault in (Fault.ERROR_EVENT, Fault.ERROR_FIELD):
        yield from islice(whole, 3)
        name = b"data: " if fault is Fault.ERROR_EVENT else b"error: "
        yield name + json.dumps(ERROR if fault is Fault.ERROR_EVENT else ERROR["error"]).encode() + b"\n\n" + done
    elif fault is Fault.HALF_EVENT:
        yield from islice(whole, 3)
        yield whole[3][: len(whole[3]) // 2]
    elif fault in (Fault.CUT, Fault.RESET):
        yield from islice(whole, 3)
        yield Act.CUT if fault is Fault.CUT else Act.RESET
    elif fault is Fault.STALL:
        yield from islice(whole, 3)
        yield Act.STALL
    elif fault is Fault.PINGS_ONLY:
        yield from islice(whole, 3)
        for _ in range(200):
            yield PING
            yield Act.BREATHE
        yield Act.STALL
    elif fault is Fault.COMMENTS:
        for line in whole:
            yield PING + b"event: message\r\n" + line.replace(b"\n", b"\r\n")
        yield done
    elif fault is Fault.COALESCED:
        yield b"".join([*whole, done])
    elif fault is Fault.SPLIT:
        for line in [*whole, done]:
            for start in range(0, len(line), 23):
                yield line[start : start + 23]
                yield Act.BREATHE
    elif fault is Fault.NO_DONE_LINE:
        yield from whole
    else:
        yield from [*whole, done]
