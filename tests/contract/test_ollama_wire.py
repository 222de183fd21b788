"""What our Ollama models send: every option, picture and name as it was set, seen at the server."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, TextBlock

from adapters.names import load_model, parse_model_name
from adapters.ollama.pictures import normalised
from rag_app.errors import RagAppError
from rag_app.settings import Ollama, Settings
from tests.contract.pictures import picture
from tests.ollama_server import Model, OllamaServer


def model_of(server: OllamaServer, name: str = "tinyvlm", **ollama: Any) -> Any:  # Any: a LanguageModel and an LLM
    return load_model("vision", parse_model_name(f"ollama:{name}"), Settings(ollama=Ollama(host=server.url, **ollama)))


SCHEMA = {"type": "object", "properties": {"kind": {"enum": ["a", "b"]}}, "required": ["kind"]}


def test_all_that_was_set_is_sent(ollama: OllamaServer) -> None:
    model = model_of(ollama, keep_alive="7m", context_tokens=6144)
    model.ask(
        "What is it?",
        images=[picture()],
        system="Be exact.",
        schema=SCHEMA,
        max_tokens=77,
        temperature=0.3,
        seed=5,
        repeat_penalty=1.3,
    )
    [request] = ollama.writing()
    assert request.path == "/api/chat"
    assert request.body["stream"] is True
    assert request.body["format"] == SCHEMA
    assert request.body["keep_alive"] == "7m"
    wanted = {"num_ctx": 6144, "num_predict": 77, "temperature": 0.3, "seed": 5, "repeat_penalty": 1.3}
    assert {key: request.options.get(key) for key in wanted} == wanted
    roles = [(turn["role"], turn["content"]) for turn in request.body["messages"]]
    assert roles == [("system", "Be exact."), ("user", "What is it?")]


def test_pictures_arrive_as_normalised_and_in_order(ollama: OllamaServer) -> None:
    given = [picture("red", (3000, 900)), picture("blue", (5, 300)), picture("green", kind="WEBP")]
    model_of(ollama).ask("Compare.", images=given)
    [request] = ollama.writing()
    assert request.images == [normalised(image) for image in given]
    assert len({*request.images}) == 3


def test_no_pictures_no_key(ollama: OllamaServer) -> None:
    model_of(ollama).ask("Hello.")
    [request] = ollama.writing()
    assert all("images" not in turn for turn in request.body["messages"])


def test_a_mark_for_pictures_in_text_is_neutralised(ollama: OllamaServer) -> None:
    model_of(ollama).ask("The caption says [img] and [img-7].", images=[picture()])
    assert "[img" not in ollama.writing()[0].prompt


def test_no_text_is_ever_read_as_a_path(ollama: OllamaServer, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(picture("black"))
    model = model_of(ollama)
    with pytest.raises((RagAppError, TypeError)):
        model.complete("Look.", image_documents=[str(secret)])
    with pytest.raises((RagAppError, TypeError, ValueError)):
        model.ask("Look.", images=[str(secret)])
    model.ask(f"Look at {secret}.")
    assert all(not request.images for request in ollama.requests)


def test_options_of_one_call_are_not_lost(ollama: OllamaServer) -> None:
    model = model_of(ollama)
    message = ChatMessage(role="user", blocks=[TextBlock(text="What is it?"), ImageBlock(image=picture())])
    model.chat([message], temperature=0.9, seed=3, max_tokens=55, options={"top_k": 7}, format="json", keep_alive="2m")
    model.complete("What is it?", image_documents=[picture()], temperature=0.4, options={"num_ctx": 2048})
    first, second = ollama.writing()
    assert (first.options["temperature"], first.options["seed"], first.options["top_k"]) == (0.9, 3, 7)
    assert (first.options["num_predict"], first.body["format"], first.body["keep_alive"]) == (55, "json", "2m")
    assert (second.options["temperature"], second.options["num_ctx"]) == (0.4, 2048)
    assert len(first.images) == len(second.images) == 1
    with pytest.raises(RagAppError, match="temprature"):
        model.chat([message], temprature=0.9)
    assert len(ollama.writing()) == 2


def test_one_context_for_all_keeps_the_model_loaded(ollama: OllamaServer) -> None:
    model = model_of(ollama)
    for words in (10, 400, 3, 1200):
        model.ask("word " * words, images=[picture()], schema=SCHEMA)
    assert len(ollama.loads) == 1
    assert {request.options["num_ctx"] for request in ollama.writing()} == {8192}


def test_a_long_prompt_gets_the_context_it_needs() -> None:
    with OllamaServer([Model("big", {"completion", "vision"}, context_length=65536)]) as server:
        reply = model_of(server, "big").ask("word " * 12_000, images=[picture(size=(1500, 1500))], schema=SCHEMA)
        assert reply.context_tokens and reply.prompt_tokens
        assert reply.context_tokens > reply.prompt_tokens > 12_000
        assert server.writing()[0].options["num_ctx"] == reply.context_tokens


def test_a_thinking_model_is_told_not_to(ollama: OllamaServer) -> None:
    ollama.models.append(Model("thinker", {"completion", "vision", "thinking"}))
    model_of(ollama, "thinker").ask("Hello.")
    model_of(ollama, "tinyvlm").ask("Hello.")
    first, second = ollama.writing()
    assert first.body["think"] is False
    assert "think" not in second.body


def test_the_next_call_goes_to_the_new_model_and_none_to_the_old(ollama: OllamaServer) -> None:
    ollama.models.append(Model("other", {"completion", "vision"}, context_length=4096))
    model_of(ollama, "tinyvlm").ask("One.")
    model_of(ollama, "other").ask("Two.")
    assert [(request.model, request.options["num_ctx"]) for request in ollama.writing()] == [
        ("tinyvlm", 8192),
        ("other", 4096),
    ]


def test_no_more_requests_at_a_time_than_set(ollama: OllamaServer) -> None:
    ollama.scheduler.parallel = 8
    ollama.models[0].latency_s = 0.05
    model = model_of(ollama, parallel=2)

    async def ask_six() -> None:
        await asyncio.gather(*(model.aask(f"Number {i}.") for i in range(6)))

    asyncio.run(ask_six())
    assert ollama.scheduler.peak == 2


@pytest.mark.parametrize("form", ["{port}", "127.0.0.1:{port}", "http://127.0.0.1:{port}/", "0.0.0.0:{port}"])
def test_ollama_host_is_honoured_and_a_proxy_is_not(
    ollama: OllamaServer, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = ollama.url.rsplit(":", 1)[-1]
    monkeypatch.setenv("OLLAMA_HOST", f":{port}" if form == "{port}" else form.format(port=port))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    load_model("vision", parse_model_name("ollama:tinyvlm"), Settings()).ask("Hello.")
    assert len(ollama.writing()) == 1


def test_a_key_is_not_sent_to_this_machine_unasked(ollama: OllamaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_API_KEY", "secret")
    monkeypatch.setenv("OLLAMA_HOST", ollama.url)
    load_model("vision", parse_model_name("ollama:tinyvlm"), Settings()).ask("Hello.")
    assert all("authorization" not in request.headers for request in ollama.requests)
