"""What the contract tests share: the words of an error, what is loaded, the lines of a stream."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.contract.conftest import Target

LONG = "one two three four five six seven eight nine ten " * 2000


def error_of(reply: httpx.Response) -> str:
    """The error of a JSON error body; the runner's, which is JSON in a string, is unwrapped."""
    error = reply.json()["error"]
    assert isinstance(error, str)
    try:
        inner = json.loads(error)
    except ValueError:
        return error
    return inner["error"]["message"]


def needs(server: Target, *version: int) -> None:
    if server.version < version:
        pytest.skip(f"{server.url} is {server.version}; this is so since {version}")


def loaded(server: Target) -> dict[str, dict[str, Any]]:
    return {model["name"]: model for model in server.http.get("/api/ps").json()["models"]}


def full(name: str) -> str:
    return name if ":" in name else f"{name}:latest"


def lines_of(server: Target, content: str = "Say something.", **more: Any) -> list[dict[str, Any]]:
    body = {"model": server.text, "messages": [{"role": "user", "content": content}], "options": {"num_predict": 8}}
    with server.http.stream("POST", "/api/chat", json={**body, **more}) as reply:
        assert reply.status_code == 200
        assert reply.headers["content-type"].startswith("application/x-ndjson")
        return [json.loads(line) for line in reply.iter_lines()]
