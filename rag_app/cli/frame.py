"""What every command shares: --library, --json and --debug before or after its name, and one way to show a result.

A command returns a `Shown`; only this module writes it to stdout. While a command works, everything that it or a
library of it prints goes to stderr, so that `--json` is one JSON document whatever happens below.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

DEFAULT_LIBRARY = "rag_library"

# What would steer a terminal: a file's name or a paper may hold it. Our own colours and weights pass.
_STEERS = re.compile("(?!\x1b\\[[0-9;]*m)[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@dataclass
class Call:
    """What was said around the command. `interrupted` is printed after Ctrl-C: how to go on. words: the command line.

    on_terminal: whether the result will be read on a terminal; found out before stdout is turned to stderr.
    """

    library: Path = field(default_factory=lambda: Path(os.environ.get("RAG_APP_LIBRARY") or DEFAULT_LIBRARY))
    json: bool = False
    debug: bool = False
    on_terminal: bool = False
    words: tuple[str, ...] = ()
    interrupted: str = "Interrupted; nothing was changed."


@dataclass(frozen=True, slots=True)
class Shown:
    """A command's result: `document` for --json, `text` for people, and the exit code (0 done, 1 something failed)."""

    document: Mapping[str, Any]
    text: str
    exit_code: int = 0


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:  # Any: click hands over what it parsed
    if value:
        setattr(ctx.ensure_object(Call), str(param.name), value)


def _common_options() -> list[click.Parameter]:
    """New option objects on each call: click binds them to one command."""
    shared: dict[str, Any] = {"expose_value": False, "callback": _remember, "default": None}
    return [
        click.Option(
            ["--library"],
            type=click.Path(file_okay=False, path_type=Path),
            metavar="DIR",
            help=f"The library's folder. [default: $RAG_APP_LIBRARY or ./{DEFAULT_LIBRARY}]",
            **shared,
        ),
        click.Option(["--json"], is_flag=True, help="Print one JSON document on stdout, all else on stderr.", **shared),
        click.Option(["--debug"], is_flag=True, help="Show the traceback of an error.", **shared),
    ]


@contextlib.contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Send what is written to stdout meanwhile, by Python and by C code, to stderr."""
    sys.stdout.flush()
    try:
        kept = os.dup(1)
    except OSError:  # stdout is closed
        kept = None
    try:
        if kept is not None:
            os.dup2(2, 1)
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        if kept is not None:
            os.dup2(kept, 1)
            os.close(kept)


def echo(text: str, *, err: bool = False) -> None:
    """Print a line or more, styled only where stdout, or stderr, is a terminal that takes styles."""
    from rag_app.render.terminal import colours

    click.echo(text, err=err, color=colours(sys.stderr if err else sys.stdout, os.environ))


class Command(click.Command):
    """A command with the common options, an example in its help, and a `Shown` as its result."""

    def __init__(self, *args: Any, example: str, **kwargs: Any) -> None:  # Any: click.Command's own arguments
        super().__init__(*args, **kwargs)
        self.example = example
        self.params.extend(_common_options())

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Example"):
            for line in self.example.splitlines():
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")

    def invoke(self, ctx: click.Context) -> int:
        call = ctx.ensure_object(Call)
        call.on_terminal = sys.stdout.isatty()
        with stdout_to_stderr():
            shown = super().invoke(ctx)
        if call.json:
            document = json.dumps(shown.document, ensure_ascii=False, indent=2)
            text = _STEERS.sub(lambda found: f"\\u{ord(found[0]):04x}", document)  # all of them stand in strings
        else:
            text = _STEERS.sub("", shown.text)
        try:
            echo(text)
        except BrokenPipeError:  # the reader left early, as `head` does; the flush at exit must not fail again
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return shown.exit_code


class Group(click.Group):
    """A group whose commands are modules of this package, loaded when one of them is asked for or listed."""

    def __init__(
        self, *args: Any, members: Mapping[str, str] | None = None, **kwargs: Any
    ) -> None:  # Any: click.Group's
        super().__init__(*args, **kwargs)
        self.members = dict(members or {})  # command name -> "module:attribute"
        self.params.extend(_common_options())

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.members, *self.commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self.members:
            module, attribute = self.members[cmd_name].split(":")
            return getattr(importlib.import_module(module), attribute)
        return self.commands.get(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            names = self.list_commands(ctx)
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"the commands are {', '.join(names)}."
            raise click.UsageError(f"There is no command '{name}'; {hint}", ctx)
        return super().resolve_command(ctx, args)


def command(name: str, *, example: str) -> Any:  # Any: click.command's decorator type depends on the function
    """`click.command` for this program's commands; `example` is one or more complete command lines."""
    return click.command(name, cls=Command, example=example, context_settings={"max_content_width": 100})


pass_call = click.make_pass_decorator(Call, ensure=True)
