"""Answers through the whole way: library, prompt, Ollama's protocol on a socket, checks."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.ollama.pictures import normalised
from rag_app import Library
from rag_app.errors import IncompleteReply, ModelNotInstalled, ModelUnreachable, UnusableReply
from rag_app.settings import Models, Ollama, Settings
from tests.contract.conftest import clean_environment  # noqa: F401  # autouse: no proxy or address of the user's
from tests.ollama_server import Fault, Model, OllamaServer, Recorded
from tests.speaking import says

TEMPERATURE = "Which initial value does CLIP give to the temperature?"
QUOTE = "CLIP starts at 0.07"
Body = dict[str, Any]  # Any: JSON


def number_of(body: Body, words: str) -> int:
    """The number of the piece of evidence that holds `words`."""
    prompt = body["messages"][-1]["content"]
    for n, piece in re.findall(r"<piece (\d+) code=\w+>(.*?)</piece", prompt, re.DOTALL):
        if words in " ".join(piece.split()):
            return int(n)
    raise AssertionError(f"{words!r} is not in the prompt")


def knows(body: Body, images: list[bytes]) -> str:
    """Answers the question about the temperature, and no other."""
    if "temperature" not in body["messages"][-1]["content"].split("Question: ")[-1]:
        return says(answerable=False)
    return says(("CLIP starts it at 0.07.", number_of(body, QUOTE), QUOTE))


def sees(body: Body, images: list[bytes]) -> str:
    return says(("Both towers are blue.", number_of(body, "Figure 1"), f"two blue towers in {len(images)} pictures"))


@pytest.fixture
def ollama() -> Iterator[OllamaServer]:
    """Two text models with different contexts, and one that sees."""
    models = [
        Model("gemma3:4b", capabilities={"completion"}, context_length=32768, replies=knows),
        Model("tiny:1b", capabilities={"completion"}, context_length=4096, replies=knows),
        Model("qwen2.5vl:7b", capabilities={"completion", "vision"}, context_length=32768, replies=sees),
    ]
    with OllamaServer(models=models) as server:
        yield server


@pytest.fixture
def library(sample_library: Path, ollama: OllamaServer) -> Iterator[Library]:
    settings = Settings(models=Models(answer="gemma3:4b"), ollama=Ollama(host=ollama.url, retries=0))
    with Library.open(sample_library, settings=settings, read_only=True) as opened:
        yield opened


def chats(server: OllamaServer) -> list[Recorded]:
    return [request for request in server.requests if request.path == "/api/chat"]


def test_an_answer_over_the_wire(library: Library, ollama: OllamaServer) -> None:
    pieces: list[str] = []
    answer = library.ask(TEMPERATURE, on_text=pieces.append)
    assert answer.answer == "CLIP starts it at 0.07. [1]" and answer.citations[0].quote == QUOTE
    assert answer.models["answer"] == "ollama:gemma3:4b"
    assert answer.tokens["context"] == 8192 and answer.tokens["prompt"] > 100
    assert 0 < answer.seconds["model"] <= answer.seconds["total"]
    assert len(pieces) > 1 and "".join(pieces) == "CLIP starts it at 0.07."
    (asked,) = chats(ollama)
    assert asked.body["format"]["properties"]["statements"]["items"]["required"] == ["text", "source", "quote"]
    assert asked.options["temperature"] == 0 and asked.options["num_ctx"] == 8192
    assert asked.images == [] and "images" not in asked.body["messages"][-1]


def test_answers_in_two_event_loops(library: Library, ollama: OllamaServer) -> None:
    engine = library.as_query_engine()
    for _ in range(2):
        pieces: list[str] = []
        answer = asyncio.run(engine.aanswer(TEMPERATURE, on_text=pieces.append))
        assert answer.citations[0].quote == QUOTE and "".join(pieces) == "CLIP starts it at 0.07."

    async def both() -> list[str]:
        return [answer.answer for answer in await asyncio.gather(*(engine.aanswer(TEMPERATURE) for _ in range(2)))]

    assert asyncio.run(both()) == 2 * ["CLIP starts it at 0.07. [1]"]


def test_swapping_the_model_reaches_the_wire(library: Library, ollama: OllamaServer) -> None:
    engine = library.as_query_engine()
    assert engine.answer(TEMPERATURE).models["answer"] == "ollama:gemma3:4b"
    ollama.clear()
    answer = engine.use(answer="tiny:1b").answer(TEMPERATURE)
    assert answer.models["answer"] == "ollama:tiny:1b" and not answer.refused
    assert {request.model for request in ollama.requests if request.model} == {"tiny:1b"}
    (asked,) = chats(ollama)
    assert asked.options["num_ctx"] == 4096  # all this model has
    ollama.clear()
    with pytest.raises(ModelNotInstalled, match=r"gemma3:4b"):
        engine.use("gema3:4b")
    assert engine.answer(TEMPERATURE).models["answer"] == "ollama:tiny:1b"
    assert {request.model for request in chats(ollama)} == {"tiny:1b"}
    ollama.clear()
    assert engine.use("builtin").answer(TEMPERATURE).models["answer"] == "builtin"
    assert ollama.requests == []


def test_crops_on_the_wire_are_the_normalised_ones(library: Library, ollama: OllamaServer) -> None:
    answer = library.ask("What does Figure 1 show?", answer="qwen2.5vl:7b")
    (asked,) = chats(ollama)
    shown = [evidence for evidence in answer.evidence if evidence.pictured]
    assert shown and shown[0].label == "Figure 1" and len(asked.images) == len(shown)
    crops = [evidence.image for evidence in shown if evidence.image]
    wanted = {normalised((library.path / "crops" / image).read_bytes()) for image in crops}
    assert wanted <= set(asked.images)
    assert answer.citations[0].read_by == "ollama:qwen2.5vl:7b" and answer.citations[0].verified is False
    assert answer.citations[0].quote == f"two blue towers in {len(shown)} pictures"


def test_a_missing_model_is_told_before_anything_is_asked(library: Library, ollama: OllamaServer) -> None:
    with pytest.raises(ModelNotInstalled, match=r"gemma3:4b.*rag-app models pull"):
        library.ask(TEMPERATURE, answer="gema3:4b")
    assert chats(ollama) == []
    ollama.close()
    with pytest.raises(ModelUnreachable):
        library.ask(TEMPERATURE)


def test_a_cut_reply_is_asked_for_once_more(library: Library, ollama: OllamaServer) -> None:
    ollama.fail(Fault.NO_DONE, times=1)
    assert not library.ask(TEMPERATURE).refused
    assert len(chats(ollama)) == 2
    ollama.fail(Fault.NO_DONE, times=2)
    with pytest.raises(IncompleteReply):
        library.ask(TEMPERATURE)


def test_a_server_that_ignores_the_schema_may_answer_in_words(sample_library: Path) -> None:
    def plain(body: Body, images: list[bytes]) -> str:
        return f"{QUOTE} [{number_of(body, QUOTE)}]. Fish sing in winter [1]."

    with OllamaServer(models=[Model("old", replies=plain)]) as server:
        settings = Settings(ollama=Ollama(host=server.url, retries=0))
        with Library.open(sample_library, settings=settings, read_only=True) as library:
            answer = library.ask(TEMPERATURE, answer="old")
        assert answer.citations[0].quote.startswith(QUOTE) and answer.unsupported == ("Fish sing in winter.",)
        first, second = chats(server)
        assert "format" in first.body and "format" not in second.body


def test_nonsense_twice_is_one_sentence(sample_library: Path) -> None:
    with OllamaServer(models=[Model("mad", replies=lambda body, images: "I like trains.")]) as server:
        settings = Settings(ollama=Ollama(host=server.url, retries=0))
        with Library.open(sample_library, settings=settings, read_only=True) as library:
            with pytest.raises(UnusableReply) as caught:
                library.ask(TEMPERATURE, answer="mad")
            assert "another model" in str(caught.value) and "\n" not in str(caught.value)


def test_the_language_asked_for_is_in_the_prompt_and_the_refusal(library: Library, ollama: OllamaServer) -> None:
    answer = library.ask("Who won the football world cup in 1998?", language="fa")
    assert answer.refused and "در بر ندارند" in answer.answer and answer.language == "fa"
    assert "Reply in Persian" in chats(ollama)[0].prompt


def test_the_record_is_json(library: Library) -> None:
    document = json.loads(json.dumps(library.ask(TEMPERATURE).to_dict()))
    assert {"unsupported", "unsupported_numbers", "unread", "tokens", "removed"} <= set(document)
    assert {"read_by", "verified", "reading"} <= set(document["citations"][0])
    assert {"read", "pictured"} <= set(document["evidence"][0])
