"""The examples of the pages run, in a folder with the sample papers; so does the script of the README, as it stands."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.answering_models import knows
from tests.conftest import SAMPLE_PAPERS
from tests.ollama_server import Model, OllamaServer
from tests.runnable import ROOT, blocks, pages, run

RUNNING = [page for page in pages() if any(block.runs for block in blocks(page))]


@pytest.fixture(scope="module")
def ollama() -> Iterator[OllamaServer]:
    """A server with the models that the pages name."""
    models = [
        Model("gemma3:4b", {"completion"}, context_length=32768, replies=knows),
        Model("qwen2.5vl:7b", {"completion", "vision"}, context_length=32768),
    ]
    with OllamaServer(models=models) as server:
        yield server


def test_most_pages_that_teach_have_examples_that_run() -> None:
    names = {page.name for page in RUNNING}
    assert {"tutorial.md", "fa.md", "ingest.md", "ask.md", "chat.md", "search.md", "image-search.md"} <= names
    assert {"describe.md", "models.md", "library.md", "llama-index.md"} <= names
    for page in RUNNING:
        marks = page.read_text(encoding="utf-8").count("<!-- run -->")
        assert marks == sum(block.runs for block in blocks(page)), f"{page.name}: a mark without a block below it"


def tutorial(said: list[str], folder: Path) -> None:
    assert "0.07" in said[1] and "[1]" in said[1]
    assert (folder / "answer.html").stat().st_size > 20_000
    assert "do not hold the answer" in said[3]


def chat(said: list[str], folder: Path) -> None:
    (line,) = (folder / "answers.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["question"] == "What does Table 1 compare?"
    assert "What does Table 2 compare?" in said[1]


# What a page promises, by its name; given what each running block printed.
PROMISES: dict[str, Callable[[list[str], Path], None]] = {"tutorial": tutorial, "chat": chat}


@pytest.mark.parametrize("page", RUNNING, ids=lambda page: page.stem)
def test_the_examples_of_a_page_run(page: Path, tmp_path: Path, sample_library: Path, ollama: OllamaServer) -> None:
    """One after the other, in one folder, as a reader types them; `papers/` and its library are there."""
    shutil.copytree(SAMPLE_PAPERS, tmp_path / "papers")
    shutil.copytree(sample_library, tmp_path / "rag_library")
    said = [run(block, tmp_path, OLLAMA_HOST=ollama.url) for block in blocks(page) if block.runs]
    if promise := PROMISES.get(page.stem):
        promise(said, tmp_path)


def test_the_script_of_the_readme_runs_as_it_stands(tmp_path: Path) -> None:
    shutil.copytree(SAMPLE_PAPERS, tmp_path / "papers")
    (script,) = [block for block in blocks(ROOT / "README.md") if block.language == "python"]
    lines = [line for line in script.code.splitlines() if line.strip()]
    assert len(lines) == 5
    printed = run(script, tmp_path)
    answer, _, citations = printed.rstrip("\n").rpartition(" [")
    assert answer
    assert ".pdf" in citations, f"no citation was printed: {printed}"
    assert (tmp_path / "my_library" / "library.sqlite").is_file()
