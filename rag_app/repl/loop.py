"""The loop: lines in, answers out, until the end of input or /quit. One broken question never ends it."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from rag_app.answering.answer import Answer
from rag_app.errors import RagAppError
from rag_app.repl.chat import Chat, OnText
from rag_app.repl.commands import Leave, run_command

# Control characters but for tab and newline, direction overrides, and halves of characters that no file can hold.
_UNWANTED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_HALVES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the loop needs of the outside.

    read         the next line; EOFError at the end, KeyboardInterrupt on Ctrl-C
    show         takes a checked answer
    warn         takes one sentence about what went wrong
    drafting     a context for one question: gives the function that takes pieces of the draft
    interactive  a person is there: Ctrl-C ends the answer and not the loop, twice at the prompt ends it too
    """

    read: Callable[[], str]
    show: Callable[[Answer], None]
    warn: Callable[[str], None]
    drafting: Callable[[], AbstractContextManager[OnText]]
    interactive: bool


def converse(chat: Chat, around: Surroundings) -> int:
    """Answer line by line; how many questions and commands failed."""
    failed = 0
    interrupted = False  # at the prompt, just before
    while True:
        try:
            line = cleaned(around.read())
        except EOFError:
            return failed
        except KeyboardInterrupt:
            if not around.interactive:
                raise
            if interrupted:
                return failed
            interrupted = True
            chat.say("Press Ctrl-C again to leave, or ask on.")
            continue
        interrupted = False
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
            chat.say("Interrupted. Ask again, or leave with /quit.")


def cleaned(line: str) -> str:
    """A line as it is worked with: without control characters and what is no whole character."""
    return _HALVES.sub("\N{REPLACEMENT CHARACTER}", _UNWANTED.sub("", line.replace("\r", "\n"))).strip()
