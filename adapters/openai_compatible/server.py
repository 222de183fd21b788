"""The servers as this process knows them: requests, and replies as the events of a stream.

Everything here runs on the loop of adapters.ollama.background, so nothing needs a lock.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from typing import Any

import httpx

from adapters.fleet import Fleet, Host, Known
from adapters.ollama import background
from adapters.ollama.failures import Refusal, broken
from adapters.ollama.host import Address
from adapters.openai_compatible.host import find
from adapters.streamed import answer_to, connection, streamed
from rag_app.outside import json_value
from rag_app.settings import Settings

Event = dict[str, Any]  # Any: JSON


class NotOpenAI(Exception):
    """What came is not of a form that such a server sends."""


class Server(Host):
    """One server of this process; get it from `at`."""

    def __init__(self, address: Address) -> None:
        super().__init__(address.url)
        self.known: dict[str, Any] = {}  # facts of models by name, kept by the catalogue
        self.client = httpx.AsyncClient(base_url=address.url, **connection(address))

    async def fetch(self, path: str, body: Event | None = None, *, model_s: float | None = None) -> Event:
        """The JSON object that the server answers, waiting `model_s` seconds where a model has work to do.

        Raises Refusal, Silence of the model, NotOpenAI, httpx errors, JSONDecodeError.
        """
        answer = await answer_to(self.client, path, body, model_s=model_s)
        item = answer.json()
        if not isinstance(item, dict):
            raise NotOpenAI("no object")
        if item.get("error"):
            raise Refusal(200, answer.text)
        return item

    async def events(self, path: str, body: Event, *, first_s: float, next_s: float) -> AsyncGenerator[Event, None]:
        """The objects of a stream of server-sent events, as they come, up to its end or [DONE].

        Waits `first_s` seconds for the first and `next_s` for each further one; comments, which servers send to keep a
        connection open, are no word. Raises Refusal (also for an error inside the stream), Silence, BrokenReply for an
        event that is no JSON, NotOpenAI, httpx errors.
        """
        reading = streamed(self.client, path, body, first_s=first_s, next_s=next_s, unlike=NotOpenAI)
        async with reading as lines:
            while (line := await lines.next()) is not None:
                said = _data(line)
                if said is None:
                    continue
                if said == b"[DONE]":
                    await lines.finish()
                    return
                yield _parsed(said, str(body.get("model")))
                lines.heard()


def _data(line: bytes) -> bytes | None:
    """What a line of the stream says; None for comments and the names of events. Raises Refusal, NotOpenAI."""
    name, _, value = line.strip().partition(b":")
    if name == b"data":
        return value.strip()
    if name in {b"", b"event", b"id", b"retry"}:
        return None
    if name == b"error":  # as llama.cpp says it
        raise Refusal(200, value.decode("utf-8", "replace"))
    if line.lstrip()[:1] == b"{":  # a whole answer instead of a stream
        with contextlib.suppress(ValueError):
            if json_value(line).get("error"):
                raise Refusal(200, line.decode("utf-8", "replace"))
    raise NotOpenAI("a line of the stream is no event")


def _parsed(said: bytes, model: str) -> Event:
    try:
        item = json_value(said)
    except ValueError as exc:
        raise broken(model, "half an event came", reseed=False) from exc
    if not isinstance(item, dict):
        raise NotOpenAI("an event is no object")
    if item.get("error"):
        raise Refusal(200, said.decode("utf-8", "replace"))
    return item


_known = Known(Server, close=lambda server: server.client.aclose())
background.at_exit(_known.close)


def at(settings: Settings) -> Fleet[Server]:
    """The servers the settings mean, one object for each address. Call it on the background loop.

    Raises SettingsError where they name none.
    """
    return _known.at(find(settings))
