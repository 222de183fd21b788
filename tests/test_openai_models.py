"""Models behind OpenAI's protocol: what is sent, what is taken, where to, and several servers."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import fleet
from adapters.limits import limited, limits_of
from adapters.names import load_model, parse_model_name
from adapters.openai_compatible import catalogue, host
from adapters.openai_compatible.embedding import OpenAIEmbedding
from adapters.openai_compatible.thoughts import Thoughts
from rag_app.errors import (
    IncompleteReply,
    ModelFailed,
    ModelNotInstalled,
    ModelUnreachable,
    ModelUnsuitable,
    PromptTooLong,
    RequestRefused,
    SettingsError,
    UnknownName,
    UsageError,
)
from rag_app.settings import Ollama, OpenAI, Settings
from tests.ollama_models import picture
from tests.ollama_server import Model
from tests.openai_models import at, model_at, openai
from tests.openai_server import Fault, OpenAIServer

__all__ = ["openai"]
DEAD = "127.0.0.1:1"


# --- what goes over the wire ------------------------------------------------------------------------------------------


def test_a_question_as_it_is_sent(openai: OpenAIServer) -> None:
    seen: list[str] = []
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    reply = model_at(openai).ask(
        "What is it?",
        images=[picture("red"), picture("blue", kind="JPEG")],
        system="Be short.",
        max_tokens=99,
        temperature=0.5,
        seed=7,
        repeat_penalty=1.2,
        on_text=seen.append,
    )
    (request,) = openai.writing()
    body = request.body
    assert body["model"] == "lab/tiny-VL" and body["stream"] and body["stream_options"] == {"include_usage": True}
    assert (body["max_tokens"], body["temperature"], body["seed"]) == (99, 0.5, 7)
    assert body["frequency_penalty"] == pytest.approx(0.2)
    assert body["messages"][0] == {"role": "system", "content": "Be short."}
    parts = body["messages"][1]["content"]
    assert [part["type"] for part in parts] == ["image_url", "image_url", "text"]
    assert parts[0]["image_url"]["url"].startswith("data:image/png;base64,")
    assert parts[1]["image_url"]["url"].startswith("data:image/jpeg;base64,")
    assert "Image 1" in reply.text and "Image 2" in reply.text and "".join(seen) == reply.text
    assert reply.prompt_tokens and reply.reply_tokens and reply.model == "openai:lab/tiny-VL"
    model_at(openai).ask("And as JSON?", schema=schema)
    form = openai.writing()[-1].body["response_format"]
    assert form == {"type": "json_schema", "json_schema": {"name": "reply", "schema": schema}}
    assert "images" not in openai.writing()[-1].body and "frequency_penalty" not in openai.writing()[-1].body


def test_pictures_are_bytes_and_never_addresses(openai: OpenAIServer) -> None:
    with pytest.raises(UsageError, match="never a path or an address"):
        model_at(openai).ask("?", images=["https://example.org/a.png"])  # pyright: ignore[reportArgumentType]
    assert not openai.writing()


def test_without_blocking_the_event_loop_in_several_loops(openai: OpenAIServer) -> None:
    model = model_at(openai)
    whole = model.ask("What is it?", images=[picture()]).text
    for _ in range(2):
        assert asyncio.run(model.aask("What is it?", images=[picture()])).text == whole


def test_a_question_given_up_leaves_the_server(openai: OpenAIServer) -> None:
    openai.models[1].piece_s = 0.05

    async def give_up() -> None:
        async with asyncio.timeout(0.3):
            await model_at(openai, name="lab/tiny-text").aask("Long. " * 60)

    with pytest.raises(TimeoutError):
        asyncio.run(give_up())
    time.sleep(0.3)
    assert openai.writing()[0].gone and openai.busy == 0


def test_text_that_was_shown_is_not_begun_again(openai: OpenAIServer) -> None:
    openai.fail(Fault.ERROR_EVENT)
    seen: list[str] = []
    with pytest.raises(ModelFailed):
        model_at(openai).ask("Hello.", on_text=seen.append)
    assert seen and len(openai.writing()) == 1


def test_a_reply_that_loops_is_asked_for_with_another_seed(openai: OpenAIServer) -> None:
    openai.fail(Fault.NO_FINISH)
    model_at(openai).ask("Hello.")
    first, second = (request.body for request in openai.writing())
    assert second["seed"] == first["seed"] + 1 and second["temperature"] >= 0.4 and second["frequency_penalty"] > 0


# --- what a model can do ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("tells", "drops"), [(False, False), (True, False), (False, True)])
def test_whether_a_model_sees_is_told_or_shown(tells: bool, drops: bool) -> None:
    """vLLM refuses pictures for a model without eyes, llama.cpp says what it has, others drop them without a word."""
    with OpenAIServer(tells=tells, drops=drops) as server:
        for name, sees in (("lab/tiny-VL", True), ("lab/tiny-text", False)):
            model = model_at(server, name=name)
            assert [model.sees for _ in range(3)] == [sees] * 3
        asked = [one for one in server.requests if one.path == "/v1/chat/completions"]
        assert len(asked) == (0 if tells else 4 if drops else 3)
        with pytest.raises(ModelUnsuitable, match="lab/tiny-text reads no pictures"):
            model_at(server, name="lab/tiny-text").ask("What is it?", images=[picture()])
        assert not server.writing()


def test_a_name_is_looked_up_before_it_is_asked(openai: OpenAIServer) -> None:
    """llama.cpp answers with the model it has, whatever name it is asked for."""
    with pytest.raises(
        ModelNotInstalled, match=r"no model 'lab/tiny-VLM'; did you mean lab/tiny-VL.*It has: lab/tiny-"
    ):
        model_at(openai, name="lab/tiny-VLM").ask("Hello.")
    with pytest.raises(ModelNotInstalled):
        model_at(openai, name="lab/tiny-VLM").check()
    model_at(openai).check(pictures=True)
    assert not openai.writing()


def test_a_prompt_that_surely_does_not_fit_is_not_sent(openai: OpenAIServer) -> None:
    with pytest.raises(PromptTooLong, match="reads 8,192"):
        model_at(openai).ask("word " * 9000)
    assert not openai.writing()


def test_models_fill_roles_by_name(openai: OpenAIServer) -> None:
    for role in ("answer", "vision", "judge"):
        assert load_model(role, parse_model_name("openai:lab/tiny-VL"), at(openai)).name == "openai:lab/tiny-VL"
    load_model("vision", parse_model_name("openai:lab/tiny-VL"), at(openai)).check()
    with pytest.raises(ModelUnsuitable, match="reads no pictures"):
        load_model("vision", parse_model_name("openai:lab/tiny-text"), at(openai)).check()
    with pytest.raises(UnknownName, match="under a name of its own"):
        load_model("answer", parse_model_name("openai:lab/tiny-VL+adapter"), at(openai))


# --- vectors ----------------------------------------------------------------------------------------------------------


def test_vectors_and_texts_that_are_too_long(openai: OpenAIServer) -> None:
    model = load_model("text_embedding", parse_model_name("openai:lab/tiny-embed"), at(openai))
    model.check()
    assert model.dimensions == 64 and model.model_name == "openai:lab/tiny-embed"
    texts = ["a fox", "word " * 5000, "a hen"]
    vectors = model.get_text_embedding_batch(texts)
    assert model.shortened == 1
    assert vectors[0] == model.get_text_embedding("a fox") and vectors[2] == model.get_text_embedding("a hen")
    openai.models[2].latency_s = 0.1
    many = [f"text {number}" for number in range(130)]
    assert model.get_text_embedding_batch(many)[129] == model.get_text_embedding(many[129])
    assert openai.peak == 4  # batches at the same time
    openai.models[2].latency_s = 0.0
    body = next(one for one in openai.requests if one.path == "/v1/embeddings").body
    assert body["encoding_format"] == "float"
    with pytest.raises(ModelUnsuitable, match="makes no embeddings"):
        OpenAIEmbedding("lab/tiny-text", settings=at(openai)).get_text_embedding("a")


# --- where the servers are --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("gpu1:8000", ["http://gpu1:8000/v1"]),
        ("gpu1, gpu2:8080", ["http://gpu1:8000/v1", "http://gpu2:8080/v1"]),
        ("https://lab.example/models/v1/, gpu", ["https://lab.example:443/models/v1", "http://gpu:8000/v1"]),
        ("http://me:wo,rd@gpu:1", ["http://gpu:1/v1"]),
        ("gpu, gpu:8000", ["http://gpu:8000/v1"]),
    ],
)
def test_addresses(text: str, urls: list[str]) -> None:
    assert [address.url for address in host.find(Settings(openai=OpenAI(hosts=text)))] == urls


def test_no_address_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"openai\.hosts is empty.*127\.0\.0\.1:8000"):
        model_at("").ask("Hello.")
    with pytest.raises(SettingsError, match=r"openai\.hosts is 'gpu:port'.*127\.0\.0\.1:8000"):
        model_at("gpu:port").check()


def test_the_key_comes_from_its_own_variable_and_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    with OpenAIServer(key="s3cret") as server:
        monkeypatch.setenv("OPENAI_API_KEY", "s3cret")  # is for OpenAI
        with pytest.raises(RequestRefused, match="RAG_APP_OPENAI_API_KEY"):
            model_at(server).ask("Hello.")
        assert all("authorization" not in request.headers for request in server.requests)
        monkeypatch.setenv("RAG_APP_OPENAI_API_KEY", "s3cret")
        model = model_at(server)
        assert model.ask("Hello.").text
        assert "s3cret" not in repr(host.find(at(server))) + str(vars(model))


def test_no_proxy_for_this_machine(openai: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://{DEAD}")
    assert model_at(openai, retries=0).ask("Hello.").text


# --- several servers --------------------------------------------------------------------------------------------------


@pytest.fixture
def pair(openai: OpenAIServer) -> Iterator[tuple[OpenAIServer, OpenAIServer]]:
    with OpenAIServer() as other:
        yield openai, other


def ask_many(name: str, settings: Settings, count: int, at_once: int) -> list[str]:
    model = load_model("answer", parse_model_name(f"openai:{name}"), settings)
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(lambda number: model.ask(f"Question {number}.").text, range(count)))


def test_the_faster_server_gets_more(pair: tuple[OpenAIServer, OpenAIServer]) -> None:
    for server, seconds in zip(pair, (0.16, 0.04), strict=True):
        server.models[1].latency_s = seconds
    assert len(set(ask_many("lab/tiny-text", at(*pair, parallel=1), 30, 6))) == 30
    of_slow, of_fast = (len(server.writing()) for server in pair)
    assert of_slow + of_fast == 30 and 3 <= of_slow <= 9
    assert pair[0].peak == pair[1].peak == 1


def test_a_server_that_dies_in_the_middle_loses_nothing_and_comes_back(
    pair: tuple[OpenAIServer, OpenAIServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet, "REST_S", 0.3)
    for server in pair:
        server.models[1].latency_s = 0.05
    dying = threading.Timer(0.2, pair[0].close)
    dying.start()
    assert len(set(ask_many("lab/tiny-text", at(*pair, parallel=2, retries=0), 30, 4))) == 30
    dying.join()
    with OpenAIServer(pair[0].models, port=int(pair[0].url.rpartition(":")[2])) as again:
        time.sleep(0.35)
        assert len(set(ask_many("lab/tiny-text", at(*pair, parallel=2), 8, 4))) == 8
        assert len(again.writing()) >= 2


def test_when_all_are_down_each_is_named() -> None:
    with pytest.raises(ModelUnreachable) as caught:
        model_at(DEAD, "127.0.0.1:2", retries=0).ask("Hello.")
    assert str(caught.value) == (
        "No server answers at http://127.0.0.1:1/v1 and http://127.0.0.1:2/v1: start it, or correct openai.hosts."
    )


def test_only_servers_that_have_the_model_are_asked(pair: tuple[OpenAIServer, OpenAIServer]) -> None:
    pair[0].models = [Model("lab/other")]
    for number in range(4):
        assert model_at(*pair).ask(f"{number}?").text
    assert [len(server.writing()) for server in pair] == [0, 4]
    told = catalogue.answering(at(*pair, DEAD))
    assert [[one.name for one in server.models] for server in told] == [
        ["lab/other"],
        ["lab/tiny-VL", "lab/tiny-embed", "lab/tiny-text"],
        [],
    ]
    assert isinstance(told[2].problem, ModelUnreachable)


def test_broken_replies_never_pass_at_any_server(pair: tuple[OpenAIServer, OpenAIServer]) -> None:
    """litellm's Router, asked the same way, hands a reply without finish_reason back as a whole one."""
    whole = model_at(pair[1]).ask("How many?").text
    for fault in (Fault.NO_FINISH, Fault.NO_FINISH_NO_DONE, Fault.CUT, Fault.HALF_EVENT):
        pair[0].fail(fault, times=9, where=lambda request: bool(request.body.get("stream")))
    with pytest.raises(IncompleteReply):
        model_at(pair[0], retries=0).ask("How many?")
    for _ in range(6):
        text = model_at(*pair).ask("How many?", seed=0).text
        assert text == whole or (text.startswith("lab/tiny-VL ") and "Asked: How many?" in text)
    assert len(pair[0].writing()) >= 2  # it was among those asked


