"""Follow-up questions in the chat: rewritten by the model, by rules where it fails; what is asked is shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rag_app import Library
from rag_app.repl.chat import Chat
from rag_app.settings import Ollama, Settings
from tests.contract.conftest import clean_environment  # noqa: F401  # autouse: no proxy or address of the user's
from tests.ollama_server import Fault, Model, OllamaServer
from tests.test_answering_ollama import TEMPERATURE, chats, knows


def rewriting(body: dict[str, Any]) -> bool:
    return "question" in body["format"]["properties"]


def rewrites(body: dict[str, Any], images: list[bytes]) -> str:
    """Rewrites follow-ups; answers the question about the temperature."""
    if rewriting(body):
        return f'{{"question": "{TEMPERATURE}"}}'
    return knows(body, images)


@pytest.fixture
def ollama() -> Iterator[OllamaServer]:
    with OllamaServer(models=[Model("gemma3:4b", context_length=32768, replies=rewrites)]) as server:
        yield server


@pytest.fixture
def chat(sample_library: Path, ollama: OllamaServer) -> Iterator[tuple[Chat, list[str]]]:
    settings = Settings(ollama=Ollama(host=ollama.url, retries=0))
    said: list[str] = []
    with Library.open(sample_library, settings=settings, read_only=True) as library:
        yield Chat(library, say=said.append, answer="gemma3:4b"), said


def test_the_model_rewrites_and_it_is_shown(chat: tuple[Chat, list[str]], ollama: OllamaServer) -> None:
    talk, said = chat
    talk.ask(TEMPERATURE)
    ollama.clear()
    answer = talk.ask("and where does it start?")
    assert answer.question == TEMPERATURE and answer.citations
    assert "".join(said).replace("\n", " ") == f"→ {TEMPERATURE}"
    first, _ = chats(ollama)
    prompt = first.body["messages"][-1]["content"]
    assert "and where does it start?" in prompt and "CLIP starts it at 0.07" in prompt
    assert talk.turns[-1].rewritten and talk.turns[-1].typed == "and where does it start?"


def test_a_question_that_stands_by_itself_costs_no_call(chat: tuple[Chat, list[str]], ollama: OllamaServer) -> None:
    talk, said = chat
    talk.ask(TEMPERATURE)
    talk.ask(TEMPERATURE)
    assert len(chats(ollama)) == 2 and not said


def test_rules_do_it_where_the_model_fails(chat: tuple[Chat, list[str]], ollama: OllamaServer) -> None:
    talk, _ = chat
    talk.ask(TEMPERATURE)
    ollama.fail(Fault.RUNNER_STOPPED, times=1, where=lambda request: rewriting(request.body))
    answer = talk.ask("How was it trained?")
    assert answer.question == "How was CLIP trained?"
