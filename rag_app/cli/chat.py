"""`rag-app chat`."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from rag_app.cli.frame import Call, Command, echo, pass_call, stdout_to_stderr
from rag_app.errors import UsageError

if TYPE_CHECKING:
    from rag_app.answering.answer import Answer
    from rag_app.repl.chat import Chat

_PROMPT = "? "


class Conversation(Command):
    """A command that writes its answers itself, one after the other; all else still goes to stderr."""

    def invoke(self, ctx: click.Context) -> int:
        return click.Command.invoke(self, ctx)


@click.command(
    "chat",
    cls=Conversation,
    example="rag-app chat --answer gemma3:4b\nrag-app chat --json < questions.txt > answers.jsonl",
    context_settings={"max_content_width": 100},
)
@click.option(
    "-k", "k", metavar="N", type=click.IntRange(1, 100), default=8, show_default=True, help="Passages to answer from."
)
@click.option("--answer", "model", metavar="NAME", help="The model that answers. [default: models.answer in settings]")
@click.option(
    "--language", type=click.Choice(["en", "fa"]), help="The answers' language. [default: each question's own]"
)
@pass_call
def chat(call: Call, *, k: int, model: str | None, language: str | None) -> int:
    """Ask one question after the other, and change the model in between.

    A line that begins with / is a command: /open N shows the cited page, /model NAME answers with another model from
    the next question on, /save FILE keeps the conversation, /help shows the others. Follow-up questions are understood.
    Ctrl-C ends an answer, not the conversation. From a pipe, each line is a question; with --json each answer is one
    line of JSON.
    """
    from rag_app.library import Library
    from rag_app.render.comparison import beside_text
    from rag_app.render.drafting import DraftView
    from rag_app.render.terminal import Screen, answer_text, colours, printable
    from rag_app.repl.chat import Chat, Desk
    from rag_app.repl.loop import Surroundings, converse

    interactive = sys.stdin.isatty()
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")  # whatever a pipe brings is read
    colour = colours(sys.stderr, os.environ)
    call.interrupted = "Interrupted; the answers so far stand."

    @contextlib.contextmanager
    def drafting() -> Iterator[Callable[[str], None]]:
        with stdout_to_stderr(), DraftView(library.settings.terminal.right_to_left) as draft:
            yield draft

    @contextlib.contextmanager
    def progress(doing: str, unit: str) -> Iterator[Callable[[int, int], None]]:
        from rag_app.cli.progress import ProgressBar

        with stdout_to_stderr(), ProgressBar(doing, unit) as bar:
            yield bar

    def show(answer: Answer, before: Answer | None = None) -> None:
        screen = Screen.detect(library.settings.terminal.right_to_left)
        if call.json:
            echo(json.dumps(answer.to_dict(), ensure_ascii=False))
        elif before is not None:
            width = shutil.get_terminal_size().columns
            echo(f"{beside_text(before, answer, screen, width=width, library=call.library)}\n")
        else:
            echo(f"{answer_text(answer, screen, library=call.library)}\n")

    with Library.open(call.library, create=False) as library:
        talk = Chat(
            library,
            say=lambda text: echo(text, err=True),
            k=k,
            answer=model,
            language=language,
            desk=Desk(drafting, progress, _browse, _inline, colour=colour, on_terminal=sys.stderr.isatty()),
            show=show,
        )
        if interactive:
            echo(f"Answers by {talk.models['answer']}. /help shows the commands, /quit leaves.", err=True)
        failed = converse(
            talk,
            Surroundings(
                read=_keyboard(talk) if interactive else _next_line,
                show=show,
                warn=lambda text: echo(f"Error: {printable(text)}", err=True),
                drafting=drafting,
                interactive=interactive,
            ),
        )
    return 1 if failed and not interactive else 0


def _keyboard(talk: Chat) -> Callable[[], str]:
    """How a person's lines are read: edited, with history and completion, where the terminal can."""
    from rag_app.render.rtl import terminal_orders_itself
    from rag_app.render.terminal import draws

    if not draws(sys.stdout, os.environ):
        return _read_line
    from rag_app.repl.completing import Names
    from rag_app.repl.keyboard import line_reader

    names = Names(talk.library)
    names.ask_for_models()
    chosen = talk.library.settings.terminal.right_to_left
    try:
        history = talk.folder / "history"
    except UsageError:  # a library that cannot be written keeps none
        history = None
    reorder = chosen == "reorder" or (chosen == "auto" and not terminal_orders_itself(os.environ))
    return line_reader(names, history=history, reorder=reorder)


def _browse(address: str) -> bool:
    """Open an address in a browser with windows; whether there is one. One inside the terminal would take it over."""
    import webbrowser

    windows = sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if not windows and not os.environ.get("BROWSER"):
        return False
    with stdout_to_stderr():
        return webbrowser.open(address)


def _inline(png: bytes) -> str | None:
    from rag_app.render.inline import inline, protocol

    how = protocol(os.environ) if sys.stderr.isatty() else None
    return inline(png, how) if how else None


def _read_line() -> str:
    """A line from a terminal that can do nothing else."""
    click.echo(_PROMPT, nl=False, err=True)
    return _next_line()


def _next_line() -> str:
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line
