"""A paper that changes while it is read, and an embedding model that changes between two commands."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rag_app import Library, intake
from rag_app.errors import InputError
from rag_app.originals import Originals
from rag_app.settings import Models, Ollama, Settings
from tests.faults import oracle, times
from tests.faults.sentences import told
from tests.made_pdfs import document, save
from tests.ollama_server import Model, OllamaServer


def test_a_paper_changes_while_it_is_read(tmp_path: Path) -> None:
    """It is in as one of its versions, whole, or refused; never as a mixture."""
    versions = []
    for pages in (1, 2):
        path = save(document(pages), tmp_path / f"version{pages}.pdf")
        with Library.open(tmp_path / f"only{pages}") as library:
            library.ingest(path)
            versions.append((path.read_bytes(), library.documents()[0].document_id))
    alone = [oracle.contents(tmp_path / f"only{pages}") for pages in (1, 2)]
    # Half of a version is what the file holds for a moment, which on a busy machine is long enough to read it all.
    halves = {hashlib.sha256(content[: len(content) // 2]).hexdigest() for content, _ in versions}
    paper = tmp_path / "papers" / "paper.pdf"
    paper.parent.mkdir()
    stop = threading.Event()

    def change() -> None:
        for content, _ in itertools.cycle(versions):
            if stop.wait(0.01):
                return
            with paper.open("wb") as file:  # in place: a reader may see half of it
                file.write(content[: len(content) // 2])
                file.flush()
                file.write(content[len(content) // 2 :])

    paper.write_bytes(versions[0][0])
    changing = threading.Thread(target=change)
    changing.start()
    said = []
    try:
        for number in range(times(1, 10)):
            folder = tmp_path / f"library{number}"
            with Library.open(folder) as library:
                for _ in range(3):
                    said += [one.error for one in library.ingest(paper).documents if one.error]
            held = oracle.contents(folder)
            for document_id, nodes in held.documents.items():
                if document_id not in halves:
                    (goal,) = (one for one in alone if document_id in one.documents)
                    assert [node[:2] for node in nodes] == [node[:2] for node in goal.documents[document_id]]
    finally:
        stop.set()
        changing.join()
    print(f"refused: {said}")
    with Library.open(tmp_path / "library0") as library:
        assert library.ingest(paper).documents[0].error is None


def test_what_is_said_of_a_paper_that_changed(tmp_path: Path) -> None:
    paper = tmp_path / "paper.pdf"
    paper.write_bytes(b"other content")
    try:
        Originals(tmp_path / "files").keep(paper, "0" * 64)
    except InputError as exc:
        told("A paper changes while it is read", exc)
    else:
        raise AssertionError("it was kept")
    assert list((tmp_path / "files").iterdir()) == []


def test_another_embedding_model(copy: Callable[[str], Path]) -> None:
    folder = copy("library")
    before = oracle.contents(folder)
    with OllamaServer([Model("tiny:embed", {"embedding"}, embedding_length=48)]) as server:
        settings = Settings(models=Models(text_embedding="tiny:embed"), ollama=Ollama(host=server.url, retries=0))
        with Library.open(folder, settings=settings) as library:
            told("The embedding model was changed", library.status().note)
            assert library.search("language model").hits
        oracle.assert_same(oracle.contents(folder), before)
    shutil.rmtree(folder)


def test_a_paper_that_is_as_before_when_it_was_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pages were read while it was another one, which the digest of what it is now does not tell."""
    paper = save(document(1), tmp_path / "paper.pdf")
    content = paper.read_bytes()
    other = save(document(2), tmp_path / "other.pdf").read_bytes()
    read = intake.read_papers

    def read_another(*args: Any, **kwargs: Any) -> Any:  # Any: as read_papers
        paper.write_bytes(other)
        for result in read(*args, **kwargs):
            paper.write_bytes(content)
            assert result.paper is not None
            yield dataclasses.replace(
                result, paper=dataclasses.replace(result.paper, sha256=hashlib.sha256(content).hexdigest())
            )

    monkeypatch.setattr(intake, "read_papers", read_another)
    with Library.open(tmp_path / "library") as library:
        (refused,) = library.ingest(paper).documents
        told("A paper changes while it is read", refused.error)
        assert library.documents() == []
        monkeypatch.undo()
        assert library.ingest(paper).documents[0].error is None
