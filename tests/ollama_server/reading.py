"""What the server takes: requests checked as strictly as Ollama does, and more strictly for keys it would ignore."""

from __future__ import annotations

import base64
import binascii
import contextlib
import io
import json
import re
import warnings
from typing import Any

from PIL import Image, UnidentifiedImageError

from tests.ollama_server.errors import Refusal, nested, refusal
from tests.ollama_server.models import is_name

# Ollama ignores unknown keys; a key it ignores is a mistake of the client, which a test should see.
KEYS: dict[str, set[str]] = {
    "/api/chat": set(
        "model messages stream format options keep_alive tools think truncate shift logprobs top_logprobs".split()
    ),
    "/api/generate": set(
        "model prompt suffix images system template context stream raw format options keep_alive think truncate shift"
        " logprobs top_logprobs".split()
    ),
    "/api/embed": set("model input truncate options keep_alive dimensions".split()),
    "/api/embeddings": set("model prompt options keep_alive".split()),
    "/api/show": {"model", "name", "verbose", "system", "template", "options"},
    "/api/pull": {"model", "name", "insecure", "stream"},
    "/api/delete": {"model", "name"},
    "/api/copy": {"source", "destination"},
    "/api/create": set(
        "model name from files adapters template license system parameters messages renderer parser stream"
        " quantize".split()
    ),
}
MESSAGE_KEYS = {"role", "content", "thinking", "images", "tool_calls", "tool_name", "tool_call_id"}
_INT = "num_ctx num_predict num_keep seed top_k repeat_last_n num_batch num_gpu main_gpu num_thread".split()
_FLOAT = "temperature top_p min_p typical_p repeat_penalty presence_penalty frequency_penalty".split()
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
FOR_EVER = float("inf")
MAX_PIXELS = 200_000_000


def body_of(path: str, raw: bytes) -> dict[str, Any]:  # Any: JSON
    """The JSON object of a request; Refusal in Go's words where there is none."""
    if not raw.strip():
        raise refusal(400, "missing request body")
    try:
        body = json.loads(raw)
    except ValueError:
        first = raw.lstrip()[:1].decode("latin-1")
        raise refusal(400, f"invalid character '{first}' looking for beginning of value") from None
    if not isinstance(body, dict):
        kind = "array" if isinstance(body, list) else type(body).__name__
        raise refusal(400, f"json: cannot unmarshal {kind} into Go value of type api.ChatRequest")
    unknown = set(body) - KEYS.get(path, set(body))
    if unknown:
        raise refusal(400, f"test server: unknown keys {sorted(unknown)} in a request to {path}")
    return body


def model_name(body: dict[str, Any]) -> str:  # Any: JSON
    name = body.get("model", body.get("name"))
    if name is None or name == "":
        raise refusal(400, "model is required")
    if not isinstance(name, str):
        raise _unmarshal(name, "model", "string")
    if not is_name(name):
        raise refusal(400, "invalid model name")
    return name


def options_of(body: dict[str, Any]) -> dict[str, Any]:  # Any: JSON
    """The options that are set; unknown ones are ignored, wrong types are a 500."""
    options = body.get("options")
    if options is None:
        return {}
    if not isinstance(options, dict):
        raise _unmarshal(options, "options", "map[string]interface {}")
    for key, value in options.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is None:
            continue
        if key in _INT and not number:
            raise refusal(500, f'option "{key}" must be of type integer')
        if key in _FLOAT and not number:
            raise refusal(500, f'option "{key}" must be of type float32')
        if key == "stop" and not isinstance(value, list):
            raise refusal(500, f'option "{key}" must be of type array')
    return {key: value for key, value in options.items() if value is not None}


def keep_alive_s(value: Any) -> float | None:  # Any: JSON
    """Seconds a model stays loaded, `FOR_EVER` for negative ones; None where the request does not say."""
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str):
        seconds = _duration(value)
    else:
        raise refusal(400, f"invalid duration type {type(value).__name__}")
    return FOR_EVER if seconds < 0 else seconds


