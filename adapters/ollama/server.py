"""The Ollama servers as this process knows them: their clients, what their models are and their contexts.

Everything here runs on the loop of adapters.ollama.background, so nothing needs a lock.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import ollama

from adapters.fleet import Fleet, Host
from adapters.ollama import background
from adapters.ollama.failures import NotOllama, Refusal, Silence, broken
from adapters.ollama.host import Address, find
from rag_app.outside import json_value
from rag_app.settings import Settings

CONNECT_S = 5.0
SHORT_S = 30.0  # for questions that need no model: names, facts, version
_GRACE_S = 1.0  # after the last line, for the end of the stream, so that the connection can be used again
_MAX_LINE = 64 << 20  # bytes; a line is a few words

Line = dict[str, Any]  # Any: JSON


class _Client(ollama.AsyncClient):
    """The official client, with our connection settings, plain JSON in and out, and lines read as NDJSON says.

    Its own line reader splits at U+0085 inside a reply and stops at an empty line (ollama 0.6.3, httpx 0.28).
    """

    def __init__(self, address: Address) -> None:
        super().__init__(
            address.url,
            timeout=httpx.Timeout(None, connect=CONNECT_S, write=SHORT_S * 4),
            follow_redirects=False,
            trust_env=not address.loopback,  # a proxy cannot reach this machine
            verify=address.url.startswith("https:"),  # else nothing is verified; loading roots takes 0.1 s
            auth=address.user,
            headers={"Authorization": f"Bearer {address.key}"} if address.key else None,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=16, keepalive_expiry=4.0),
        )
        if not address.key:
            self._client.headers.pop("authorization", None)  # it takes OLLAMA_API_KEY for any host

    async def fetch(self, path: str, body: Line | None = None, *, model_s: float | None = None) -> Any:  # Any: JSON
        """The JSON that the server answers to one request, waiting `model_s` seconds where a model has work to do.

        Raises Refusal, Silence of the model, httpx errors, JSONDecodeError.
        """
        try:
            async with asyncio.timeout(model_s or SHORT_S):
                answer = await self._client.request("GET" if body is None else "POST", path, json=body)
        except TimeoutError as exc:
            raise (Silence(model_s, first=True) if model_s else httpx.ReadTimeout("no answer")) from exc
        if not answer.is_success:
            raise Refusal(answer.status_code, answer.text)
        return answer.json()

    async def lines(self, path: str, body: Line, *, first_s: float, next_s: float) -> AsyncGenerator[Line, None]:
        """The JSON objects of a streamed answer, one a line, as they come.

        Waits `first_s` seconds for the first and `next_s` for each further one. Raises Refusal (also for an error
        inside the stream), Silence, BrokenReply for what is no line of JSON, httpx errors.
        """
        async with contextlib.AsyncExitStack() as open_things:
            until = asyncio.get_running_loop().time() + first_s
            try:
                async with asyncio.timeout_at(until):
                    answer = await open_things.enter_async_context(self._client.stream("POST", path, json=body))
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
                item = _parsed(line, str(body.get("model")), begun=bool(count))
                if item.get("error"):
                    raise Refusal(200, line.decode("utf-8", "replace"))
                count += 1
                yield item
                until = asyncio.get_running_loop().time() + next_s
                if item.get("done"):
                    with contextlib.suppress(TimeoutError, StopAsyncIteration, httpx.HTTPError):
                        async with asyncio.timeout(_GRACE_S):
                            await anext(source)
                    return


def _parsed(line: bytes, model: str, *, begun: bool) -> Line:
    try:
        item = json_value(line)
    except ValueError as exc:
        if begun or line.lstrip()[:1] == b"{":
            raise broken(model, "half a line came", reseed=False) from exc
        raise  # HTML or the like: not Ollama
    if not isinstance(item, dict):
        raise NotOllama("a line of the stream is no object")
    return item


async def whole_lines(answer: httpx.Response) -> AsyncGenerator[bytes, None]:
    """Lines without their end; blank ones are left out, a last one without end is given too."""
    held = bytearray()
    async for piece in answer.aiter_bytes():
        held += piece
        if b"\n" not in piece:
            if len(held) > _MAX_LINE:
                raise NotOllama("a line of the stream has no end")
            continue
        *whole, rest = bytes(held).split(b"\n")
        held = bytearray(rest)
        for line in whole:
            if line.strip():
                yield line
    if held.strip():
        yield bytes(held)


class Server(Host):
    """One server of this process; get it from `at`."""

    def __init__(self, address: Address) -> None:
        super().__init__(address.url)
        self.address = address
        self.client = _Client(address)
        self.known: dict[str, Any] = {}  # facts of models by name, kept by adapters.ollama.catalogue
        self.contexts: dict[str, int] = {}  # tokens asked for last, by model; see adapters.ollama.context


_servers: dict[tuple[int, Address], Server] = {}
_fleets: dict[tuple[int, tuple[Address, ...]], Fleet[Server]] = {}


def at(settings: Settings) -> Fleet[Server]:
    """The servers the settings mean, one object for each address. Call it on the background loop."""
    loop, addresses = id(asyncio.get_running_loop()), find(settings)
    if (loop, addresses) not in _fleets:
        for address in addresses:
            if (loop, address) not in _servers:
                _servers[loop, address] = Server(address)
        _fleets[loop, addresses] = Fleet([_servers[loop, address] for address in addresses])
    return _fleets[loop, addresses]


async def _close_all() -> None:
    for server in list(_servers.values()):
        await server.client.close()
    _servers.clear()
    _fleets.clear()


background.at_exit(_close_all)
