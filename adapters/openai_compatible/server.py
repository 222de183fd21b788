"""The servers as this process knows them: requests, and replies as the events of a stream.

Everything here runs on the loop of adapters.ollama.background, so nothing needs a lock.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

import httpx

from adapters.fleet import Fleet, Host
from adapters.ollama import background
from adapters.ollama.failures import Refusal, Silence, broken
from adapters.ollama.host import Address
from adapters.ollama.server import CONNECT_S, SHORT_S, whole_lines
from adapters.openai_compatible.host import find
from rag_app.outside import json_value
from rag_app.settings import Settings

_GRACE_S = 1.0  # after the last event, for the end of the stream, so that the connection can be used again

Event = dict[str, Any]  # Any: JSON


class NotOpenAI(Exception):
    """What came is not of a form that such a server sends."""


class Server(Host):
    """One server of this process; get it from `at`."""

    def __init__(self, address: Address) -> None:
        super().__init__(address.url)
        self.known: dict[str, Any] = {}  # facts of models by name, kept by the catalogue
        self.client = httpx.AsyncClient(
            base_url=address.url,
            timeout=httpx.Timeout(None, connect=CONNECT_S, write=SHORT_S * 4),
            follow_redirects=False,
            trust_env=not address.loopback,  # a proxy cannot reach this machine
            verify=address.url.startswith("https:"),  # else nothing is verified; loading roots takes 0.1 s
            auth=address.user,
            headers={"Authorization": f"Bearer {address.key}"} if address.key else None,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=16, keepalive_expiry=4.0),
        )

    async def fetch(self, path: str, body: Event | None = None, *, model_s: float | None = None) -> Event:
        """The JSON object that the server answers, waiting `model_s` seconds where a model has work to do.

        Raises Refusal, Silence of the model, NotOpenAI, httpx errors, JSONDecodeError.
        """
        try:
            async with asyncio.timeout(model_s or SHORT_S):
                answer = await self.client.request("GET" if body is None else "POST", path, json=body)
        except TimeoutError as exc:
            raise (Silence(model_s, first=True) if model_s else httpx.ReadTimeout("no answer")) from exc
        if not answer.is_success:
            raise Refusal(answer.status_code, answer.text)
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
        async with contextlib.AsyncExitStack() as open_things:
            until = asyncio.get_running_loop().time() + first_s
            try:
                async with asyncio.timeout_at(until):
                    answer = await open_things.enter_async_context(self.client.stream("POST", path, json=body))
                    if not answer.is_success:
                        raise Refusal(answer.status_code, (await answer.aread()).decode("utf-8", "replace"))
            except TimeoutError as exc:
                raise Silence(first_s, first=True) from exc
            source = await open_things.enter_async_context(contextlib.aclosing(whole_lines(answer)))
            count = 0
            while True:
                try:
                    async with asyncio.timeout_at(until):
                        line = await anext(source)
                except StopAsyncIteration:
                    return
                except TimeoutError as exc:
                    raise Silence(next_s if count else first_s, first=not count) from exc
                said = _data(line)
                if said is None:
                    continue
                if said == b"[DONE]":
                    with contextlib.suppress(TimeoutError, StopAsyncIteration, httpx.HTTPError):
                        async with asyncio.timeout(_GRACE_S):
                            await anext(source)
                    return
                yield _parsed(said, str(body.get("model")))
                count += 1
                until = asyncio.get_running_loop().time() + next_s


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


_servers: dict[tuple[int, Address], Server] = {}
_fleets: dict[tuple[int, tuple[Address, ...]], Fleet[Server]] = {}


def at(settings: Settings) -> Fleet[Server]:
    """The servers the settings mean, one object for each address. Call it on the background loop.

    Raises SettingsError where they name none.
    """
    loop, addresses = id(asyncio.get_running_loop()), find(settings)
    if (loop, addresses) not in _fleets:
        for address in addresses:
            if (loop, address) not in _servers:
                _servers[loop, address] = Server(address)
        _fleets[loop, addresses] = Fleet([_servers[loop, address] for address in addresses])
    return _fleets[loop, addresses]


async def _close_all() -> None:
    for server in list(_servers.values()):
        await server.client.aclose()
    _servers.clear()
    _fleets.clear()


background.at_exit(_close_all)
