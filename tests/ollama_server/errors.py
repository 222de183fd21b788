"""Refusals in the exact words of Ollama."""

from __future__ import annotations

import json
from typing import Any


class Refusal(Exception):
    """A reply with an error: its status and body, JSON when a mapping or list, else text of `content_type`."""

    def __init__(self, status: int, body: Any, content_type: str = "application/json; charset=utf-8") -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.content_type = content_type
        self.body = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()


def refusal(status: int, error: str) -> Refusal:
    return Refusal(status, {"error": error})


def plain(status: int, text: str) -> Refusal:
    return Refusal(status, text.encode(), "text/plain")


def nested(status: int, message: str, kind: str = "invalid_request_error", **more: Any) -> Refusal:
    """An error of the runner (0.30 and later): the value of `error` is itself JSON in a string."""
    return refusal(status, json.dumps({"error": {"code": status, "message": message, "type": kind, **more}}))


def context_exceeded(tokens: int, context: int) -> Refusal:
    message = f"request ({tokens} tokens) exceeds the available context size ({context} tokens), try increasing it"
    return nested(400, message, "exceed_context_size_error", n_prompt_tokens=tokens, n_ctx=context)


def busy() -> Refusal:
    return refusal(503, "server busy, please try again.  maximum pending requests exceeded")
