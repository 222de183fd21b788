"""What an Ollama server does, asked in plain HTTP: the facts that the adapter and the protocol server are built on.

Runs against the protocol server always and against a real one where OLLAMA_TEST_HOST names it. A real one may have
models of random weights: nothing is asserted of what is said, only of how.
"""

from __future__ import annotations

import json
import math
import re
import time
from typing import Any

import pytest

from tests.contract.asking import LONG, full, lines_of, loaded, needs
from tests.contract.conftest import Target
from tests.contract.pictures import encoded, picture

STAMP = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,9}(Z|[+-]\d\d:\d\d)$")
COUNTS = ("total_duration", "load_duration", "prompt_eval_count", "prompt_eval_duration", "eval_count", "eval_duration")
SHAPE = {
    "type": "object",
    "properties": {
        "kind": {"$ref": "#/$defs/Kind"},
        "parts": {"type": "array", "items": {"$ref": "#/$defs/Kind"}, "minItems": 1, "maxItems": 2},
        "sure": {"type": "boolean"},
    },
    "required": ["kind", "parts", "sure"],
    "$defs": {"Kind": {"enum": ["bar", "line", "pie"]}},
}


def test_it_says_that_it_is_running(server: Target) -> None:
    reply = server.http.get("/")
    assert (reply.status_code, reply.text) == (200, "Ollama is running")
    assert reply.headers["content-type"].startswith("text/plain")
    assert server.http.head("/").status_code == 200


def test_it_tells_its_version(server: Target) -> None:
    assert re.match(r"\d+\.\d+", server.http.get("/api/version").json()["version"])


def test_tags_list_each_model_with_what_it_is(server: Target) -> None:
    models = {model["name"]: model for model in server.http.get("/api/tags").json()["models"]}
    for name in (server.vision, server.text, server.embed):
        model = models[full(name)]
        assert {"name", "model", "modified_at", "size", "digest", "details"} <= set(model)
        assert {"format", "family", "families", "parameter_size", "quantization_level"} <= set(model["details"])
        assert re.fullmatch(r"[0-9a-f]{64}", model["digest"])


def test_show_tells_capabilities_and_context(server: Target) -> None:
    for name, capability in ((server.vision, "vision"), (server.text, "completion"), (server.embed, "embedding")):
        shown = server.http.post("/api/show", json={"model": name}).json()
        assert capability in shown["capabilities"]
        family = shown["model_info"]["general.architecture"]
        assert shown["model_info"][f"{family}.context_length"] > 0
    assert "vision" not in server.http.post("/api/show", json={"model": server.text}).json()["capabilities"]


def test_names_know_no_case_and_latest_is_implied(server: Target) -> None:
    for name in (server.text.upper(), full(server.text)):
        assert server.http.post("/api/show", json={"model": name}).status_code == 200


def test_a_stream_ends_with_one_done_line_that_has_the_counts(server: Target) -> None:
    lines = lines_of(server)
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    last = lines[-1]
    assert last["done_reason"] in ("stop", "length")
    for key in COUNTS:
        assert isinstance(last[key], int)
        assert last[key] >= 0
    assert last["total_duration"] > 1000  # ns
    for line in lines:
        assert line["message"]["role"] == "assistant"
        assert STAMP.match(line["created_at"])
        assert line["model"]


def test_a_whole_reply_is_one_object(server: Target) -> None:
    reply = server.chat("Say something.")
    assert reply.headers["content-type"].startswith("application/json")
    body = reply.json()
    assert body["done"] is True
    assert set(COUNTS) <= set(body)


def test_num_predict_cuts_and_says_so(server: Target) -> None:
    body = server.chat("Tell a long story of a fox and a hen.", options={"num_predict": 3, "temperature": 0}).json()
    assert (body["done_reason"], body["eval_count"]) == ("length", 3)


def test_no_messages_load_a_model_and_say_nothing(server: Target) -> None:
    body = server.http.post("/api/chat", json={"model": server.text, "messages": [], "stream": False}).json()
    assert (body["done"], body["done_reason"], body["message"]["content"]) == (True, "load", "")
    assert full(server.text) in loaded(server)


def test_generate_with_a_picture_and_no_prompt_only_loads(server: Target) -> None:
    body = {"model": server.vision, "prompt": "", "images": [encoded(picture())], "stream": False}
    reply = server.http.post("/api/generate", json=body).json()
    assert (reply["done_reason"], reply["response"]) == ("load", "")


