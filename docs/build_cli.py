"""Write docs/cli.md from the commands' own --help. `make docs` runs it; a test says when the page is out of date."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from rag_app.cli.main import cli

PAGE = Path(__file__).with_name("cli.md")
WIDTH = 100
HEAD = """# The command line

Written by `make docs` from the commands' own `--help`; do not edit here.

Every command takes `--library`, `--json` and `--debug`, before or after its name. Results go to stdout, progress and
notes to stderr. Exit codes: 0 done, 1 a reported failure, 2 wrong use or settings, 130 interrupted.
"""


def commands(command: click.Command, context: click.Context) -> Iterator[click.Context]:
    """The context of `command` and of every command below it, depth first."""
    yield context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None and not below.hidden:
                yield from commands(below, new_context(below, name, context))


def new_context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    """A context that formats help at a fixed width, whatever the terminal."""
    context = click.Context(command, info_name=name, parent=parent, terminal_width=WIDTH)
    context.help_option_names = ["-h", "--help"]
    return context


def page() -> str:
    """The whole of docs/cli.md."""
    parts = [HEAD]
    for context in commands(cli, new_context(cli, "rag-app", None)):
        parts.append(f"## {context.command_path}\n\n```text\n{context.command.get_help(context).rstrip()}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