def _duration(text: str) -> float:
    """Go's time.ParseDuration."""
    rest = text.lstrip("+-") if text[:1] in "+-" else text
    if rest == "0":
        return 0.0
    if not rest or rest[0] not in "0123456789.":
        raise refusal(400, f'time: invalid duration "{text}"')
    seconds = 0.0
    while rest:
        match = _DURATION.match(rest)
        if not match:
            what = "missing unit in" if re.fullmatch(r"[\d.]+", rest) else "invalid"
            raise refusal(400, f'time: {what} duration "{text}"')
        seconds += float(match[1]) * _UNITS[match[2]]
        rest = rest[match.end() :]
    return -seconds if text.startswith("-") else seconds


def messages_of(body: dict[str, Any]) -> list[dict[str, Any]]:  # Any: JSON
    messages = body.get("messages") or []
    if not isinstance(messages, list):
        raise _unmarshal(messages, "messages", "[]api.Message")
    for message in messages:
        if not isinstance(message, dict):
            raise _unmarshal(message, "messages", "api.Message")
        if not isinstance(message.get("content", ""), str | None):
            raise _unmarshal(message["content"], "messages.content", "string")
        if message.get("role") not in ("system", "user", "assistant", "tool"):
            raise refusal(400, f"invalid role: {message.get('role')!s}, must be one of [system, user, assistant, tool]")
        unknown = set(message) - MESSAGE_KEYS
        if unknown:
            raise refusal(400, f"test server: unknown keys {sorted(unknown)} in a message")
    return messages


def images_of(holder: dict[str, Any]) -> list[bytes]:  # Any: JSON
    """The decoded images of a message or a generate request, not yet looked at."""
    images = holder.get("images") or []
    if not isinstance(images, list) or not all(isinstance(image, str) for image in images):
        raise _unmarshal(images, "images", "[]api.ImageData")
    return [_base64(image) for image in images]


def _base64(text: str) -> bytes:
    """Standard, padded base64 as Go decodes it: line breaks are skipped, anything else names its byte."""
    kept = "".join(char for char in text if char not in "\r\n")
    wrong = next((i for i, char in enumerate(text) if not re.match(r"[A-Za-z0-9+/=\r\n]", char)), None)
    if wrong is None:
        try:
            return base64.b64decode(kept, validate=True)
        except binascii.Error:
            pad = text.find("=")
            wrong = pad if pad >= 0 and kept.rstrip("=").find("=") >= 0 else len(text) - (len(kept) % 4)
    raise refusal(400, f"illegal base64 data at input byte {wrong}")


def pictures_in(body: dict[str, Any]) -> list[bytes]:  # Any: JSON
    """The images of all messages of a request, as far as they decode; for the record, before anything is refused."""
    found: list[bytes] = []
    messages = body.get("messages")
    for holder in (body, *(messages if isinstance(messages, list) else ())):
        with contextlib.suppress(Refusal):
            found += images_of(holder) if isinstance(holder, dict) else []
    return found


def look_at(image: bytes) -> tuple[int, int]:
    """Width and height in pixels of an image that Ollama can read; Refusal of any other."""
    unreadable = nested(400, "Failed to load image or audio file")
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(image)) as opened:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            if opened.format == "WEBP" and getattr(opened, "n_frames", 1) > 1:
                raise refusal(500, "decode WebP image: webp: invalid format")
            if opened.format not in ("PNG", "JPEG", "GIF", "BMP", "WEBP", "PPM", "TGA", "PSD"):
                raise unreadable
            if opened.width * opened.height > MAX_PIXELS:
                raise unreadable
            opened.load()
            return opened.size
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError):
        raise unreadable from None


def format_of(body: dict[str, Any]) -> str | dict[str, Any] | None:  # Any: JSON Schema
    """None, "json" or a JSON Schema."""
    wanted = body.get("format")
    if wanted is None or wanted in ("", "json"):
        return wanted or None
    if isinstance(wanted, dict):
        return wanted
    shown = json.dumps(wanted)
    raise refusal(500, f'invalid format: {shown}; expected "json" or a valid JSON Schema object')


def _unmarshal(value: Any, field: str, wanted: str) -> Refusal:
    kinds = {str: "string", bool: "bool", list: "array", dict: "object", int: "number", float: "number"}
    kind = kinds.get(type(value), "null")
    return refusal(400, f"json: cannot unmarshal {kind} into Go struct field ChatRequest.{field} of type {wanted}")