def test_what_is_said_depends_on_the_picture(server: Target) -> None:
    said = {}
    for colour in ("red", "blue", "green", "black"):
        images = (encoded(picture(colour)),)
        replies = [
            server.chat("What is this?", model=server.vision, images=images, keep_alive="5m").json() for _ in range(2)
        ]
        assert replies[0]["message"]["content"] == replies[1]["message"]["content"], "same picture, no heat"
        said[colour] = replies[0]["message"]["content"]
    assert len(set(said.values())) > 1
    with_picture = server.chat("What is this?", model=server.vision, images=(encoded(picture()),)).json()
    without = server.chat("What is this?", model=server.vision).json()
    assert with_picture["prompt_eval_count"] > without["prompt_eval_count"]


@pytest.mark.parametrize("kind", ["JPEG", "GIF", "WEBP", "BMP"])
def test_other_kinds_of_pictures_are_read(server: Target, kind: str) -> None:
    if kind == "WEBP":
        needs(server, 0, 30)
    reply = server.chat("What is this?", model=server.vision, images=(encoded(picture(kind=kind)),))
    assert reply.status_code == 200, reply.text


def test_a_schema_binds_the_reply(server: Target) -> None:
    body = server.chat("Describe.", format=SHAPE, options={"num_predict": 1200, "temperature": 0}).json()
    assert body["done_reason"] == "stop"
    value = json.loads(body["message"]["content"])
    assert set(value) == {"kind", "parts", "sure"}
    assert {value["kind"], *value["parts"]} <= {"bar", "line", "pie"}
    assert 1 <= len(value["parts"]) <= 2
    assert isinstance(value["sure"], bool)


def test_a_schema_does_not_save_a_reply_that_is_cut(server: Target) -> None:
    body = server.chat("Describe.", format=SHAPE, options={"num_predict": 3, "temperature": 0}).json()
    assert body["done_reason"] == "length"
    with pytest.raises(ValueError):
        json.loads(body["message"]["content"])


@pytest.mark.parametrize("value", ["1h30m", "90s", 60, -1])
def test_keep_alive_keeps_a_model_loaded(server: Target, value: Any) -> None:
    assert server.chat("x", keep_alive=value).status_code == 200
    expires = loaded(server)[full(server.text)]["expires_at"]
    if value == -1:
        assert int(expires[:4]) > 2100
    server.chat("x", keep_alive=0)


def test_keep_alive_zero_unloads(server: Target) -> None:
    server.chat("x", keep_alive=0)
    for _ in range(50):
        if full(server.text) not in loaded(server):
            return
        time.sleep(0.1)
    pytest.fail("still loaded after five seconds")


def test_num_ctx_is_what_gets_allocated(server: Target) -> None:
    for context in (1024, 768):
        server.chat("x", options={"num_ctx": context, "num_predict": 2})
        assert loaded(server)[full(server.text)]["context_length"] == context


def test_long_text_is_cut_without_a_word(server: Target) -> None:
    reply = server.chat(LONG, options={"num_ctx": 512, "num_predict": 2})
    assert reply.status_code == 200
    assert reply.json()["prompt_eval_count"] <= 512


def test_embeddings_are_of_length_one_and_in_order(server: Target) -> None:
    texts = ["a fox", "the mean of a normal distribution", "a fox"]
    vectors = server.http.post("/api/embed", json={"model": server.embed, "input": texts}).json()["embeddings"]
    assert len(vectors) == 3
    assert vectors[0] == pytest.approx(vectors[2], abs=1e-5)
    assert vectors[0] != pytest.approx(vectors[1], abs=1e-5)
    for vector in vectors:
        assert math.hypot(*vector) == pytest.approx(1.0, abs=1e-3)
    one = server.http.post("/api/embed", json={"model": server.embed, "input": texts[0]}).json()["embeddings"]
    assert len(one) == 1
    assert one[0] == pytest.approx(vectors[0], abs=1e-3)
    assert server.http.post("/api/embed", json={"model": server.embed, "input": []}).json()["embeddings"] == []


def test_a_copy_can_be_deleted_once(server: Target) -> None:
    copy = "contract-copy"
    reply = server.http.post("/api/copy", json={"source": server.text, "destination": copy})
    assert reply.status_code == 200
    for status, empty in ((200, True), (404, False)):
        reply = server.http.request("DELETE", "/api/delete", json={"model": copy})
        assert reply.status_code == status
        assert (reply.content == b"") is empty


def test_a_client_that_hangs_up_frees_the_model(server: Target) -> None:
    body = {"model": server.text, "messages": [{"role": "user", "content": "x"}], "options": {"num_predict": 400}}
    with server.http.stream("POST", "/api/chat", json=body) as reply:
        next(reply.iter_lines())
    started = time.monotonic()
    assert server.chat("x").status_code == 200
    assert time.monotonic() - started < 30
