"""The loop: lines in, answers out, until the end of input or /quit. One broken question never ends it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from rag_app.answering.answer import Answer
from rag_app.errors import RagAppError
from rag_app.repl.chat import Chat
from rag_app.repl.commands import Leave, run_command

OnText = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the loop needs of the outside.

    read         the next line; EOFError at the end, KeyboardInterrupt on Ctrl-C
    show         takes a checked answer
    warn         takes one sentence about what went wrong
    drafting     a context for one question: gives the function that takes pieces of the draft
    interactive  a person is there: Ctrl-C ends the answer and not the loop
    """

    read: Callable[[], str]
    show: Callable[[Answer], None]
    warn: Callable[[str], None]
    drafting: Callable[[], AbstractContextManager[OnText]]
    interactive: bool


def converse(chat: Chat, around: Surroundings) -> int:
    """Answer line by line; how many questions and commands failed."""
    failed = 0
    while True:
        try:
            line = around.read().strip()
        except EOFError:
            return failed
        except KeyboardInterrupt:
            if not around.interactive:
                raise
            around.warn("Leave with /quit or Ctrl-D.")
            continue
        if not line:
            continue
        try:
            if line.startswith("/"):
                run_command(chat, line)
                continue
            with around.drafting() as on_text:
                answer = chat.ask(line, on_text=on_text)
            around.show(answer)
        except Leave:
            return failed
        except RagAppError as exc:
            failed += 1
            around.warn(str(exc))
        except KeyboardInterrupt:
            if not around.interactive:
                raise
            around.warn("Interrupted. Ask again, or leave with /quit.")
