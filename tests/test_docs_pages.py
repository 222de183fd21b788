"""Nothing a user can meet is undocumented: commands, settings, variables, errors, public Python; links lead on."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
import runpy

import pytest
import yaml

from rag_app import errors
from rag_app.cli.main import cli
from rag_app.repl.commands import COMMANDS
from rag_app.settings import Settings
from tests.runnable import DOCS, ROOT, pages

PAGES = {page.relative_to(DOCS).as_posix(): page.read_text(encoding="utf-8") for page in pages()}
HOW_TO = "\n".join(text for name, text in PAGES.items() if name.startswith(("how-to/", "tutorial")))
ERRORS = [name for name, value in vars(errors).items() if inspect.isclass(value)]
CODE = [path for top in ("rag_app", "ingestion", "adapters", "eval") for path in (ROOT / top).rglob("*.py")]


def commands() -> list[str]:
    build = runpy.run_path(str(DOCS / "build_cli.py"))
    found = build["commands"](cli, build["new_context"](cli, "rag-app", None))
    return [context.command_path for context in found if context.command_path != "rag-app"]


@pytest.mark.parametrize("command", commands())
def test_every_command_has_its_how_to(command: str) -> None:
    assert re.search(rf"{re.escape(command)}(?![\w-])", HOW_TO), f"no how-to page shows {command!r}"


def test_every_command_of_the_chat_is_in_its_table_and_no_other() -> None:
    rows = re.findall(r"^\| `/(\w+)", PAGES["how-to/chat.md"], re.MULTILINE)
    assert sorted(rows) == sorted(COMMANDS)


def test_every_setting_is_in_the_configuration() -> None:
    for table, keys in dataclasses.asdict(Settings()).items():
        for key in keys:
            assert f"| `{table}.{key}` |" in PAGES["configuration.md"], f"{table}.{key} is undocumented"


def test_every_variable_of_the_environment_is_in_the_configuration() -> None:
    read = {name for path in CODE for name in re.findall(r"\bRAG_APP_[A-Z_]+", path.read_text(encoding="utf-8"))}
    assert read
    for name in read:
        assert f"| `{name}` |" in PAGES["configuration.md"], f"{name} is undocumented"


def test_troubleshooting_has_every_error_and_no_other() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \|$", PAGES["troubleshooting.md"], re.MULTILINE)
    assert sorted(name for name, _, _ in rows) == sorted(ERRORS)
    for name, example, step in rows:
        assert len(example) > 10 and len(step) > 10, name


def test_every_sentence_of_an_error_is_on_its_page() -> None:
    build = runpy.run_path(str(DOCS / "build_errors.py"))
    found, unread = build["sentences"]()
    assert len(found) > 300
    assert unread == build["PASSED_ON"], "write the sentence where the error is raised, or add it to PASSED_ON"
    missing = [s.text for s in sorted(found) if f"- {build['_escaped'](s.text)} (" not in PAGES["errors.md"]]
    assert not missing, "run: make docs"
    assert PAGES["errors.md"] == build["page"](), "it is out of date; run: make docs"


def test_every_error_of_the_tree_is_drawn_in_it() -> None:
    for name in ERRORS:
        assert re.search(rf"\b{name}\b", errors.__doc__ or ""), f"{name} is missing in the tree of rag_app.errors"


def named() -> list[str]:
    return [name for text in PAGES.values() for name in re.findall(r"^::: ([\w.]+)$", text, re.MULTILINE)]


@pytest.mark.parametrize("name", named())
def test_what_an_api_page_names_is_there_and_documented(name: str) -> None:
    try:
        found = importlib.import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        found = getattr(importlib.import_module(module), attribute)
    assert (found.__doc__ or "").strip(), f"{name} has no docstring"


@pytest.mark.parametrize("name", [n for n in named() if n.rsplit(".", 1)[-1][0].isupper()])
def test_its_public_methods_are_documented(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    made = getattr(importlib.import_module(module), attribute)
    for method, value in vars(made).items():
        if inspect.isfunction(value) and not method.startswith("_") and value.__module__ == module:
            inherited = any(hasattr(base, method) for base in made.__mro__[1:])
            assert inherited or inspect.getdoc(value), f"{name}.{method} has no docstring"


def test_the_api_pages_hold_what_users_import() -> None:
    held = {name.rsplit(".", 1)[-1] for name in named()} | {"RagAppError", "Settings"}  # of the pages of their modules
    rag_app = importlib.import_module("rag_app")
    assert set(rag_app.__all__) <= held
    assert {"PaperQueryEngine", "PaperChatEngine", "HybridRetriever", "OllamaModel", "StoreVectorStore"} <= held


def test_the_site_shows_every_page() -> None:
    class Loader(yaml.SafeLoader):
        """Of a file that names no Python objects."""

    site = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), Loader)  # a SafeLoader
    shown: list[str] = []

    def walk(item: object) -> None:
        if isinstance(item, str):
            shown.append(item)
        elif isinstance(item, list):
            for below in item:
                walk(below)
        elif isinstance(item, dict):
            for below in item.values():
                walk(below)

    walk(site["nav"])
    assert sorted(shown) == sorted(PAGES)


@pytest.mark.parametrize("name", sorted(PAGES))
def test_links_lead_to_pages(name: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", PAGES[name], flags=re.DOTALL)):
        if re.match(r"https?:|mailto:|#", target):
            continue
        path = (DOCS / name).parent / target.split("#")[0]
        assert path.exists(), f"{name}: {target} leads nowhere"


@pytest.mark.parametrize("name", sorted(PAGES))
def test_no_page_names_a_machine(name: str) -> None:
    assert not re.search(
        r"(?<![\w.])/(?:home|root|Users|work)/|pypi\.org/simple|https?://\S*(?:mirror|registry)", PAGES[name]
    )
