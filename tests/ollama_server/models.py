"""The models a test server has, and what it records of each request."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# A scripted answer: from the request's body and its decoded images, in order.
Script = Callable[[dict[str, Any], list[bytes]], str]  # Any: JSON


@dataclass(slots=True)
class Model:
    """A model as the server offers it.

    context_length   tokens it was trained on: what num_ctx is cut to
    embedding_length numbers in its vectors
    latency_s        until its first word, on every request; piece_s between two pieces of a stream
    load_s           to load it
    replies          writes its answers; by default they depend on the picture's bytes and the prompt
    """

    name: str
    capabilities: frozenset[str] | set[str] = frozenset({"completion"})
    context_length: int = 8192
    embedding_length: int = 64
    latency_s: float = 0.0
    piece_s: float = 0.0
    load_s: float = 0.0
    replies: Script | None = None
    family: str = "llama"
    parameters: str = "1.2M"
    quantization: str = "F32"
    size_bytes: int = 5_000_000
    modified: str = "2026-08-01T10:00:00.123456789Z"

    @property
    def full_name(self) -> str:
        return with_tag(self.name)

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.full_name.encode()).hexdigest()


@dataclass(slots=True)
class Recorded:
    """One request. Times are time.monotonic() seconds.

    body    its JSON, {} for none; images the decoded pictures of all its messages, in order
    prompt  the text of all its messages
    fault   what was done to it; status the HTTP status it got, None for none
    gone    the client hung up before the end of the reply
    sent    of a stream: when each of its pieces was sent, in order
    """

    number: int
    method: str
    path: str
    headers: Mapping[str, str]
    at: float
    body: dict[str, Any] = field(default_factory=dict)  # Any: JSON
    images: list[bytes] = field(default_factory=list)
    fault: Any = None  # Any: Fault, whose module imports this one
    status: int | None = None
    done_at: float | None = None
    gone: bool = False
    sent: list[float] = field(default_factory=list)

    @property
    def model(self) -> str:
        return str(self.body.get("model", ""))

    @property
    def options(self) -> dict[str, Any]:  # Any: JSON
        return self.body.get("options") or {}

    @property
    def prompt(self) -> str:
        if self.path == "/api/generate":
            return "\n".join(filter(None, (self.body.get("system"), self.body.get("prompt"))))
        return "\n".join(message.get("content") or "" for message in self.body.get("messages") or [])


NAME = re.compile(r"^(?:[\w.-]+(?::\d+)?/)?(?:[\w-][\w.-]*/)?[\w][\w.-]*(?::[\w][\w.-]*)?$")


def with_tag(name: str) -> str:
    """The full name, lower case: "qwen2.5vl" is "qwen2.5vl:latest"."""
    name = name.lower()
    return name if ":" in name.rsplit("/", 1)[-1] else f"{name}:latest"


def is_name(name: str) -> bool:
    return bool(NAME.match(name))


def find(models: Sequence[Model], name: str) -> Model | None:
    wanted = with_tag(name)
    return next((model for model in models if model.full_name == wanted), None)
