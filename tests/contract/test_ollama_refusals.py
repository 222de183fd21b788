"""What an Ollama server refuses, and in which words; asked of ours, and of a real one as in test_ollama_protocol."""

from __future__ import annotations

import base64
import json
import re

import pytest

from tests.contract.asking import LONG, error_of, needs
from tests.contract.conftest import Target
from tests.contract.pictures import encoded, picture


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
