"""What an Ollama server does, asked in plain HTTP: the facts that the adapter and the protocol server are built on.

Runs against the protocol server always and against a real one where OLLAMA_TEST_HOST names it. A real one may have
models of random weights: nothing is asserted of what is said, only of how.
"""

from __future__ import annotations

import base64
import json
import math
import re
import time
from typing import Any

import httpx
import pytest

from tests.contract.conftest import Target
from tests.contract.pictures import encoded, picture

LONG = "one two three four five six seven eight nine ten " * 2000
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


def test_a_missing_model_is_a_404_that_names_it(server: Target) -> None:
    for path, body in (("chat", {"messages": [{"role": "user", "content": "x"}]}), ("embed", {"input": "x"})):
        reply = server.http.post(f"/api/{path}", json={"model": "nope", **body})
        assert reply.status_code == 404
        assert re.search(r"""model ['"]nope['"] not found""", error_of(reply))
    reply = server.http.post("/api/show", json={"model": "nope"})
    assert reply.status_code == 404
    assert "nope" in error_of(reply)


def test_a_request_without_model_is_refused(server: Target) -> None:
    reply = server.http.post("/api/chat", json={"messages": [{"role": "user", "content": "x"}]})
    assert (reply.status_code, error_of(reply)) == (400, "model is required")


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"", "missing request body"),
        (b"broken", "invalid character 'b'"),
        (b'{"model": "x", "messages": "y"}', "json: cannot unmarshal string"),
    ],
)
def test_a_body_that_is_no_request_is_refused(server: Target, raw: bytes, error: str) -> None:
    reply = server.http.post("/api/chat", content=raw, headers={"content-type": "application/json"})
    assert reply.status_code == 400
    assert error_of(reply).startswith(error)


def test_an_unknown_path_and_a_wrong_verb_are_plain_text(server: Target) -> None:
    for reply, status in ((server.http.get("/api/nothing"), 404), (server.http.get("/api/chat"), 405)):
        assert reply.status_code == status
        assert reply.headers["content-type"].startswith("text/plain")


def test_a_foreign_origin_gets_an_empty_403(server: Target) -> None:
    reply = server.http.get("/api/tags", headers={"Origin": "http://somewhere.example"})
    assert (reply.status_code, reply.content) == (403, b"")


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


def test_base64_must_be_standard_and_padded(server: Target) -> None:
    image = picture(size=(97, 61))
    while "/" not in encoded(image) and "+" not in encoded(image):
        image += b"\xff"
    good = encoded(image)
    wrapped = "\n".join(good[i : i + 76] for i in range(0, len(good), 76))
    assert server.chat("x", model=server.vision, images=(wrapped,)).status_code == 200
    padded = good if good.endswith("=") else encoded(image + b"\0")
    padded = padded if padded.endswith("=") else encoded(image + b"\0\0")
    bad = {
        "data URI": f"data:image/png;base64,{good}",
        "URL": "http://127.0.0.1/picture.png",
        "URL-safe": base64.urlsafe_b64encode(image).decode(),
        "no padding": padded.rstrip("="),
    }
    for what, text in bad.items():
        reply = server.chat("x", model=server.vision, images=(text,))
        assert reply.status_code == 400, what
        assert re.search(r"illegal base64 data at input byte \d+", error_of(reply)), what


@pytest.mark.parametrize("what", ["junk", "empty", "truncated", "tiff"])
def test_a_picture_that_cannot_be_read_is_refused(server: Target, what: str) -> None:
    needs(server, 0, 30)
    whole = picture(size=(640, 480))
    image = {"junk": b"no picture", "empty": b"", "truncated": whole[: len(whole) // 2], "tiff": picture(kind="TIFF")}
    reply = server.chat("x", model=server.vision, images=(encoded(image[what]),))
    assert reply.status_code == 400
    assert "Failed to load image or audio file" in error_of(reply)


def test_a_text_model_refuses_pictures_with_json_in_a_string(server: Target) -> None:
    needs(server, 0, 30)
    reply = server.chat("x", images=(encoded(picture()),))
    assert reply.status_code == 400
    assert json.loads(reply.json()["error"])["error"]["type"] == "invalid_request_error"
    assert "does not support multimodal requests" in error_of(reply)


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


def test_a_bad_format_is_refused(server: Target) -> None:
    reply = server.chat("x", format="yaml")
    assert reply.status_code == 500
    assert error_of(reply).startswith("invalid format")
    assert server.chat("x", format="").status_code == 200


def test_options_of_the_wrong_type_are_refused_and_unknown_ones_ignored(server: Target) -> None:
    reply = server.chat("x", options={"temperature": "hot"})
    assert (reply.status_code, error_of(reply)) == (500, 'option "temperature" must be of type float32')
    assert server.chat("x", options={"num_predict": 2, "no_such": 1, "top_k": None}).status_code == 200


@pytest.mark.parametrize(("value", "error"), [("10", 'time: missing unit in duration "10"'), ("abc", "invalid dur")])
def test_keep_alive_needs_a_unit(server: Target, value: str, error: str) -> None:
    reply = server.chat("x", keep_alive=value)
    assert reply.status_code == 400
    assert error in error_of(reply)


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


def test_long_text_is_refused_when_it_must_not_be_cut(server: Target) -> None:
    needs(server, 0, 30)
    reply = server.chat(LONG, options={"num_ctx": 512, "num_predict": 2}, truncate=False)
    assert reply.status_code == 400
    inner = json.loads(reply.json()["error"])["error"]
    assert inner["type"] == "exceed_context_size_error"
    assert inner["n_ctx"] == 512
    assert inner["n_prompt_tokens"] > 512


def test_long_text_with_a_picture_is_never_cut(server: Target) -> None:
    needs(server, 0, 30)
    options = {"num_ctx": 2048, "num_predict": 2}
    reply = server.chat(LONG, model=server.vision, images=(encoded(picture()),), options=options)
    assert reply.status_code == 400
    assert json.loads(reply.json()["error"])["error"]["type"] == "exceed_context_size_error"


def test_thinking_and_tools_are_refused_where_not_supported(server: Target) -> None:
    capabilities = server.http.post("/api/show", json={"model": server.text}).json()["capabilities"]
    if "thinking" not in capabilities:
        reply = server.chat("x", think=True)
        assert (reply.status_code, error_of(reply)) == (400, f'"{server.text}" does not support thinking')
    if "tools" not in capabilities:
        tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
        reply = server.chat("x", tools=[tool])
        assert reply.status_code == 400
        assert error_of(reply).endswith("does not support tools")


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


def test_a_model_that_cannot_do_the_task_is_refused(server: Target) -> None:
    reply = server.chat("x", model=server.embed)
    assert (reply.status_code, error_of(reply)) == (400, f'"{server.embed}" does not support chat')
    reply = server.http.post("/api/embed", json={"model": server.text, "input": "x"})
    assert reply.status_code == 501
    assert "does not support embeddings" in error_of(reply)


def test_a_pull_that_fails_says_so_under_200(server: Target) -> None:
    if server.live:
        pytest.skip("asks a registry on the network")
    with server.http.stream("POST", "/api/pull", json={"model": "no-such-model"}) as reply:
        assert reply.status_code == 200
        lines = [json.loads(line) for line in reply.iter_lines()]
    assert lines[0] == {"status": "pulling manifest"}
    assert "error" in lines[-1]


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
