"""The commands of a conversation, as a table: a name, how it is written, what it does.

A new command is one function and one line in COMMANDS.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from adapters.names import ROLES, parse_role
from rag_app.errors import ModelError, UsageError
from rag_app.repl.chat import Chat


class Leave(Exception):
    """The user wants to end the conversation."""


@dataclass(frozen=True, slots=True)
class ChatCommand:
    """usage: its arguments as the user writes them; run: takes the words after the name."""

    usage: str
    help: str
    run: Callable[[Chat, Sequence[str]], None]


def run_command(chat: Chat, line: str) -> None:
    """Carry out one line that begins with "/".

    Raises UsageError for an unknown command, with the nearest one; Leave; and whatever the command raises.
    """
    try:
        words = shlex.split(line.strip()[1:])
    except ValueError as exc:  # an open quotation mark
        raise UsageError(f"{line.strip()!r} cannot be read ({exc}); close the quotation mark.") from exc
    name, arguments = (words[0].lower(), words[1:]) if words else ("", [])
    command = COMMANDS.get(name)
    if command is None:
        near = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.4)
        hint = f"did you mean /{near[0]}?" if near else f"the commands are {', '.join(f'/{c}' for c in COMMANDS)}."
        raise UsageError(f"There is no command /{name}; {hint}")
    command.run(chat, arguments)


def _help(chat: Chat, words: Sequence[str]) -> None:
    rows = [(f"/{name} {command.usage}".rstrip(), command.help) for name, command in COMMANDS.items()]
    width = max(len(usage) for usage, _ in rows)
    chat.say("\n".join([*(f"{usage:{width}}  {text}" for usage, text in rows), "Anything else is a question."]))


def _model(chat: Chat, words: Sequence[str]) -> None:
    if not words:
        chat.say("\n".join(f"{role}: {chat.models[role]}" for role in ROLES if role in chat.models))
    elif len(words) == 1:
        chat.say(f"answer: {chat.use('answer', words[0])}")
    elif len(words) == 2:
        role = parse_role(words[0])
        chat.say(f"{role}: {chat.use(role, words[1])}")
    else:
        raise UsageError("Write /model NAME or /model ROLE NAME, such as /model gemma3:4b.")


def _models(chat: Chat, words: Sequence[str]) -> None:
    from adapters.ollama import catalogue

    _none_of(words, "models")
    _model(chat, [])
    try:
        installed = catalogue.installed(chat.library.settings)
    except ModelError as exc:
        chat.say(f"builtin is always there. {exc}")
        return
    rows = [
        (model.name, ", ".join(sorted(model.capabilities)), f"{model.size_bytes / 1e9:.1f} GB") for model in installed
    ]
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(2)]
    lines = [f"  {name:{widths[0]}}  {can:{widths[1]}}  {size}" for name, can, size in rows]
    chat.say("\n".join(["installed in Ollama:", *(lines or ["  nothing; get a model: rag-app models pull NAME"])]))


def _quit(chat: Chat, words: Sequence[str]) -> None:
    raise Leave


def _none_of(words: Sequence[str], name: str) -> None:
    if words:
        raise UsageError(f"/{name} takes nothing after it.")


COMMANDS: dict[str, ChatCommand] = {
    "model": ChatCommand("[[ROLE] NAME]", "show the models in use, or answer with another one from now on", _model),
    "models": ChatCommand("", "list the models that Ollama has", _models),
    "help": ChatCommand("", "show this", _help),
    "quit": ChatCommand("", "leave; so does the end of input", _quit),
}