# --- limits -----------------------------------------------------------------------------------------------------------


def test_limits_are_those_of_the_models_servers() -> None:
    settings = Settings(
        ollama=Ollama(host="a, b, c", parallel=2, retries=1, context_tokens=4096), openai=OpenAI(hosts="d, e")
    )
    of_ollama = limits_of(parse_model_name("gemma3:4b"), settings)
    assert (of_ollama.at_once, of_ollama.retries, of_ollama.context_tokens) == (6, 1, 4096)
    of_openai = limits_of(parse_model_name("openai:x"), settings)
    assert (of_openai.at_once, of_openai.retries, of_openai.context_tokens) == (8, 3, 8192)
    fewer = limited(parse_model_name("gemma3:4b"), settings, at_once=4, retries=0)
    assert (fewer.ollama.parallel, fewer.ollama.retries, fewer.openai) == (2, 0, settings.openai)
    assert limited(parse_model_name("openai:x"), settings, at_once=5, retries=None).openai.parallel == 3


# --- thinking ---------------------------------------------------------------------------------------------------------


@given(
    text=st.text(alphabet="<>think/ab \n", max_size=30),
    thought=st.none() | st.text(alphabet="abc <>\n", max_size=12),
    cuts=st.lists(st.integers(0, 60), max_size=6),
)
def test_thinking_is_kept_apart_however_it_is_cut(text: str, thought: str | None, cuts: list[int]) -> None:
    if thought is None and text.lstrip().startswith("<think>"):
        return
    whole = text if thought is None else f"\n<think>{thought}</think>\n{text}"
    edges = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    thoughts = Thoughts()
    found = "".join(thoughts.add(whole[a:b]) for a, b in itertools.pairwise(edges)) + thoughts.end()
    assert found == (text if thought is None else text.lstrip())
    assert thoughts.any == (thought is not None)


def test_thinking_without_an_end_is_no_reply() -> None:
    thoughts = Thoughts()
    assert thoughts.add("<think>I wonder") + thoughts.add(" still") + thoughts.end() == ""
