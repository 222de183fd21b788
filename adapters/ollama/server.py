"""The Ollama servers as this process knows them: their clients, what their models are and their contexts.

Everything here runs on the loop of adapters.ollama.background, so nothing needs a lock.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import ollama

from adapters.fleet import Fleet, Host, Known
from adapters.ollama import background
from adapters.ollama.failures import NotOllama, Refusal, broken
from adapters.ollama.host import Address, find
from adapters.streamed import answer_to, connection, streamed
from rag_app.outside import json_value
from rag_app.settings import Settings

Line = dict[str, Any]  # Any: JSON


class _Client(ollama.AsyncClient):
    """The official client, with our connection settings, plain JSON in and out, and lines read as NDJSON says.

    Its own line reader splits at U+0085 inside a reply and stops at an empty line (ollama 0.6.3, httpx 0.28).
    """

    def __init__(self, address: Address) -> None:
        super().__init__(address.url, **connection(address))
        if not address.key:
            self._client.headers.pop("authorization", None)  # it takes OLLAMA_API_KEY for any host

    async def fetch(self, path: str, body: Line | None = None, *, model_s: float | None = None) -> Any:  # Any: JSON
        """The JSON that the server answers to one request, waiting `model_s` seconds where a model has work to do.

        Raises Refusal, Silence of the model, httpx errors, JSONDecodeError.
        """
        return (await answer_to(self._client, path, body, model_s=model_s)).json()

    async def lines(self, path: str, body: Line, *, first_s: float, next_s: float) -> AsyncGenerator[Line, None]:
        """The JSON objects of a streamed answer, one a line, as they come.

        Waits `first_s` seconds for the first and `next_s` for each further one. Raises Refusal (also for an error
        inside the stream), Silence, BrokenReply for what is no line of JSON, httpx errors.
        """
        reading = streamed(self._client, path, body, first_s=first_s, next_s=next_s, unlike=NotOllama)
        async with reading as lines:
            while (line := await lines.next()) is not None:
                item = _parsed(line, str(body.get("model")), begun=bool(lines.told))
                if item.get("error"):
                    raise Refusal(200, line.decode("utf-8", "replace"))
                yield item
                lines.heard()
                if item.get("done"):
                    await lines.finish()
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


class Server(Host):
    """One server of this process; get it from `at`."""

    def __init__(self, address: Address) -> None:
        super().__init__(address.url)
        self.address = address
        self.client = _Client(address)
        self.known: dict[str, Any] = {}  # facts of models by name, kept by adapters.ollama.catalogue
        self.contexts: dict[str, int] = {}  # tokens asked for last, by model; see adapters.ollama.context


_known = Known(Server, close=lambda server: server.client.close())
background.at_exit(_known.close)


def at(settings: Settings) -> Fleet[Server]:
    """The servers the settings mean, one object for each address. Call it on the background loop."""
    return _known.at(find(settings))
