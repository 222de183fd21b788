"""The commands of a conversation, as a table: a name, how it is written, what it does, what can stand after it.

A new command is one function and one line in COMMANDS.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rag_app.errors import UsageError
from rag_app.repl import adding, looking, narrowing, repeating, reviewing, saving, showing, switching
from rag_app.repl.chat import Chat

_USAGE = 28  # columns of what is written, in the list of commands


class Leave(Exception):
    """The user wants to end the conversation."""


@dataclass(frozen=True, slots=True)
class ChatCommand:
    """usage: its arguments as the user writes them; run: takes the words after the name.

    completes: what can stand at each place after the name, as rag_app.repl.completing knows it; the last one for all
    places after it.
    """

    usage: str
    help: str
    run: Callable[[Chat, Sequence[str]], None]
    completes: tuple[str, ...] = ()


def run_command(chat: Chat, line: str) -> None:
    """Carry out one line that begins with "/".

    Raises UsageError for an unknown command, with the nearest one; Leave; and whatever the command raises.
    """
    try:
        words = shlex.split(line.strip()[1:])
    except ValueError as exc:  # an open quotation mark
        raise UsageError(f"{shown(line)} cannot be read ({exc}); close the quotation mark.") from exc
    name, arguments = (words[0].lower(), words[1:]) if words else ("", [])
    command = COMMANDS.get(name)
    if command is None:
        near = difflib.get_close_matches(name[:40], COMMANDS, n=1, cutoff=0.4)
        hint = f"did you mean /{near[0]}?" if near else f"the commands are {', '.join(f'/{c}' for c in COMMANDS)}."
        raise UsageError(f"There is no command {shown(f'/{name}')}; {hint}")
    command.run(chat, arguments)


def shown(text: str) -> str:
    """What the user typed, short enough for a sentence."""
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:60]} …"


def _help(chat: Chat, words: Sequence[str]) -> None:
    chosen = COMMANDS
    if words:
        name = words[0].lower().removeprefix("/")
        if name not in COMMANDS:
            raise UsageError(f"There is no command {shown(f'/{name}')}; /help lists them.")
        chosen = {name: COMMANDS[name]}
    lines = []
    for name, command in chosen.items():
        usage = f"/{name} {command.usage}".rstrip()
        fits = len(usage) <= _USAGE
        first = f"{usage:{_USAGE}}  " if fits else " " * (_USAGE + 2)
        lines += [] if fits else [usage]
        lines += chat.screen.paragraph(command.help, first=first, indent=" " * (_USAGE + 2))
    if not words:
        lines += chat.screen.paragraph(
            "Anything else is a question; a follow-up such as “and for Table 3?” is understood."
        )
        lines += chat.screen.paragraph(
            "Alt-Enter, or a \\ at a line's end, starts a new line. Ctrl-C ends an answer; twice, the conversation."
        )
    chat.say("\n".join(lines))


def _quit(chat: Chat, words: Sequence[str]) -> None:
    raise Leave


COMMANDS: dict[str, ChatCommand] = {
    "model": ChatCommand(
        "[[ROLE] NAME]", "show the models in use, or answer with another one from now on", switching.model, ("models",)
    ),
    "models": ChatCommand("", "list the models that Ollama has", switching.models),
    "again": ChatCommand("NAME", "ask the last question of another model, side by side", repeating.again, ("models",)),
    "papers": ChatCommand("", "list the papers of the library", looking.papers),
    "add": ChatCommand("PATH", "read a PDF, a picture or a folder into the library", adding.add, ("paths",)),
    "filter": ChatCommand(
        "[paper NAME ... | page N ... | none]",
        "answer from these papers or pages only",
        narrowing.narrow,
        ("filters", "papers"),
    ),
    "kind": ChatCommand(
        "[KIND ... | none]", "answer from these kinds of evidence only, such as table", narrowing.kind, ("kinds",)
    ),
    "language": ChatCommand("[en | fa | none]", "answer in this language", narrowing.language, ("languages",)),
    "why": ChatCommand(
        "[N]", "what was found for the last answer, by what, with scores; N: for citation N", looking.why
    ),
    "open": ChatCommand("[N]", "open the cited page of citation N, its box highlighted", showing.open_page),
    "figure": ChatCommand("[N]", "show the figure, table or passage of citation N", showing.figure),
    "image": ChatCommand(
        "FILE [QUESTION]", "ask about a picture; builtin: find those like it", adding.image, ("paths",)
    ),
    "save": ChatCommand("FILE.html|.md|.jsonl", "write the conversation to a file", saving.save, ("paths",)),
    "review": ChatCommand(
        "FILE | keep | drop | skip | question TEXT | answer TEXT",
        "look at generated questions one by one",
        reviewing.review,
        ("paths",),
    ),
    "history": ChatCommand("", "list the questions of this conversation", looking.history),
    "stats": ChatCommand("", "what the library holds and what this conversation took", looking.stats),
    "help": ChatCommand("[COMMAND]", "show this", _help, ("commands",)),
    "quit": ChatCommand("", "leave; so does the end of input", _quit),
}
