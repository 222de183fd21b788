"""Models behind two servers, one four times slower: who gets the requests, and what the choice costs.

    python -m benchmarks.model_routing [--requests 120] [--seconds 0.05] [--no-litellm]

The servers are protocol servers in processes of their own, each working on one request at a time. Ideal is the time in
which both are never idle: requests / (1/fast + 1/slow). Beside it, in the same run: litellm's Router with its strategy
"least-busy" (pip install '.[scale]'), and what it makes of replies that break off.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from importlib import metadata
from pathlib import Path

from adapters.ollama.language import OllamaModel
from adapters.openai_compatible.language import OpenAIModel
from rag_app.settings import Ollama, OpenAI, Settings

ROOT = Path(__file__).parent.parent
NAME = "lab/tiny-text"
LITELLM = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}  # else importing it asks GitHub for prices
REPLY = "ok " * 12
Ask = Callable[[str], Awaitable[str]]


# --- the servers, in processes of their own ---------------------------------------------------------------------------


def serve(kind: str, latency_s: float, fault: str) -> None:
    """Run one server; its URL on stdout. At each line of stdin: how many requests for text it has had since."""
    from tests.ollama_server import Model, OllamaServer
    from tests.openai_server import Fault, OpenAIServer

    model = Model(NAME if kind == "openai" else "tiny", latency_s=latency_s, replies=lambda body, images: REPLY)
    with OpenAIServer([model], parallel=1) if kind == "openai" else OllamaServer([model], parallel=1) as server:
        if fault and isinstance(server, OpenAIServer):
            server.fail(Fault[fault], times=float("inf"))
        print(server.url, flush=True)
        for _ in sys.stdin:
            print(len(server.writing()), flush=True)
            server.requests.clear()


class Served:
    """A server process."""

    def __init__(self, kind: str, latency_s: float, fault: str = "") -> None:
        command = [sys.executable, "-m", "benchmarks.model_routing", "--serve", kind, str(latency_s), fault]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        self.url = self._said()

    def count(self) -> int:
        """Requests for text since the last time."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return int(self._said())

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def _said(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextlib.contextmanager
def serving(kind: str, *latencies_s: float, fault: str = "") -> Iterator[list[Served]]:
    servers = [Served(kind, latency_s, fault) for latency_s in latencies_s]
    try:
        yield servers
    finally:
        for server in servers:
            server.close()


# --- who asks ---------------------------------------------------------------------------------------------------------


def ours(kind: str, servers: list[Served]) -> Ask:
    urls = ", ".join(server.url for server in servers)
    if kind == "openai":
        model = OpenAIModel(NAME, settings=Settings(openai=OpenAI(hosts=urls, parallel=1, retries=0)))
    else:
        model = OllamaModel("tiny", settings=Settings(ollama=Ollama(host=urls, parallel=1, retries=0)))

    async def ask(prompt: str) -> str:
        return (await model.aask(prompt)).text

    return ask


def routed(servers: list[Served]) -> Ask:
    os.environ.update(LITELLM)
    import litellm

    known = [
        {
            "model_name": "m",
            "litellm_params": {"model": f"openai/{NAME}", "api_base": f"{one.url}/v1", "api_key": "none"},
        }
        for one in servers
    ]
    router = litellm.Router(model_list=known, routing_strategy="least-busy", num_retries=0)

    async def ask(prompt: str) -> str:
        stream = await router.acompletion(model="m", messages=[{"role": "user", "content": prompt}], stream=True)
        text, end = "", None
        async for chunk in stream:
            text += chunk.choices[0].delta.content or ""
            end = chunk.choices[0].finish_reason or end
        if end != "stop":
            raise RuntimeError(f"ended with {end!r}")
        return text

    return ask


def bare(servers: list[Served]) -> Ask:
    import httpx

    client = httpx.AsyncClient(base_url=servers[0].url)

    async def ask(prompt: str) -> str:
        body = {"model": NAME, "messages": [{"role": "user", "content": prompt}], "stream": True}
        text = ""
        async with client.stream("POST", "/v1/chat/completions", json=body) as answer:
            async for line in answer.aiter_lines():
                if line.startswith("data: {"):
                    choices = json.loads(line[6:])["choices"]
                    text += (choices[0]["delta"].get("content") or "") if choices else ""
        return text

    return ask


# --- what is measured -------------------------------------------------------------------------------------------------


async def spread(ask: Ask, servers: list[Served], *, requests: int, at_once: int, seconds: float) -> str:
    """Shares and makespan of one load, after two requests to warm up."""
    for number in range(2):
        await ask(f"warm up {number}")
    for server in servers:
        server.count()
    left = list(range(requests))

    async def worker() -> None:
        while left:
            await ask(f"question {left.pop()}")

    started = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    took = time.perf_counter() - started
    ideal = requests / (1 / seconds + 1 / (4 * seconds))
    fast, slow = (server.count() for server in servers)
    return f"{fast:4} fast {slow:4} slow   {took:6.2f} s   {took / ideal:5.2f} x ideal"


async def overhead(asks: dict[str, Ask], *, rounds: int = 7, each: int = 20) -> None:
    """Processor and clock time of one request that waits for nothing, the askers in turns; medians over rounds."""
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in asks}
    for ask in asks.values():
        for _ in range(3):
            await ask("warm up")
    for _ in range(rounds):
        for name, ask in asks.items():
            cpu, clock = time.process_time(), time.perf_counter()
            for number in range(each):
                await ask(f"question {number}")
            spent[name].append(((time.process_time() - cpu) / each, (time.perf_counter() - clock) / each))
    for name, times in spent.items():
        cpu, clock = (statistics.median(column) * 1e3 for column in zip(*times, strict=True))
        print(f"  {name:22} {cpu:6.2f} ms CPU {clock:7.2f} ms clock")


