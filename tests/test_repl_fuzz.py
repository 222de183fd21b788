"""A thousand lines of all kinds: none may end the conversation with anything but its end, or say a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag_app import Library
from rag_app.answering.answer import Answer
from rag_app.repl.chat import Chat
from rag_app.repl.commands import COMMANDS
from rag_app.repl.completing import Names, completions
from rag_app.repl.loop import cleaned
from rag_app.settings import Ollama, Settings
from tests.contract.conftest import clean_environment  # noqa: F401  # autouse: no proxy or address of the user's
from tests.test_repl import Talk

PROGRAM = Path(sys.executable).with_name("rag-app")
LINES = 1000
UNCHECKED = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
_CLOSED = "http://127.0.0.1:9"  # no server listens on the port "discard"

characters = st.characters(codec=None, categories=None)  # every code point, halves and control characters too
words = st.one_of(
    st.sampled_from(
        "none 1 2 0 -1 999999999999 ٣ ² [1] 1-3 9-1 paper page table figure fa en builtin vision answer "
        "vision_language_models.pdf clip_fa.pdf . .. / ~ ~nobody c.html c.md c.jsonl \" ' \\ gemma3:4b hf: :".split()
    ),
    st.text(characters, max_size=12),
    st.text("a/.-~:", max_size=300),
)
commands = st.builds(
    lambda name, arguments: " ".join([f"/{name}", *arguments]),
    st.one_of(
        st.sampled_from([name for name in COMMANDS if name not in ("add", "quit")]), st.text(characters, max_size=9)
    ),
    st.lists(words, max_size=4),
)
adds = st.builds(lambda text: f"/add ./no-such-folder/{text}", st.text(characters, max_size=300))
questions = st.one_of(
    st.sampled_from(["and for Table 2?", "why?", "و در جدول ۱؟", "What is CLIP?", "دمای آن چند است؟", "it", "؟"]),
    st.text(characters, max_size=60),
    st.builds(lambda text, n: text * n, st.text(characters, min_size=1, max_size=3), st.integers(1, 200_000)),
)
events = st.one_of(
    commands,
    commands,
    adds,
    questions,
    st.sampled_from([KeyboardInterrupt(), EOFError(), "/quit", "", "\x00", "\x1b[A"]),
)


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory, sample_library: Path) -> Iterator[Chat]:
    empty = tmp_path_factory.mktemp("here")
    before = Path.cwd()
    os.chdir(empty)
    no_server = Settings(ollama=Ollama(host=_CLOSED, retries=0, first_word_s=1))
    with Library.open(sample_library, settings=no_server) as library:
        yield Chat(library, say=lambda text: None)
    os.chdir(before)


spent = {"lines": 0}


@settings(max_examples=LINES, deadline=None, derandomize=True, suppress_health_check=UNCHECKED)
@given(event=events)
def test_no_line_gives_a_traceback(chat: Chat, event: str | BaseException) -> None:
    said: list[str] = []
    chat.say = said.append
    talk = Talk(chat, [event])
    spent["lines"] += 1
    del chat.turns[:-3]
    for text in (*said, *talk.warnings):
        assert "Traceback" not in text
        text.encode("utf-8")
    assert all(isinstance(answer, Answer) for answer in talk.answers)


def test_so_many_lines_were_tried() -> None:
    assert spent["lines"] >= LINES


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=UNCHECKED)
@given(line=st.one_of(commands, questions))
def test_completion_takes_any_line(chat: Chat, line: str) -> None:
    for _, replaced in completions(cleaned(line), Names(chat.library)):
        assert 0 <= replaced <= len(line)


def test_a_pipe_of_bytes_that_are_no_text(sample_library: Path, tmp_path: Path) -> None:
    lines = (
        b"\xff\xfe\x00\n/why\n\xed\xa0\x80 what is CLIP?\n/open \x00\n" + b"x" * 100_000 + b"\n\x1b[31m/save \x07\n/"
    )
    done = subprocess.run(
        [PROGRAM, "chat", "--library", sample_library], input=lines, capture_output=True, timeout=120, check=False,
        cwd=tmp_path,
    )  # fmt: skip
    said = done.stderr.decode()
    assert done.returncode == 1 and "Traceback" not in said and "defect" not in said
    assert "100,000 characters" in said and "\x1b[31m" not in said
