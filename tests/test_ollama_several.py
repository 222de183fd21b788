"""Several Ollama servers: who gets a request, who gets it next, and what is said when nobody can."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from adapters import fleet
from adapters.ollama import catalogue
from adapters.ollama.embedding import OllamaEmbedding
from adapters.ollama.language import OllamaModel
from rag_app.errors import (
    ModelFailed,
    ModelNotInstalled,
    ModelUnreachable,
    ModelUnsuitable,
    PromptTooLong,
    RagAppError,
)
from rag_app.settings import Ollama, Settings
from tests.ollama_models import ollama, picture
from tests.ollama_server import Fault, Model, OllamaServer

__all__ = ["ollama"]
Pair = tuple[OllamaServer, OllamaServer]
DEAD = "127.0.0.1:1"


@pytest.fixture
def pair(ollama: OllamaServer) -> Iterator[Pair]:
    """Two servers with the same models; `ollama` keeps the user's environment out."""
    with OllamaServer([Model(one.name, one.capabilities, one.context_length) for one in ollama.models]) as other:
        yield ollama, other


def at(*servers: OllamaServer | str, **more: object) -> Settings:
    urls = ", ".join(one if isinstance(one, str) else one.url for one in servers)
    return Settings(ollama=Ollama(**{"host": urls, "first_word_s": 5, "stall_s": 1, "retries": 0, **more}))  # pyright: ignore[reportArgumentType]


def counts(*servers: OllamaServer) -> list[int]:
    return [len(server.writing()) for server in servers]


def slow(server: OllamaServer, seconds: float) -> None:
    for model in server.models:
        model.latency_s = seconds


def ask_many(model: OllamaModel, count: int, at_once: int) -> list[str]:
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(lambda number: model.ask(f"Question {number}.").text, range(count)))


def test_the_faster_server_gets_more_and_none_waits_while_another_is_free(pair: Pair) -> None:
    slow(pair[0], 0.16)
    slow(pair[1], 0.04)
    began = time.monotonic()
    replies = ask_many(OllamaModel("tinytext", settings=at(*pair)), 30, 6)
    took = time.monotonic() - began
    assert len(set(replies)) == 30 and all("Question" in reply for reply in replies)
    of_slow, of_fast = counts(*pair)
    assert of_slow + of_fast == 30 and 3 <= of_slow <= 9
    assert took < 30 * 0.16  # the slow one alone would take that long
    assert pair[0].scheduler.peak == pair[1].scheduler.peak == 1  # ollama.parallel is for each server


def test_one_after_the_other_goes_to_the_one_that_was_faster(pair: Pair) -> None:
    slow(pair[0], 0.6)
    model = OllamaModel("tinytext", settings=at(*pair))
    for number in range(6):
        model.ask(f"Question {number}.")
    assert counts(*pair) == [1, 5]


def test_what_a_dead_server_cannot_do_another_does_and_it_is_left_alone(pair: Pair) -> None:
    model = OllamaModel("tinytext", settings=at(DEAD, pair[1]))
    model.check()
    assert len(set(ask_many(model, 8, 4))) == 8
    assert counts(pair[1]) == [8]


@pytest.mark.parametrize(
    "fault",
    [
        *(Fault.CUT, Fault.RESET, Fault.CLOSED, Fault.ERROR_LINE, Fault.BUSY, Fault.RUNNER_KILLED, Fault.STALL),
        *(Fault.HTML_502, Fault.HTML_200, Fault.NOT_FOUND_PLAIN, Fault.FORBIDDEN_EMPTY, Fault.UNAUTHORIZED),
    ],
)
def test_what_fails_at_one_server_is_asked_of_the_next_at_once(pair: Pair, fault: Fault) -> None:
    pair[0].fail(fault, times=99, where=lambda request: request.path == "/api/chat")
    model = OllamaModel("tinytext", settings=at(*pair))
    whole = OllamaModel("tinytext", settings=at(pair[1])).ask("How many?").text
    pair[1].clear()
    assert [model.ask("How many?").text for _ in range(3)] == [whole] * 3  # whole, and never of the broken one
    assert counts(*pair) == [1, 3]  # it rests after its failure


def test_a_server_that_dies_in_the_middle_loses_nothing_and_comes_back(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet, "REST_S", 0.3)
    slow(pair[0], 0.05)
    slow(pair[1], 0.05)
    model = OllamaModel("tinytext", settings=at(*pair, parallel=2))
    port = int(pair[0].url.rpartition(":")[2])

    def die() -> None:
        time.sleep(0.2)
        pair[0].close()

    dying = threading.Thread(target=die)
    dying.start()
    assert len(set(ask_many(model, 30, 4))) == 30
    dying.join()
    with OllamaServer(pair[0].models, port=port) as again:
        time.sleep(0.35)
        assert len(set(ask_many(model, 8, 4))) == 8
        assert counts(again)[0] >= 2


