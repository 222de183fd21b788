"""The conversation: questions and commands from a terminal or a pipe, and another model in the middle of it."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from rag_app import Library
from rag_app.answering.answer import Answer
from rag_app.errors import ModelNotInstalled, ModelUnreachable, UnknownName, UsageError
from rag_app.repl.chat import Chat
from rag_app.repl.commands import COMMANDS, Leave, run_command
from rag_app.repl.loop import Surroundings, converse
from rag_app.settings import Ollama, Settings
from tests.contract.conftest import clean_environment  # noqa: F401  # autouse: no proxy or address of the user's
from tests.ollama_server import Model, OllamaServer
from tests.test_answering_ollama import TEMPERATURE, chats, knows

PROGRAM = Path(sys.executable).with_name("rag-app")


@pytest.fixture
def ollama() -> Iterator[OllamaServer]:
    models = [
        Model("gemma3:4b", context_length=32768, replies=knows),
        Model("tiny:1b", context_length=4096, replies=knows),
        Model("qwen2.5vl:7b", capabilities={"completion", "vision"}, replies=knows),
    ]
    with OllamaServer(models=models) as server:
        yield server


@pytest.fixture
def library(sample_library: Path, ollama: OllamaServer) -> Iterator[Library]:
    settings = Settings(ollama=Ollama(host=ollama.url, retries=0))
    with Library.open(sample_library, settings=settings, read_only=True) as opened:
        yield opened


class Talk:
    """A conversation over given lines: an exception among them is raised by reading."""

    def __init__(self, chat: Chat, lines: list[str | BaseException], *, interactive: bool = True) -> None:
        self.answers: list[Answer] = []
        self.warnings: list[str] = []
        self.pieces: list[str] = []
        self._lines = iter(lines)
        self.failed = converse(
            chat, Surroundings(self._read, self.answers.append, self.warnings.append, self._drafting, interactive)
        )

    def _read(self) -> str:
        line = next(self._lines, EOFError())
        if isinstance(line, BaseException):
            raise line
        return line

    @contextlib.contextmanager
    def _drafting(self) -> Iterator[Callable[[str], None]]:
        yield self.pieces.append


def test_another_model_from_the_next_question_on(library: Library, ollama: OllamaServer) -> None:
    said: list[str] = []
    chat = Chat(library, say=said.append, answer="gemma3:4b")
    talk = Talk(chat, [TEMPERATURE, "/model tiny:1b", TEMPERATURE, "/model", "/quit", "never asked"])
    assert [answer.models["answer"] for answer in talk.answers] == ["ollama:gemma3:4b", "ollama:tiny:1b"]
    assert said[0] == "answer: ollama:tiny:1b" and "answer: ollama:tiny:1b\n" in said[1]
    assert "".join(talk.pieces) == 2 * "CLIP starts it at 0.07."
    first, second = chats(ollama)
    assert (first.model, first.options["num_ctx"]) == ("gemma3:4b", 8192)
    assert (second.model, second.options["num_ctx"]) == ("tiny:1b", 4096)
    after = [request.model for request in ollama.requests[ollama.requests.index(first) + 1 :] if request.model]
    assert set(after) == {"tiny:1b"}
    assert talk.failed == 0


def test_a_model_that_is_not_there_is_refused_and_the_old_one_stays(library: Library, ollama: OllamaServer) -> None:
    chat = Chat(library, say=print, answer="gemma3:4b")
    talk = Talk(chat, ["/model gema3:4b", TEMPERATURE])
    assert "did you mean gemma3:4b" in talk.warnings[0] and talk.failed == 1
    assert [answer.models["answer"] for answer in talk.answers] == ["ollama:gemma3:4b"]
    assert chat.models["answer"] == "ollama:gemma3:4b"
    assert {request.model for request in chats(ollama)} == {"gemma3:4b"}


def test_back_to_builtin_without_a_server(library: Library, ollama: OllamaServer) -> None:
    chat = Chat(library, say=print, answer="gemma3:4b")
    ollama.close()
    talk = Talk(chat, [TEMPERATURE, "/model builtin", TEMPERATURE])
    assert len(talk.warnings) == 1 and ollama.url.split("//")[1] in talk.warnings[0]
    assert [answer.models["answer"] for answer in talk.answers] == ["builtin"]


def test_roles(library: Library) -> None:
    said: list[str] = []
    chat = Chat(library, say=said.append)
    run_command(chat, "/model vision qwen2.5vl:7b")
    assert said == ["vision: ollama:qwen2.5vl:7b"]
    assert library.settings.models.vision == "ollama:qwen2.5vl:7b"
    with pytest.raises(UnknownName):
        run_command(chat, "/model vision tiny:1b")  # it cannot see
    assert library.settings.models.vision == "ollama:qwen2.5vl:7b"
    with pytest.raises(UsageError, match=r"text_embedding.*settings\.toml"):
        run_command(chat, "/model text_embedding bge-m3")
    with pytest.raises(UnknownName, match="Did you mean vision"):
        run_command(chat, "/model vison qwen2.5vl:7b")
    with pytest.raises(UsageError, match="/model NAME"):
        run_command(chat, "/model answer a b")


def test_models_are_listed(library: Library, ollama: OllamaServer) -> None:
    said: list[str] = []
    chat = Chat(library, say=said.append)
    run_command(chat, "/models")
    assert "answer: builtin" in said[0]
    assert re.search(r"qwen2\.5vl:7b +completion, vision +0\.0 GB", said[1])
    ollama.close()
    run_command(chat, "/models")
    assert "builtin is always there" in said[-1]


def test_commands_are_a_table_and_unknown_ones_suggest(library: Library) -> None:
    said: list[str] = []
    chat = Chat(library, say=said.append)
    run_command(chat, "/help")
    assert all(f"/{name}" in said[0] for name in COMMANDS)
    for line, hint in (("/modle x", "did you mean /model?"), ("/xyzzy", "the commands are"), ("/", "the commands are")):
        with pytest.raises(UsageError, match=re.escape(hint)):
            run_command(chat, line)
    with pytest.raises(UsageError, match="quotation mark"):
        run_command(chat, '/model "x')
    with pytest.raises(UsageError, match="nothing after it"):
        run_command(chat, "/models x")
    with pytest.raises(Leave):
        run_command(chat, "/QUIT")


def test_ctrl_c_ends_the_answer_and_not_the_conversation(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    chat = Chat(library, say=said.append)
    asked: list[str] = []

    def ask(question: str, **_: object) -> Answer:
        asked.append(question)
        if len(asked) == 1:
            raise KeyboardInterrupt
        return Chat.ask(chat, question)

    monkeypatch.setattr(chat, "ask", ask)
    talk = Talk(chat, ["slow one", KeyboardInterrupt(), "", TEMPERATURE])
    assert len(talk.answers) == 1 and talk.failed == 0
    assert [notice.split(".")[0] for notice in said if notice[:1] != "→"] == [
        "Interrupted",
        "Press Ctrl-C again to leave, or ask on",
    ]
    with pytest.raises(KeyboardInterrupt):
        Talk(chat, [KeyboardInterrupt()], interactive=False)


def test_an_error_does_not_end_it(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    chat = Chat(library, say=print)
    errors = iter([ModelUnreachable("No server answers."), ModelNotInstalled("No such model.")])
    monkeypatch.setattr(chat, "ask", lambda *_, **__: (_ for _ in ()).throw(next(errors)))
    talk = Talk(chat, ["one", "two"])
    assert talk.warnings == ["No server answers.", "No such model."] and talk.failed == 2


# --- the program ----------------------------------------------------------------------------------------------------


def settings_of(folder: Path, server: OllamaServer, model: str = "gemma3:4b") -> None:
    (folder / "settings.toml").write_text(
        f'[models]\nanswer = "{model}"\n[ollama]\nhost = "{server.url}"\nretries = 0\n', encoding="utf-8"
    )


def test_from_a_pipe_each_line_is_answered(
    sample_library: Path, copy_of: Callable[[Path], Path], ollama: OllamaServer
) -> None:
    folder = copy_of(sample_library)
    settings_of(folder, ollama)
    lines = f"{TEMPERATURE}\n/model tiny:1b\n{TEMPERATURE}\n/modl\n"
    done = subprocess.run(
        [PROGRAM, "chat", "--json", "--library", folder],
        input=lines, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False,
    )  # fmt: skip
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["models"]["answer"] for answer in answers] == ["ollama:gemma3:4b", "ollama:tiny:1b"]
    assert "did you mean /model?" in done.stderr and "Traceback" not in done.stderr
    assert done.returncode == 1  # one line failed


def test_again_shows_each_answer_once_side_by_side_and_the_new_citations(
    sample_library: Path, copy_of: Callable[[Path], Path], ollama: OllamaServer
) -> None:
    folder = copy_of(sample_library)
    settings_of(folder, ollama, model="builtin")
    done = subprocess.run(
        [PROGRAM, "chat", "--library", folder],
        input=f"{TEMPERATURE}\n/again gemma3:4b\n", capture_output=True, text=True, encoding="utf-8", timeout=120,
        check=False, env={**os.environ, "COLUMNS": "100"},
    )  # fmt: skip
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert done.stdout.count("CLIP starts it at 0.07.") == 1
    head = next(line for line in done.stdout.splitlines() if "builtin" in line)
    assert "ollama:gemma3:4b" in head  # in one line: side by side
    after = done.stdout[done.stdout.index(head) :]
    assert (
        "ollama:gemma3:4b cites:" in after
        and "“CLIP starts at 0.07”" in after
        and after.count("[1] How Vision-Language Models See") == 1
    )


def test_on_a_terminal_the_draft_is_shown_and_ctrl_c_stops_an_answer(
    sample_library: Path, copy_of: Callable[[Path], Path], ollama: OllamaServer
) -> None:
    folder = copy_of(sample_library)
    settings_of(folder, ollama)
    for model in ollama.models:
        model.piece_s = 0.5 if model.name == "gemma3:4b" else 0.02
    master, slave = pty.openpty()
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "PROMPT_TOOLKIT_NO_CPR": "1"}
    chat = subprocess.Popen(
        [PROGRAM, "chat", "--library", folder],
        stdin=slave, stdout=slave, stderr=slave, env=environ, start_new_session=True, close_fds=True,
    )  # fmt: skip
    os.close(slave)
    try:
        screen = Screen(master)
        screen.until("?")
        screen.type(f"{TEMPERATURE}\n")
        wait_for(lambda: bool(chats(ollama)))
        screen.until("CLIP sta")  # the draft
        os.kill(chat.pid, signal.SIGINT)
        screen.until("Interrupted. Ask again")
        screen.type("/model tiny:1b\n")
        screen.until("answer: ollama:tiny:1b")
        screen.type(f"{TEMPERATURE}\n")
        screen.until("CLIP starts it at 0.07. [1]")
        screen.type("/quit\n")
        assert chat.wait(30) == 0
    finally:
        if chat.poll() is None:
            chat.kill()
            chat.wait()
        os.close(master)
    first, last = chats(ollama)
    assert (first.model, last.model) == ("gemma3:4b", "tiny:1b")
    wait_for(lambda: first.gone)  # the server was told to stop


class Screen:
    """What a program writes to its terminal."""

    def __init__(self, master: int) -> None:
        self._master = master
        self._seen = ""
        self.raw = ""

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def until(self, words: str, *, within_s: float = 60.0) -> None:
        """Read until `words` are there; what was read up to them is gone."""
        ends = time.monotonic() + within_s
        while words not in self._seen:
            left = ends - time.monotonic()
            assert left > 0, f"{words!r} did not come; there is: {self._seen!r}"
            if select.select([self._master], [], [], min(left, 0.2))[0]:
                new = os.read(self._master, 4096).decode(errors="replace")
                self.raw += new
                self._seen = click.unstyle(self._seen + new)
        self._seen = self._seen.split(words, 1)[1]


@pytest.mark.parametrize(
    ("variable", "codes"), [("TERM=xterm-256color", True), ("NO_COLOR=1", False), ("TERM=dumb", False)]
)
def test_styles_only_where_the_terminal_takes_them(
    sample_library: Path, copy_of: Callable[[Path], Path], ollama: OllamaServer, variable: str, codes: bool
) -> None:
    """Bold and colour not with NO_COLOR; no code at all on a dumb terminal, and the same words everywhere."""
    folder = copy_of(sample_library)
    settings_of(folder, ollama)
    name, _, value = variable.partition("=")
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "PROMPT_TOOLKIT_NO_CPR": "1", name: value}
    for command in (["ask", TEMPERATURE], ["chat"]):
        master, slave = pty.openpty()
        program = subprocess.Popen(
            [PROGRAM, *command, "--library", folder],
            stdin=slave, stdout=slave, stderr=slave, env=environ, start_new_session=True, close_fds=True,
        )  # fmt: skip
        os.close(slave)
        screen = Screen(master)
        try:
            if command == ["chat"]:
                screen.until("?")
                screen.type(f"{TEMPERATURE}\n")
            screen.until("CLIP starts it at 0.07. [1]")
            screen.until("“CLIP starts at 0.07”")
            if command == ["chat"]:
                screen.type("/quit\n")
            program.wait(30)
        finally:
            if program.poll() is None:
                program.kill()
                program.wait()
            os.close(master)
        assert bool(re.search(r"\x1b\[[0-9;]*[1-9][0-9;]*m", screen.raw)) == codes, screen.raw
        if value == "dumb":
            assert "\x1b" not in screen.raw


def wait_for(there: Callable[[], bool], *, within_s: float = 30.0) -> None:
    ends = time.monotonic() + within_s
    while not there():
        assert time.monotonic() < ends, "it did not happen in time"
        time.sleep(0.05)
