"""Another embedding: the library answers from the old space until the new one is complete."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from adapters.names import load_model, parse_model_name
from ingestion.pipeline import EMBEDDED_TOKENS, embedded_text, shortened
from rag_app import Library, embeddings
from rag_app.embeddings import BUILTIN
from rag_app.errors import LibraryBusy, ModelFailed, ModelUnreachable, SpaceMismatch
from rag_app.settings import Models, Ollama, Settings
from rag_app.store import Store
from rag_app.store.lock import ProcessLock
from tests.described_library import make_library
from tests.ollama_server import Fault, Model, OllamaServer

SAMPLE = Path(__file__).parent.parent / "data" / "papers"
OLD, NEW = "text:builtin-minilm:384", "text:ollama:tiny:embed:48"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "OLLAMA_HOST", "OLLAMA_API_KEY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def server() -> Iterator[OllamaServer]:
    models = [Model("tiny:embed", {"embedding"}, embedding_length=48), Model("tinyvlm", {"completion", "vision"})]
    with OllamaServer(models) as running:
        yield running


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "library"
    make_library(folder, papers=3, figures=6).close()
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "library"))


def settings_for(server: OllamaServer, embedding: str = "tiny:embed") -> Settings:
    return Settings(models=Models(text_embedding=embedding), ollama=Ollama(host=server.url, retries=0))


def embeds(server: OllamaServer) -> int:
    return sum(request.path == "/api/embed" for request in server.requests)


def test_it_answers_from_the_old_space_until_the_new_one_is_complete(folder: Path, server: OllamaServer) -> None:
    with Library.open(folder, settings=settings_for(server)) as library:
        before = [hit.node_id for hit in library.search("loss of the gated model").hits]
        assert before and embeds(server) == 0
        note = library.status().note
        assert note is not None
        assert "text space is builtin (384), settings ask for tiny:embed. Run: rag-app ingest --reembed" in note
        assert "Until then questions are answered from builtin (384)." in note

        told: list[tuple[int, int]] = []
        report = library.reembed(on_progress=lambda done, total: told.append((done, total)))
        assert report.space == NEW and report.embedded == library._store.size()  # pyright: ignore[reportPrivateUsage]  # all
        assert told[-1] == (report.embedded, report.embedded)
        status = library.status()
        assert status.note is None
        spaces = {(space.name, space.active) for space in status.spaces if space.role == "text"}
        assert spaces == {(OLD, False), (NEW, True)}
        asked = embeds(server)
        assert library.search("loss of the gated model").hits and embeds(server) == asked + 1
        assert library.reembed().embedded == 0
    with Library.open(folder, settings=settings_for(server, "builtin")) as back:  # and the other way round
        note = back.status().note
        assert note is not None and "is ollama:tiny:embed (48), settings ask for builtin (384)" in note
        assert back.search("loss of the gated model").hits
        assert back.reembed().embedded == 0  # its vectors are still there
        assert back.status().note is None


def test_stopped_in_the_middle_it_goes_on(folder: Path, server: OllamaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "_BATCH_NODES", 5)
    with Library.open(folder, settings=settings_for(server)) as library:
        total = library._store.size()  # pyright: ignore[reportPrivateUsage]  # nodes of the library
        server.fail(
            Fault.RUNNER_KILLED, times=99, after=2, where=lambda r: r.path == "/api/embed" and len(r.body["input"]) > 1
        )
        with pytest.raises(ModelFailed, match="tiny:embed"):
            library.reembed()
        done = next(space.vectors for space in library.status().spaces if space.name == NEW)
        assert 0 < done < total
        assert library.search("loss").hits and library.status().note is not None
        server.clear()
        assert library.reembed().embedded == total - done
        assert library.status().note is None


def test_new_papers_go_into_both_spaces_once_the_new_one_has_begun(folder: Path, server: OllamaServer) -> None:
    with Library.open(folder, settings=settings_for(server)) as library:
        library.ingest(SAMPLE / "clip_fa.pdf")
        assert [space.name for space in library.status().spaces if space.role == "text"] == [OLD]
        store = library._store  # pyright: ignore[reportPrivateUsage]  # a swap that was stopped early
        store.begin_space(NEW)
        report = library.ingest(SAMPLE / "vision_language_models.pdf")
        assert report.note is not None and "--reembed" in report.note
        (info,) = [info for info in library.documents() if info.name == "vision_language_models.pdf"]
        rows = store.rows_where("document = (SELECT id FROM documents WHERE document_id = ?)", [info.document_id])
        new = {space.name: space.vectors for space in library.status().spaces}
        assert set(store.vectors(NEW, rows.tolist())) == set(store.vectors(OLD, rows.tolist()))
        assert new[NEW] == len(store.vectors(OLD, rows.tolist()))
        library.reembed()  # the Persian paper too: this model takes all languages
        persian = store.rows_where("json_extract(metadata, '$.language') = 'fa' AND kind != 'reference'", [])
        assert len(persian) > 0 and len(store.vectors(NEW, persian.tolist())) == len(persian)
    with Library.open(folder, settings=settings_for(server, "builtin")) as back:
        report = back.reembed()
        assert report.without > 0 and back.status().note is None  # English vectors only, and it answers all the same


def test_a_paper_comes_in_while_the_new_space_is_filled(folder: Path, server: OllamaServer) -> None:
    with Library.open(folder, settings=settings_for(server)) as library:
        came = False

        def bring_one(done: int, total: int) -> None:
            nonlocal came
            if not came:
                came = True
                with Library.open(folder, settings=settings_for(server, "builtin")) as other:
                    other.ingest(SAMPLE / "clip_fa.pdf")

        library.reembed(on_progress=bring_one)
        store = library._store  # pyright: ignore[reportPrivateUsage]  # what it holds
        assert store.active_space("text") == NEW
        assert store.unembedded(NEW) == []


def test_descriptions_are_embedded_in_whatever_answers(folder: Path, server: OllamaServer) -> None:
    with Library.open(folder, settings=settings_for(server)) as library:
        library.reembed()
        server.clear()
        report = library.describe("tinyvlm")
        assert report.done == 18 and report.stopped is None
        store = library._store  # pyright: ignore[reportPrivateUsage]  # what it holds
        assert store.vectors_behind(NEW) == []
        order = [request.model for request in server.requests if request.path in ("/api/chat", "/api/embed")]
        changes = sum(a != b for a, b in pairwise(order))
        assert changes == 1  # first all questions, then all vectors: neither model throws the other out
        assert len(store.vectors_behind(OLD)) == 18
    with Library.open(folder, settings=settings_for(server, "builtin")) as back:
        assert back.reembed().embedded == 18  # only those whose words have changed


def test_an_embedding_server_that_is_gone_does_not_lose_descriptions(folder: Path, server: OllamaServer) -> None:
    with Library.open(folder, settings=settings_for(server)) as library:
        library.reembed()
        server.fail(Fault.CLOSED, times=999, where=lambda r: r.path == "/api/embed")
        report = library.describe("tinyvlm")
        assert report.done == 18
        assert report.stopped is not None and "found by their words, but not by their meaning yet" in report.stopped
        store = library._store  # pyright: ignore[reportPrivateUsage]  # what it holds
        assert len(store.vectors_behind(NEW)) == 18
        assert store.lexical(["descript"], k=5)
        with pytest.raises(ModelUnreachable):
            library.search("loss")
        server.clear()
        assert library.describe("tinyvlm").stopped is None
        assert store.vectors_behind(NEW) == []


def test_a_space_of_no_model_of_ours(folder: Path, server: OllamaServer) -> None:
    with Store.open(folder) as store:
        store.database.connection.execute("UPDATE spaces SET name = 'text:made-up:384' WHERE name = ?", (OLD,))
        store.set_meta("active:text", "text:made-up:384")
    with Library.open(folder) as library:
        with pytest.raises(SpaceMismatch) as told:
            library.search("loss")
        assert str(told.value) == (
            "This library's text space is made-up (384), settings ask for builtin (384). "
            f"Run: rag-app ingest --reembed, or set models.text_embedding in {folder / 'settings.toml'}."
        )
        library.reembed()
        assert library.search("loss").hits


def test_one_reembedding_at_a_time(folder: Path, server: OllamaServer) -> None:
    ready, end = threading.Event(), threading.Event()

    def hold() -> None:
        with ProcessLock(folder, "reembedding", doing="embedded anew").hold():
            ready.set()
            end.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    ready.wait(20)
    with Library.open(folder, settings=settings_for(server)) as library:
        with pytest.raises(LibraryBusy, match="being embedded anew by process"):
            library.reembed()
        end.set()
        thread.join()
        assert library.reembed().embedded > 0


def test_settings_that_name_no_embedding_do_not_hide_the_status(folder: Path) -> None:
    with Library.open(folder, settings=Settings(models=Models(text_embedding="openclip:x"))) as library:
        note = library.status().note
    assert note is not None and "cannot be filled by openclip:x" in note


def test_the_builtin_embedding_is_called_as_its_space_is() -> None:
    embedding = load_model("text_embedding", parse_model_name("builtin"))
    assert embedding.model_name == BUILTIN


def test_what_is_embedded_of_a_described_node(folder: Path) -> None:
    with Library.open(folder) as library:
        store = library._store  # pyright: ignore[reportPrivateUsage]  # its nodes
        (row, *_) = store.rows_where("kind = 'figure'", []).tolist()
        node = store.nodes([row])[0].node
        plain = embedded_text(node)
        node.metadata["description"] = {"summary": "A falling loss.", "text": "Three lines sink. " * 200}
        text = embedded_text(node)
        caption = node.metadata["caption"]
        assert text.index(caption) < text.index("A falling loss.") < text.index("Three lines sink.")
        assert text.count(caption) == 1
        assert "loss epoch 0 10 20" in text and "loss epoch 0 10 20" in plain
        embedding = load_model("text_embedding", parse_model_name("builtin"))
        assert embedding.count_tokens(text) < 256  # nothing is cut off
        node.metadata["kind"] = "table"
        assert "Three lines" not in embedded_text(node)
        vector = np.array(embedding.get_text_embedding(text))
        near, far = (
            np.array(embedding.get_query_embedding(q)) @ vector for q in ("three lines that sink", "goat cheese")
        )
        assert near > far + 0.2


def test_shortening_keeps_whole_words() -> None:
    assert shortened("one two", 50) == "one two"
    cut = shortened("word " * 500, EMBEDDED_TOKENS)
    assert set(cut.split()) == {"word"} and 150 < len(cut.split()) < EMBEDDED_TOKENS
    json.dumps(cut)
