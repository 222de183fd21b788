"""Answers of a server over HTTP, whole or as the lines of a stream, each with a limit on how long it may take.

What Ollama's protocol and OpenAI's have in common; what a line means is theirs.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

import httpx

from adapters.ollama.failures import Refusal, Silence
from adapters.ollama.host import Address

CONNECT_S = 5.0
SHORT_S = 30.0  # for questions that need no model: names, facts, version
_GRACE_S = 1.0  # after the last word, for the end of the stream, so that the connection can be used again
_MAX_LINE = 64 << 20  # bytes; a line is a few words


def connection(address: Address) -> dict[str, Any]:  # Any: httpx takes each with its own type
    """The arguments of an httpx client for the server at that address."""
    return {
        "timeout": httpx.Timeout(None, connect=CONNECT_S, write=SHORT_S * 4),
        "follow_redirects": False,
        "trust_env": not address.loopback,  # a proxy cannot reach this machine
        "verify": address.url.startswith("https:"),  # else nothing is verified; loading roots takes 0.1 s
        "auth": address.user,
        "headers": {"Authorization": f"Bearer {address.key}"} if address.key else None,
        "limits": httpx.Limits(max_connections=None, max_keepalive_connections=16, keepalive_expiry=4.0),
    }


async def answer_to(
    client: httpx.AsyncClient,
    path: str,
    body: Mapping[str, Any] | None,  # Any: JSON
    *,
    model_s: float | None,
) -> httpx.Response:
    """The answer to one request, waiting `model_s` seconds where a model has work to do.

    Raises Refusal, Silence of the model, httpx errors.
    """
    try:
        async with asyncio.timeout(model_s or SHORT_S):
            answer = await client.request("GET" if body is None else "POST", path, json=body)
    except TimeoutError as exc:
        raise (Silence(model_s, first=True) if model_s else httpx.ReadTimeout("no answer")) from exc
    if not answer.is_success:
        raise Refusal(answer.status_code, answer.text)
    return answer


class Lines:
    """The lines of a streamed answer; get them from `streamed`. `told`: how many of them were words of the reply."""

    def __init__(self, source: AsyncGenerator[bytes, None], *, until: float, first_s: float, next_s: float) -> None:
        self.told = 0
        self._source = source
        self._until, self._first_s, self._next_s = until, first_s, next_s

    async def next(self) -> bytes | None:
        """The next line without its end, None after the last. Raises Silence when no word came in time."""
        try:
            async with asyncio.timeout_at(self._until):
                return await anext(self._source, None)
        except TimeoutError as exc:
            raise Silence(self._next_s if self.told else self._first_s, first=not self.told) from exc

    def heard(self) -> None:
        """The last line was a word of the reply, and has been dealt with: from now on the next one is waited for."""
        self.told += 1
        self._until = asyncio.get_running_loop().time() + self._next_s

    async def finish(self) -> None:
        """Wait a little for the end of the stream."""
        with contextlib.suppress(TimeoutError, httpx.HTTPError):
            async with asyncio.timeout(_GRACE_S):
                await anext(self._source, None)


@contextlib.asynccontextmanager
async def streamed(
    client: httpx.AsyncClient,
    path: str,
    body: Mapping[str, Any],  # Any: JSON
    *,
    first_s: float,
    next_s: float,
    unlike: type[Exception],
) -> AsyncIterator[Lines]:
    """The lines of the answer to one request, until the context ends.

    Args:
        first_s: seconds that the first word may take; next_s: each further one.
        unlike: raised where what comes has no lines.

    Raises Refusal, Silence, httpx errors.
    """
    async with contextlib.AsyncExitStack() as open_things:
        until = asyncio.get_running_loop().time() + first_s
        try:
            async with asyncio.timeout_at(until):
                answer = await open_things.enter_async_context(client.stream("POST", path, json=body))
                if not answer.is_success:
                    raise Refusal(answer.status_code, (await answer.aread()).decode("utf-8", "replace"))
        except TimeoutError as exc:
            raise Silence(first_s, first=True) from exc
        source = await open_things.enter_async_context(contextlib.aclosing(_whole_lines(answer, unlike)))
        yield Lines(source, until=until, first_s=first_s, next_s=next_s)


async def _whole_lines(answer: httpx.Response, unlike: type[Exception]) -> AsyncGenerator[bytes, None]:
    """Lines without their end; blank ones are left out, a last one without end is given too."""
    held = bytearray()
    async for piece in answer.aiter_bytes():
        held += piece
        if b"\n" not in piece:
            if len(held) > _MAX_LINE:
                raise unlike("a line of the stream has no end")
            continue
        *whole, rest = bytes(held).split(b"\n")
        held = bytearray(rest)
        for line in whole:
            if line.strip():
                yield line
    if held.strip():
        yield bytes(held)
