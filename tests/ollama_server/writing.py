"""What the models of the test server say, and how Ollama puts it: pieces of text, counts, durations."""

from __future__ import annotations

import hashlib
import io
import json
import re
import time
from dataclasses import dataclass
from typing import Any

from PIL import Image

from tests.ollama_server.errors import context_exceeded, nested
from tests.ollama_server.models import Model
from tests.ollama_server.reading import look_at
from tests.ollama_server.schema import BadSchema, value_for

PATCH = 28  # pixels a side that one image token stands for, as in Qwen-VL
TEMPLATE_TOKENS = 6  # around each message
_PIECE = re.compile(r"\s*\S{1,6}|\s+")


@dataclass(slots=True)
class Read:
    """A prompt as the model reads it. text: after any cut; tokens: evaluated, images included."""

    text: str
    images: list[bytes]
    tokens: int
    cut: bool = False


def tokens_in(text: str) -> int:
    """About four bytes a token."""
    return -(-len(text.encode()) // 4)


def image_tokens(image: bytes) -> int:
    width, height = look_at(image)
    return -(-width // PATCH) * -(-height // PATCH)


def read_prompt(
    messages: list[tuple[str, str, list[bytes]]], context: int, *, truncate: bool = True, shift: bool = True
) -> Read:
    """Messages (role, text, images) put into `context` tokens.

    Text that does not fit is cut without a word, oldest turns first, system and last message kept; with an image, or
    when told not to cut, it is refused.
    """
    sizes = [TEMPLATE_TOKENS + tokens_in(text) + sum(map(image_tokens, images)) for _, text, images in messages]
    total = sum(sizes)
    images = [image for _, _, held in messages for image in held]
    if total > context:
        if images or not truncate:
            raise context_exceeded(total, context)
        if not shift:
            raise nested(400, "the prompt is longer than the context length currently available to the model")
        kept = list(zip(messages, sizes, strict=True))
        while sum(size for _, size in kept) > context:
            oldest = next((i for i, ((role, _, _), _) in enumerate(kept[:-1]) if role != "system"), None)
            if oldest is None:
                half = context // 2 + 3
                return Read(kept[-1][0][1][-4 * half :], [], half, cut=True)
            del kept[oldest]
        return Read("\n".join(text for (_, text, _), _ in kept), [], sum(size for _, size in kept), cut=True)
    return Read("\n".join(text for _, text, _ in messages), images, total)


def reply_text(
    model: Model, body: dict[str, Any], prompt: Read, wanted: str | dict[str, Any] | None
) -> str:  # Any: JSON
    """The model's whole reply; with a format, JSON of that shape."""
    if model.replies is not None:
        return model.replies(body, prompt.images)
    options = body.get("options") or {}
    heat = f"/{options.get('seed', 0)}" if options.get("temperature") else ""
    said = " ".join(prompt.text.split())
    seen = [_look(i, image) for i, image in enumerate(prompt.images, 1)]
    seed = hashlib.sha256("\n".join([model.full_name, said, *seen, heat]).encode()).hexdigest()[:8]
    if isinstance(wanted, dict):
        try:
            return json.dumps(value_for(wanted, seed), ensure_ascii=False)
        except BadSchema as exc:
            raise nested(400, f"failed to parse grammar: {exc}") from exc
    if wanted == "json":
        return json.dumps({"model": model.name, "images": seen, "seed": seed}, ensure_ascii=False)
    return " ".join([f"{model.name} {seed}.", *seen, f"Asked: {said[-160:]}"])


def _look(number: int, image: bytes) -> str:
    with Image.open(io.BytesIO(image)) as opened:
        red, green, blue = opened.convert("RGB").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))  # type: ignore[misc]  # RGB has three
        size = f"{opened.width}x{opened.height}"
    digest = hashlib.sha256(image).hexdigest()[:8]
    return f"Image {number}: {size} pixels, mean colour #{red:02x}{green:02x}{blue:02x}, bytes {digest}."


def pieces_of(text: str) -> list[str]:
    """The text in the pieces a stream brings, a token each."""
    return _PIECE.findall(text)


def timestamp() -> str:
    """Now, as Go prints it: 7 to 9 digits of a second, zeros at the end left out."""
    now = time.time_ns()
    digits = f"{now % 1_000_000_000:09d}"
    kept = digits.rstrip("0").ljust(7, "0")
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 1_000_000_000)) + f".{kept}Z"


def line(event: Any) -> bytes:  # Any: JSON
    """One line of a stream, as Go's encoder writes it: raw UTF-8, with <, > and & escaped."""
    text = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text.encode() + b"\n"