async def broken(litellm_too: bool) -> None:
    for fault in ("NO_FINISH", "NO_FINISH_NO_DONE", "HALF_EVENT", "CUT", "LENGTH"):
        with serving("openai", 0.0, fault=fault) as servers:
            told = {}
            for name, ask in {"rag-app": ours("openai", servers), **_router(litellm_too, servers)}.items():
                try:
                    told[name] = f"a whole reply: {(await ask('question'))[-12:]!r}"
                except Exception as exc:  # whatever a peer raises is what is shown
                    told[name] = type(exc).__name__
        print(f"  {fault:18} " + "   ".join(f"{name}: {what}" for name, what in told.items()))


def _router(wanted: bool, servers: list[Served]) -> dict[str, Ask]:
    return {"litellm Router": routed(servers)} if wanted else {}


def imports(module: str) -> str:
    probe = (
        f"import time; began = time.process_time(); import {module}; spent = time.process_time() - began\n"
        "held = next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM'))\n"
        "print(f'{spent:.2f} s CPU, {int(held) / 1024:.0f} MB')"
    )
    environ = {**os.environ, **LITELLM}
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=ROOT, env=environ
    )
    return done.stdout.strip()


async def main(requests: int, seconds: float, litellm_too: bool) -> None:
    versions = f"litellm {metadata.version('litellm')}" if litellm_too else "without litellm"
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {versions}\n")
    print(
        f"Two servers, {seconds:g} s and {4 * seconds:g} s a request, {requests} requests; ideal 80 % to the fast one"
    )
    for kind in ("openai", "ollama"):
        with serving(kind, seconds, 4 * seconds) as servers:
            for at_once in (2, 4, 8):
                told = await spread(ours(kind, servers), servers, requests=requests, at_once=at_once, seconds=seconds)
                print(f"  rag-app, {kind:6} {at_once} at once       {told}")
    if litellm_too:
        with serving("openai", seconds, 4 * seconds) as servers:
            for at_once in (2, 4, 8):
                told = await spread(routed(servers), servers, requests=requests, at_once=at_once, seconds=seconds)
                print(f"  litellm Router  {at_once} at once       {told}")
    print("\nOne request, no wait at the server (20 in a row, median of 7 rounds in turns)")
    with serving("openai", 0.0) as one, serving("openai", 0.0, 0.0) as two:
        asks = {
            "bare httpx": bare(one),
            "rag-app, one server": ours("openai", one),
            "rag-app, two servers": ours("openai", two),
        }
        await overhead(asks | _router(litellm_too, two))
    print("\nA reply that breaks off")
    await broken(litellm_too)
    print(f"\nImporting: adapters.openai_compatible.language {imports('adapters.openai_compatible.language')}")
    if litellm_too:
        print(f"           litellm {imports('litellm')}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], float(sys.argv[3]), sys.argv[4])
        sys.exit()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=120)
    parser.add_argument("--seconds", type=float, default=0.05, help="of one request at the faster server")
    parser.add_argument("--no-litellm", action="store_true")
    given = parser.parse_args()
    asyncio.run(main(given.requests, given.seconds, not given.no_litellm))