def test_when_all_are_down_each_is_named(pair: Pair) -> None:
    model = OllamaModel("tinytext", settings=at(DEAD, "127.0.0.1:2", retries=1))
    began = time.monotonic()
    with pytest.raises(ModelUnreachable) as caught:
        model.ask("Hello.")
    assert str(caught.value) == (
        "No Ollama answers at http://127.0.0.1:1 and http://127.0.0.1:2: start it with 'ollama serve', or set "
        "ollama.host or OLLAMA_HOST."
    )
    with pytest.raises(ModelUnreachable, match=r"127\.0\.0\.1:1 and http://127\.0\.0\.1:2"):
        model.check()
    assert time.monotonic() - began < 3
    pair[0].fail(Fault.WEIGHTS_DAMAGED, times=9)
    pair[1].fail(Fault.BUSY, times=9)
    with pytest.raises(RagAppError) as both:
        OllamaModel("tinytext", settings=at(*pair)).ask("Hello.")
    for server, why in ((pair[0], "exceeds file size"), (pair[1], "is busy")):
        assert f"{server.url}: " in str(both.value) and why in str(both.value)


def test_a_rested_server_is_asked_when_there_is_no_other(pair: Pair) -> None:
    """A server that was just started is not held to be down because it was."""
    model = OllamaModel("tinytext", settings=at(*pair))
    for server in pair:
        server.fail(Fault.BUSY, times=1)
    with pytest.raises(RagAppError, match="is busy"):
        model.ask("Hello.")
    assert model.ask("Hello.").text


def test_only_servers_that_have_the_model_are_asked(pair: Pair) -> None:
    pair[0].models = [one for one in pair[0].models if one.name != "tinyvlm"]
    model = OllamaModel("tinyvlm", settings=at(*pair), pictures=True)
    model.check()
    assert model.sees
    for _ in range(4):
        assert "Image 1" in model.ask("What is it?", images=[picture()]).text
    assert counts(*pair) == [0, 4]
    assert len([one for one in pair[0].requests if one.path == "/api/show"]) <= 3  # believed for a minute
    with pytest.raises(ModelNotInstalled, match="no model 'nothing'"):
        OllamaModel("nothing", settings=at(*pair)).ask("Hello.")
    with pytest.raises(ModelUnsuitable, match="reads no pictures"):
        OllamaModel("tinytext", settings=at(*pair)).check(pictures=True)


def test_what_no_server_can_do_is_asked_once(pair: Pair) -> None:
    for server in pair:
        server.fail(Fault.CONTEXT_EXCEEDED, times=9)
    with pytest.raises(PromptTooLong):
        OllamaModel("tinytext", settings=at(*pair, retries=3)).ask("Hello.")
    assert sum(counts(*pair)) == 1


def test_text_that_was_shown_is_not_begun_again_elsewhere(pair: Pair) -> None:
    pair[0].fail(Fault.ERROR_LINE)
    seen: list[str] = []
    with pytest.raises(ModelFailed):
        OllamaModel("tinytext", settings=at(*pair)).ask("Hello.", on_text=seen.append)
    assert seen and counts(*pair) == [1, 0]


def test_a_question_given_up_leaves_its_place(pair: Pair) -> None:
    import asyncio

    slow(pair[0], 3)
    slow(pair[1], 3)
    model = OllamaModel("tinytext", settings=at(*pair))

    async def give_up() -> None:
        for _ in range(4):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await asyncio.gather(*(model.aask(f"{number}") for number in range(5)))

    asyncio.run(give_up())
    slow(pair[0], 0)
    slow(pair[1], 0)
    assert len(set(ask_many(model, 10, 10))) == 10


def test_vectors_come_from_several_servers(pair: Pair) -> None:
    texts = [f"text {number}" for number in range(100)]
    same = OllamaEmbedding("tinyembed", settings=at(*pair), batch=5)
    same.check()
    alone = OllamaEmbedding("tinyembed", settings=at(pair[0]), batch=5).get_text_embedding_batch(texts)
    pair[0].models[2].latency_s = pair[1].models[2].latency_s = 0.02
    assert same.get_text_embedding_batch(texts) == alone
    assert all("/api/embed" in {request.path for request in server.requests} for server in pair)


def test_vectors_of_different_files_do_not_mix(pair: Pair) -> None:
    class Other(Model):
        @property
        def digest(self) -> str:
            return "f" * 64

    pair[1].models[:] = [Other("tinyembed", {"embedding"}, 2048)]
    model = OllamaEmbedding("tinyembed", settings=at(*pair))
    with (
        pytest.raises(ModelUnsuitable, match=r"not the same at http.* and http.*rag-app models pull tinyembed"),
        ThreadPoolExecutor(4) as pool,
    ):
        list(pool.map(model.get_text_embedding, ["a fox", "a hen", "a cow", "a dog"]))


def test_what_the_servers_have_is_told_of_each(pair: Pair) -> None:
    pair[1].models.append(Model("more:1b"))
    servers = catalogue.answering(at(*pair, DEAD))
    assert [(one.url, bool(one.problem)) for one in servers] == [
        (pair[0].url, False),
        (pair[1].url, False),
        (f"http://{DEAD}", True),
    ]
    assert "more:1b" in {one.name for one in catalogue.installed(at(*pair, DEAD))}
    assert "+" not in {one.name: one.digest for one in catalogue.installed(at(*pair))}["tinytext"]


def test_a_model_is_fetched_at_each(pair: Pair) -> None:
    for server in pair:
        server.pullable.append(Model("new:1b"))
    catalogue.pull("new:1b", at(*pair), lambda *step: None)
    assert all("new:1b" in {one.name for one in server.models} for server in pair)
    OllamaModel("new:1b", settings=at(*pair)).check()
