"""The LlamaIndex chat engine over the sample papers: follow-ups, streams, history, models."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.chat_engine.types import BaseChatEngine

from rag_app import Library
from rag_app.answering.chat_engine import PaperChatEngine
from rag_app.errors import ModelNotInstalled, UsageError
from rag_app.settings import Ollama, Settings
from tests.contract.conftest import clean_environment  # noqa: F401  # autouse: no proxy or address of the user's
from tests.ollama_server import Fault, Model, OllamaServer
from tests.speaking import says
from tests.test_answering_ollama import QUOTE, Body, number_of

TEMPERATURE = "Which initial value does CLIP give to the temperature?"


def converses(body: Body, images: list[bytes]) -> str:
    """Rewrites "why?" into the question about the temperature, and answers that."""
    if "question" in body["format"]["properties"]:
        return json.dumps({"question": TEMPERATURE})
    return says(("CLIP starts it at 0.07.", number_of(body, QUOTE), QUOTE))


@pytest.fixture
def ollama() -> Iterator[OllamaServer]:
    with OllamaServer(models=[Model("gemma3:4b", {"completion"}, context_length=32768, replies=converses)]) as server:
        yield server


@pytest.fixture
def library(sample_library: Path, ollama: OllamaServer) -> Iterator[Library]:
    settings = Settings(ollama=Ollama(host=ollama.url, retries=0))
    with Library.open(sample_library, settings=settings, read_only=True) as opened:
        yield opened


def test_a_follow_up_is_understood(library: Library) -> None:
    chat = library.as_chat_engine()
    assert isinstance(chat, BaseChatEngine)
    first = chat.chat("What does Table 1 compare?")
    second = chat.chat("and Table 2?")
    assert (second.metadata or {})["standalone"] == "What does Table 2 compare?"
    labels = {citation["label"] for citation in (second.metadata or {})["answer"]["citations"]}
    assert "Table 2" in labels
    assert second.sources[0].raw_input == {"query": "What does Table 2 compare?"}
    assert second.source_nodes and second.sources[0].content == second.response
    assert [(m.role, m.content) for m in chat.chat_history] == [
        (MessageRole.USER, "What does Table 1 compare?"),
        (MessageRole.ASSISTANT, first.response),
        (MessageRole.USER, "and Table 2?"),
        (MessageRole.ASSISTANT, second.response),
    ]


def test_reset_forgets(library: Library) -> None:
    chat = library.as_chat_engine()
    chat.chat("What does Table 1 compare?")
    chat.reset()
    assert chat.chat_history == []
    assert (chat.chat("and Table 2?").metadata or {})["standalone"] == "and Table 2?"


def test_a_conversation_can_be_handed_in(library: Library) -> None:
    given = [
        ChatMessage(role=MessageRole.SYSTEM, content="Be brief."),
        ChatMessage(role=MessageRole.USER, content="What does Table 1 compare?"),
        ChatMessage(role=MessageRole.ASSISTANT, content="Models."),
    ]
    chat = library.as_chat_engine()
    chat.chat("Which optimizer was used?")
    assert (chat.chat("and Table 2?", chat_history=given).metadata or {})["standalone"] == "What does Table 2 compare?"
    assert len(chat.chat_history) == 5
    assert len(given) == 3
    again = PaperChatEngine(library.as_query_engine(), chat_history=given)
    assert (again.chat("and Table 2?").metadata or {})["standalone"] == "What does Table 2 compare?"


def test_all_four_ways_answer_alike(library: Library) -> None:
    async def asynchronous() -> tuple[str, str]:
        chat = library.as_chat_engine()
        await chat.achat("What does Table 1 compare?")
        answered = await chat.achat("and Table 2?")
        chat.reset()
        await chat.achat("What does Table 1 compare?")
        stream = await chat.astream_chat("and Table 2?")
        pieces = [piece async for piece in stream.async_response_gen()]
        assert "".join(pieces) == stream.response == chat.chat_history[-1].content
        return answered.response, stream.response

    chat = library.as_chat_engine()
    chat.chat("What does Table 1 compare?")
    stream = chat.stream_chat("and Table 2?")
    assert stream.source_nodes
    streamed = str(stream)
    chat.reset()
    chat.chat("What does Table 1 compare?")
    answered = chat.chat("and Table 2?").response
    assert {streamed, *asyncio.run(asynchronous())} == {answered}


def test_a_model_rewrites_and_answers(library: Library, ollama: OllamaServer) -> None:
    chat = library.as_chat_engine().use(answer="ollama:gemma3:4b")
    assert chat.answerer.name == "ollama:gemma3:4b"
    chat.chat(TEMPERATURE)
    ollama.clear()
    stream = chat.stream_chat("Why that one?")
    pieces = list(stream.response_gen)
    assert len(pieces) > 1 and "".join(pieces) == "CLIP starts it at 0.07."  # the draft, without marks
    assert stream.response == "CLIP starts it at 0.07. [1]"
    assert stream.metadata["standalone"] == TEMPERATURE
    assert stream.metadata["answer"]["models"]["answer"] == "ollama:gemma3:4b"
    assert [request.path for request in ollama.requests].count("/api/chat") == 2
    assert list(stream.response_gen) == [stream.response]

    async def later() -> list[str]:
        answering = await chat.astream_chat("Why that one?")
        return [piece async for piece in answering.async_response_gen()]

    assert "".join(asyncio.run(later())) == "CLIP starts it at 0.07."
    assert len(chat.chat_history) == 6


def test_what_was_not_answered_is_no_part_of_the_conversation(library: Library, ollama: OllamaServer) -> None:
    chat = library.as_chat_engine(answer="gemma3:4b")
    ollama.fail(Fault.RUNNER_KILLED, times=1)
    with pytest.raises(Exception, match="gemma3:4b"):
        chat.chat(TEMPERATURE)
    stream = chat.stream_chat(TEMPERATURE).response_gen
    next(iter(stream))
    stream.close()
    assert chat.chat_history == []
    with pytest.raises(ModelNotInstalled):
        chat.use(answer="gema3:4b")
    assert chat.chat(TEMPERATURE).response == "CLIP starts it at 0.07. [1]"


def test_a_stream_is_read_as_it_was_asked_for(library: Library) -> None:
    chat = library.as_chat_engine()
    with pytest.raises(UsageError, match="async_response_gen"):
        list(asyncio.run(chat.astream_chat(TEMPERATURE)).response_gen)

    async def wrong() -> None:
        async for _ in chat.stream_chat(TEMPERATURE).async_response_gen():
            pass

    with pytest.raises(UsageError, match="response_gen"):
        asyncio.run(wrong())
