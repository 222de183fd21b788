"""The protocol server itself: what its contract with real servers cannot show, loading, queues, faults, the log."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from tests.contract.pictures import encoded, picture
from tests.ollama_server import Fault, Model, OllamaServer
from tests.ollama_server.mischief import Act, segments
from tests.ollama_server.schema import BadSchema, value_for

Ask = Callable[..., httpx.Response]


@pytest.fixture
def server() -> Iterator[OllamaServer]:
    with OllamaServer() as server:
        yield server


@pytest.fixture
def ask(server: OllamaServer) -> Iterator[Ask]:
    with httpx.Client(base_url=server.url, timeout=5, trust_env=False) as http:
        yield partial(_ask, http)


def _ask(
    http: httpx.Client, model: str = "tinytext", content: str = "x", images: tuple[bytes, ...] = (), **more: Any
) -> httpx.Response:
    message = {"role": "user", "content": content, "images": [encoded(image) for image in images]}
    return http.post("/api/chat", json={"model": model, "messages": [message], "stream": False, **more})


def test_a_request_is_recorded_with_its_decoded_pictures(server: OllamaServer, ask: Ask) -> None:
    image = picture()
    ask("tinyvlm", "What is it?", (image,), options={"num_ctx": 4096}, keep_alive="1m")
    [request] = server.requests
    assert (request.path, request.model, request.prompt, request.status) == ("/api/chat", "tinyvlm", "What is it?", 200)
    assert request.images == [image]
    assert request.options == {"num_ctx": 4096}
    assert request.body["keep_alive"] == "1m"
    server.clear()
    assert not server.requests


def test_a_key_that_ollama_would_ignore_is_refused(ask: Ask) -> None:
    assert "temperature" in ask(temperature=0.5).json()["error"]


def test_scripted_replies_see_the_request_and_the_pictures() -> None:
    model = Model("m", {"completion", "vision"}, replies=lambda body, images: f"{body['model']} {len(images)}")
    with OllamaServer([model]) as server, httpx.Client(base_url=server.url) as http:
        assert _ask(http, "m", "x", (picture(),)).json()["message"]["content"] == "m 1"


def test_another_context_loads_the_model_again(server: OllamaServer, ask: Ask) -> None:
    for context in (1024, 1024, 2048, 1024):
        ask(options={"num_ctx": context})
    assert [(load.context, load.reloaded) for load in server.loads] == [(1024, False), (2048, True), (1024, True)]


def test_more_models_than_fit_are_loaded_again_and_again() -> None:
    models = [Model("a"), Model("b")]
    with OllamaServer(models, max_loaded=1) as server, httpx.Client(base_url=server.url) as http:
        for name in ("a", "b", "a", "a", "b"):
            _ask(http, name, "x")
        assert [load.model for load in server.loads] == ["a:latest", "b:latest", "a:latest", "b:latest"]


@pytest.mark.parametrize("parallel", [1, 3])
def test_only_so_many_run_at_the_same_time(parallel: int) -> None:
    with (
        OllamaServer([Model("m", latency_s=0.05)], parallel=parallel) as server,
        httpx.Client(base_url=server.url) as http,
        ThreadPoolExecutor(6) as pool,
    ):
        replies = list(pool.map(lambda _: _ask(http, "m", "x"), range(6)))
        assert {reply.status_code for reply in replies} == {200}
        assert server.scheduler.peak == parallel


def test_a_full_queue_is_busy_while_loading_and_only_then() -> None:
    with (
        OllamaServer([Model("m", load_s=0.3)], max_queue=2) as server,
        httpx.Client(base_url=server.url) as http,
        ThreadPoolExecutor(8) as pool,
    ):
        codes = [reply.status_code for reply in pool.map(lambda _: _ask(http, "m", "x"), range(8))]
        assert codes.count(503) == 5  # one loads, two wait
        assert codes.count(200) == 3
        warm = [reply.status_code for reply in pool.map(lambda _: _ask(http, "m", "x"), range(8))]
        assert warm == [200] * 8


def test_loading_counts_into_its_own_duration() -> None:
    with OllamaServer([Model("m", load_s=0.1)]) as server, httpx.Client(base_url=server.url) as http:
        first, second = (_ask(http, "m", "x").json() for _ in range(2))
        assert 1e8 <= first["load_duration"] < first["total_duration"]
        assert second["load_duration"] < 1e7


def test_a_fault_hits_the_next_matching_request_so_often(server: OllamaServer, ask: Ask) -> None:
    server.fail(Fault.BUSY, times=2, after=1, where=lambda request: request.prompt == "hit")
    said = [ask(content=content).status_code for content in ("hit", "miss", "hit", "hit", "hit")]
    assert said == [200, 200, 503, 503, 200]
    assert [request.fault for request in server.requests] == [None, None, Fault.BUSY, Fault.BUSY, None]


def test_random_faults_are_those_of_their_seed(server: OllamaServer, ask: Ask) -> None:
    runs = []
    for _ in range(2):
        server.random_faults(share=0.3, seed=7, kinds=[Fault.BUSY, Fault.RUNNER_KILLED])
        runs.append([ask().status_code for _ in range(40)])
    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 503, 500}
    server.random_faults(share=0, seed=0, kinds=[])
    assert {ask().status_code for _ in range(10)} == {200}


def test_silence_ends_when_the_server_closes() -> None:
    with OllamaServer() as server:
        server.fail(Fault.SILENT)
        failed: list[Exception] = []

        def wait() -> None:
            try:
                httpx.get(f"{server.url}/api/tags", timeout=30)
            except httpx.HTTPError as exc:
                failed.append(exc)

        waiting = threading.Thread(target=wait)
        waiting.start()
        while not server.requests:
            time.sleep(0.01)
    waiting.join(5)
    assert not waiting.is_alive()
    assert isinstance(failed[0], httpx.RemoteProtocolError)


LINES = [line.encode() + b"\n" for line in ('{"a":"سلام"}', '{"b":"x"}', '{"done":true}')]


@pytest.mark.parametrize("fault", [None, Fault.COALESCED, Fault.SPLIT_OBJECT, Fault.SPLIT_UTF8])
def test_odd_framing_changes_no_byte(fault: Fault | None) -> None:
    sent = [step for step in segments(fault, LINES) if isinstance(step, bytes)]
    assert b"".join(sent) == b"".join(LINES)
    assert (sent == LINES) is (fault is None)


def test_split_characters_are_split() -> None:
    pieces = [step for step in segments(Fault.SPLIT_UTF8, LINES) if isinstance(step, bytes)]
    broken = 0
    for piece in pieces:
        try:
            piece.decode()
        except UnicodeDecodeError:
            broken += 1
    assert broken >= 4


@pytest.mark.parametrize(("fault", "act"), [(Fault.CUT, Act.CUT), (Fault.RESET, Act.RESET), (Fault.STALL, Act.STALL)])
def test_a_broken_stream_breaks_after_it_began(fault: Fault, act: Act) -> None:
    steps = list(segments(fault, LINES))
    assert steps[-1] is act
    assert steps[0] == LINES[0]
    assert LINES[-1] not in steps


class Part(BaseModel, extra="forbid"):
    name: str = Field(min_length=1, max_length=12)
    share: float | None = Field(ge=0, le=1)
    code: str = Field(pattern=r"^[a-z]{2}$")


class Whole(BaseModel, extra="forbid"):
    kind: str = Field(json_schema_extra={"enum": ["bar", "line"]})
    parts: list[Part] = Field(min_length=2, max_length=4)
    pages: int = Field(ge=1, le=9)
    next: Whole | None = None
    tags: tuple[bool, int]


@given(st.text(max_size=20))
def test_made_values_are_valid(seed: str) -> None:
    made = value_for(Whole.model_json_schema(), seed)
    Whole.model_validate_json(json.dumps(made))
    assert made["kind"] in ("bar", "line")


@pytest.mark.parametrize("schema", [{"type": "banana"}, {"$ref": "#/$defs/None"}, {"$ref": "#"}])
def test_a_schema_that_means_nothing_is_refused(schema: dict[str, Any], ask: Ask) -> None:
    with pytest.raises(BadSchema):
        value_for(schema, "")
    reply = ask(format=schema)
    assert reply.status_code == 400
    assert "failed to parse grammar" in reply.json()["error"]


def test_it_runs_on_its_own_and_logs(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    command = [sys.executable, "-m", "tests.ollama_server", "--model", "hf.co/a/b:q4=vision", "--log", str(log)]
    root = Path(__file__).parent.parent
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with httpx.Client(base_url=url, trust_env=False) as http:
            assert _ask(http, "hf.co/a/b:q4", "x", (picture(),)).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
    finally:
        process.kill()
        process.communicate()
    request, reply = map(json.loads, log.read_text().splitlines())
    assert (request["event"], request["status"], reply["event"], reply["status"]) == ("request", None, "reply", 200)
    assert request["digest"] == reply["digest"]
