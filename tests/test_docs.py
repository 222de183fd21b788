"""The pages under docs/ say what the program says."""

from __future__ import annotations

import runpy
import shlex
import tomllib
from pathlib import Path

import click

from rag_app.cli.main import cli

ROOT = Path(__file__).parent.parent


def test_cli_page_is_current() -> None:
    built = runpy.run_path(str(ROOT / "docs" / "build_cli.py"))["page"]()
    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8") == built, "run: make docs"


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(name for names in project["optional-dependencies"].values() for name in names),
    ]
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    for requirement in wanted:
        name = requirement.split("[")[0]
        for sign in "<>=~! ":
            name = name.split(sign)[0]
        assert name == project["name"] or f"| {name} " in page, f"docs/dependencies.md has no row for {name}"


def test_every_example_in_help_is_a_command() -> None:
    """Each example parses: its command exists and takes its options."""
    build = runpy.run_path(str(ROOT / "docs" / "build_cli.py"))
    seen = 0
    for context in build["commands"](cli, build["new_context"](cli, "rag-app", None)):
        for line in getattr(context.command, "example", "").splitlines():
            words = shlex.split(line.split(" | ")[0])
            assert words[0] == "rag-app", line
            command, rest = cli, words[1:]
            while isinstance(command, click.Group):
                below = command.get_command(context, rest[0])
                assert below is not None, line
                command, rest = below, rest[1:]
            parser = command.make_parser(context)
            parser.parse_args(args=list(rest))  # raises NoSuchOption
            seen += 1
    assert seen >= 10
