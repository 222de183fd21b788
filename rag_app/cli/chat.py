"""`rag-app chat`."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from rag_app.cli.frame import Call, Command, pass_call, stdout_to_stderr

if TYPE_CHECKING:
    from rag_app.answering.answer import Answer

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

    A line that begins with / is a command: /model NAME answers with another model from the next question on, /help
    shows the others. Ctrl-C ends an answer, not the conversation. From a pipe, each line is a question; with --json
    each answer is one line of JSON.
    """
    from rag_app.library import Library
    from rag_app.render.drafting import DraftView
    from rag_app.render.terminal import Screen, answer_text
    from rag_app.repl.chat import Chat
    from rag_app.repl.loop import Surroundings, converse

    interactive = sys.stdin.isatty()
    call.interrupted = "Interrupted; the answers so far stand."

    @contextlib.contextmanager
    def drafting() -> Iterator[Callable[[str], None]]:
        with stdout_to_stderr(), DraftView(library.settings.terminal.right_to_left) as draft:
            yield draft

    def show(answer: Answer) -> None:
        if call.json:
            click.echo(json.dumps(answer.to_dict(), ensure_ascii=False))
        else:
            screen = Screen.detect(library.settings.terminal.right_to_left)
            click.echo(f"{answer_text(answer, screen, library=call.library)}\n")

    with Library.open(call.library, create=False) as library:
        talk = Chat(library, say=lambda text: click.echo(text, err=True), k=k, answer=model, language=language)
        if interactive:
            click.echo(f"Answers by {talk.models['answer']}. /help shows the commands, /quit leaves.", err=True)
        failed = converse(
            talk,
            Surroundings(
                read=_read_line if interactive else _next_line,
                show=show,
                warn=lambda text: click.echo(f"Error: {text}", err=True),
                drafting=drafting,
                interactive=interactive,
            ),
        )
    return 1 if failed and not interactive else 0


def _read_line() -> str:
    """A line from the keyboard, with the keys and the history that readline gives where it is there."""
    with contextlib.suppress(ImportError):  # not on Windows
        import readline  # noqa: F401  # importing it is what makes input() use it
    if sys.stdout.isatty():
        return input(_PROMPT)
    click.echo(_PROMPT, nl=False, err=True)
    return input()


def _next_line() -> str:
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line
