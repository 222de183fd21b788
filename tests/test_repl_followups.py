"""Follow-up questions: by rules in English and Persian, by the model, and by rules again where the model fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rag_app import Library
from rag_app.repl.chat import Chat
from rag_app.repl.followups import may_lean, standalone
from rag_app.settings import Ollama, Settings
from tests.contract.conftest import clean_environment  # noqa: F401  # autouse: no proxy or address of the user's
from tests.ollama_server import Fault, Model, OllamaServer
from tests.test_answering_ollama import TEMPERATURE, chats, knows

COMPLETED = [
    ("What is the BLEU score in Table 2?", "and for table 3?", "What is the BLEU score in table 3?"),
    ("What does Figure 1 show?", "Figure 2?", "What does Figure 2 show?"),
    ("What accuracy does CLIP reach on ImageNet?", "And on CIFAR?", "What accuracy does CLIP reach on CIFAR?"),
    ("What accuracy does CLIP reach?", "What about BLIP?", "What accuracy does BLIP reach?"),
    ("What does the temperature do?", "for retrieval?", "What does the temperature do, for retrieval?"),
    ("What is CLIP?", "What is its temperature?", "What is CLIP's temperature?"),
    ("What is CLIP?", "How was it trained?", "How was CLIP trained?"),
    ("What is CLIP?", "Which data does this model use?", "Which data does this model use (about CLIP)?"),
    ("What is CLIP?", "why?", "Why? What is CLIP?"),
    ("دقت مدل در جدول ۲ چند است؟", "و در جدول ۳؟", "دقت مدل در جدول ۳ چند است؟"),
    ("شکل ۱ چه را نشان می‌دهد؟", "و شکل ۲؟", "شکل ۲ چه را نشان می‌دهد؟"),
    ("CLIP چیست؟", "دمای آن چند است؟", "دمای CLIP چند است؟"),
    ("CLIP چیست؟", "BLIP چطور؟", "BLIP چیست؟"),
]


@pytest.mark.parametrize(("before", "question", "whole"), COMPLETED)
def test_what_is_left_out_is_taken_from_the_question_before(before: str, question: str, whole: str) -> None:
    assert may_lean(question)
    assert standalone(question, [before]) == whole


@pytest.mark.parametrize(
    "question",
    [
        TEMPERATURE,
        "Is it true that ALIGN uses noisy pairs?",
        "How does BLIP work and what is its loss?",
        "hello",
        "???",
        "",
    ],
)
def test_what_stands_by_itself_is_left_as_it_is(question: str) -> None:
    assert standalone(question, ["How many pairs was CLIP trained on?"]) == question
    assert standalone("and for table 3?", []) == "and for table 3?"


def rewrites(body: dict[str, Any], images: list[bytes]) -> str:
    """Rewrites follow-ups; answers the question about the temperature."""
    if "<follow-up" in body["messages"][-1]["content"]:
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
    ollama.fail(Fault.RUNNER_STOPPED, times=1, where=lambda request: "<follow-up" in str(request.body))
    answer = talk.ask("How was it trained?")
    assert answer.question == "How was CLIP trained?"
