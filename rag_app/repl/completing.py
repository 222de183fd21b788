"""What can stand next in a line that is being written: commands, papers, models, kinds, files. Never waits."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Thread

from adapters.names import ROLES
from rag_app.errors import RagAppError
from rag_app.library import Library
from rag_app.repl import narrowing
from rag_app.repl.commands import COMMANDS
from rag_app.repl.words import path_of

_MOST_FILES = 200  # of a folder


class Names:
    """Names that lines are completed with: papers, read when they change, and models, asked once in the background.

    Until the models are there, and where no server answers, builtin alone is offered.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self.models: tuple[str, ...] = ("builtin",)

    def papers(self) -> list[str]:
        """Names of the library's papers."""
        return [document.name for document in self._library.documents()]

    def ask_for_models(self) -> Thread:
        """Ask the servers which models they have; the thread that does."""
        thread = Thread(target=self._ask, name="model names", daemon=True)
        thread.start()
        return thread

    def _ask(self) -> None:
        from adapters.ollama import catalogue
        from adapters.openai_compatible.catalogue import offered

        try:
            named = [f"openai:{model.name}" for model in offered(self._library.settings)]
            self.models = ("builtin", *named)
            installed = catalogue.installed(self._library.settings)
        except RagAppError:  # no names to offer; /models says why
            return
        self.models = ("builtin", *(model.name for model in installed), *named)


def completions(line: str, names: Names) -> Iterator[tuple[str, int]]:
    """What the last word of `line` may become, and how many characters of `line` that replaces."""
    if not line.startswith("/") or "\n" in line:
        return
    words = line[1:].split(" ")
    last = words[-1]
    if len(words) == 1:
        choices: Sequence[str] = tuple(COMMANDS)
    else:
        command = COMMANDS.get(words[0].lower())
        if command is None or not command.completes:
            return
        what = command.completes[min(len(words) - 2, len(command.completes) - 1)]
        if what == "paths":
            yield from _files(line.split(" ", 1)[1])
            return
        if what == "papers" and words[1].lower() not in ("paper", "papers"):
            return
        choices = _choices(what, names, first=len(words) == 2)
    for choice in choices:
        if last.lower() in choice.lower() if len(words) > 1 else choice.startswith(last.lower()):
            yield (choice if len(words) == 1 else shlex.quote(choice)), len(last)


def _choices(what: str, names: Names, *, first: bool) -> Sequence[str]:
    if what == "models":
        return (*names.models, *(ROLES[:2] if first else ()))
    if what == "filters":
        return (*narrowing.FILTERS, *names.papers())
    if what == "papers":
        return names.papers()
    return {"kinds": narrowing.KINDS, "languages": narrowing.LANGUAGES, "commands": tuple(COMMANDS)}[what]


def _files(typed: str) -> Iterator[tuple[str, int]]:
    """Files and folders that the path may become."""
    folder, _, start = typed.rpartition("/")
    try:
        inside = path_of(f"{folder}/") if folder or typed.startswith("/") else Path()
        found = sorted(inside.iterdir())[:_MOST_FILES]
        named = [f"{file.name}/" if file.is_dir() else file.name for file in found]
    except (OSError, ValueError):  # no such folder: nothing to offer
        return
    for name in named:
        if name.startswith(start) and (start or not name.startswith(".")):
            yield shlex.quote(name) if " " in name else name, len(start)
