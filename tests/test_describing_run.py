"""Describing against a server on a real socket: what is asked, what is stored, and what the user is told."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from ingestion.chunking import to_nodes
from rag_app import Library
from rag_app.errors import (
    DiskFull,
    LibraryBusy,
    LibraryReadOnly,
    ModelNotInstalled,
    ModelUnreachable,
    ModelUnsuitable,
    UsageError,
)
from rag_app.retrieval.passages import Hit
from rag_app.settings import Models, Ollama, Settings
from rag_app.store import Store
from tests.described_library import figure_paper, make_library
from tests.ollama_server import Fault, Model, OllamaServer, Recorded

VISION = {"completion", "vision"}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "OLLAMA_HOST", "OLLAMA_API_KEY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def server() -> Iterator[OllamaServer]:
    models = [Model("tinyvlm", VISION), Model("other", VISION), Model("tinytext", {"completion"})]
    with OllamaServer(models, parallel=4, slow_s=0.2) as running:
        yield running


def settings_for(server: OllamaServer, **ollama: object) -> Settings:
    return Settings(ollama=Ollama(host=server.url, retries=0, **ollama))  # pyright: ignore[reportArgumentType]  # its fields


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two papers with four figures each."""
    folder = tmp_path_factory.mktemp("made") / "library"
    make_library(folder, papers=2, figures=4).close()
    return folder


@pytest.fixture
def library(made: Path, tmp_path: Path, server: OllamaServer) -> Iterator[Library]:
    folder = shutil.copytree(made, tmp_path / "library")
    with Library.open(folder, settings=settings_for(server)) as opened:
        yield opened


def asked(server: OllamaServer) -> Counter[str]:
    """How often each crop came with a question."""
    return Counter(hashlib.sha256(image).hexdigest() + ".png" for r in server.writing() for image in r.images)


def crops(library: Library) -> set[str]:
    return {e.image for info in library.documents() for e in library.paper(info.name).elements if e.image}


def described_hits(library: Library) -> list[Hit]:
    found = library.as_retriever(k=50, kinds=["figure"]).find("loss of the model").hits
    assert len(found) == len(crops(library))
    return [hit for hit in found if hit.passage().description is not None]


def is_of(image: str) -> Callable[[Recorded], bool]:
    """A condition: the request shows this crop."""

    def holds(request: Recorded) -> bool:
        return any(hashlib.sha256(shown).hexdigest() + ".png" == image for shown in request.images)

    return holds


def test_every_figure_is_described_once_and_found(library: Library, server: OllamaServer) -> None:
    told: list[tuple[int, int, int]] = []
    report = library.describe("tinyvlm", on_progress=lambda *counts: told.append(counts))
    assert (report.total, report.done, report.failed, report.left, report.already) == (8, 8, 0, 0, 0)
    assert report.models == ("ollama:tinyvlm",)
    assert told[0] == (0, 8, 0) and told[-1] == (8, 8, 0) and told == sorted(told)
    assert asked(server) == dict.fromkeys(crops(library), 1)

    status = library.status().descriptions
    assert (status.described, status.failures, status.running) == (8, (), None)
    (tally,) = status.models
    assert (tally.model, tally.done, tally.pending) == ("ollama:tinyvlm", 8, 0)
    (hit, *_) = library.search("description", kinds=["figure"]).hits
    passage = next(h for h in library.as_retriever(k=8).find("description").hits if h.stored.node_id == hit.node_id)
    description = passage.passage().description
    assert (
        description is not None and description.model == "ollama:tinyvlm" and description.prompt_version == "figure-1"
    )

    again = library.describe("tinyvlm")
    assert (again.total, again.done, again.already) == (0, 0, 8)
    assert sum(asked(server).values()) == 8
    json.dumps([report.to_dict(), library.status().to_dict()])


def test_as_many_questions_at_a_time_as_allowed(library: Library, server: OllamaServer) -> None:
    server.models[0].latency_s = 0.1
    library.describe("tinyvlm", parallel=3)
    assert server.scheduler.peak == 3


def test_only_some_papers_and_kinds(library: Library, server: OllamaServer) -> None:
    report = library.describe("tinyvlm", papers=["runs1.pdf"])
    assert report.total == 4
    assert set(asked(server)) == {e.image for e in library.paper("runs1.pdf").elements if e.image}
    assert library.describe("tinyvlm", kinds=["table", "formula"]).total == 0
    with pytest.raises(UsageError, match="nothing to describe in a text; the kinds are figure, table, formula"):
        library.describe("tinyvlm", kinds=["text"])


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.BUSY, "ModelBusy"),
        (Fault.NO_DONE, "IncompleteReply"),
        (Fault.CUT, "ModelUnreachable"),
        (Fault.NOT_JSON, "UnusableReply"),
        (Fault.RUNNER_KILLED, "ModelFailed"),
    ],
)
def test_a_failed_question_is_a_sentence_and_the_run_goes_on(
    library: Library, server: OllamaServer, fault: Fault, error: str
) -> None:
    image = min(crops(library))
    server.fail(fault, times=math.inf, where=is_of(image))
    report = library.describe("tinyvlm")
    assert (report.total, report.done, report.failed, report.left) == (8, 7, 1, 0)
    (failure,) = report.failures
    assert (failure.image, failure.error) == (image, error)
    assert failure.reason and failure.reason.endswith(".") and "\n" not in failure.reason
    assert failure.label is not None and failure.page is not None
    assert library.status().descriptions.failures == (failure,)
    described = {hit.stored.metadata["image"] for hit in described_hits(library)}
    assert described == crops(library) - {image}

    assert library.describe("tinyvlm").total == 0  # a failure is not asked again unasked
    server.faults.queue.clear()
    again = library.retry()
    assert (again.total, again.done, again.failed) == (1, 1, 0)
    assert library.status().descriptions.failures == ()


def test_a_picture_that_cannot_be_read_is_a_failure(library: Library, server: OllamaServer) -> None:
    gone, damaged = sorted(crops(library))[:2]
    (library.path / "crops" / gone).unlink()
    (library.path / "crops" / damaged).write_bytes(b"no picture")
    report = library.describe("tinyvlm")
    assert (report.done, report.failed) == (6, 2)
    reasons = {failure.image: failure.reason or "" for failure in report.failures}
    assert "ingest its paper again" in reasons[gone]
    assert "no picture" in reasons[damaged]


def test_a_blank_picture_is_left_out(library: Library, server: OllamaServer) -> None:
    image = min(crops(library))
    Image.new("RGB", (640, 480), "white").save(library.path / "crops" / image)
    report = library.describe("tinyvlm")
    assert (report.total, report.done, report.left, report.skipped) == (7, 7, 0, 1)
    assert len(asked(server)) == 7
    assert library._store.ledger.counts() == {"done": 7}  # pyright: ignore[reportPrivateUsage]  # the ledger itself


def test_a_server_that_has_gone_leaves_the_rest_pending(library: Library, server: OllamaServer) -> None:
    server.fail(Fault.CLOSED, times=math.inf, after=3, where=lambda r: bool(r.images))
    report = library.describe("tinyvlm")
    assert (report.total, report.done, report.failed, report.left) == (8, 3, 0, 5)
    assert report.stopped is not None and "the same command goes on with it" in report.stopped
    assert library._store.ledger.counts() == {"done": 3, "pending": 5}  # pyright: ignore[reportPrivateUsage]  # the ledger itself
    server.faults.queue.clear()
    report = library.describe("tinyvlm")
    assert (report.total, report.done, report.already) == (5, 5, 3)


@pytest.mark.parametrize("fault", [Fault.BUSY, Fault.NO_DONE, Fault.CUT, Fault.NOT_JSON, Fault.STALL])
def test_what_may_succeed_later_is_asked_again_after_the_others(made: Path, tmp_path: Path, fault: Fault) -> None:
    folder = shutil.copytree(made, tmp_path / "library")
    with OllamaServer([Model("tinyvlm", VISION)]) as server:
        settings = Settings(ollama=Ollama(host=server.url, retries=2, stall_s=1))
        with Library.open(folder, settings=settings) as library:
            server.fail(fault, times=1, where=lambda r: bool(r.images))
            report = library.describe("tinyvlm")
            assert (report.done, report.failed, report.left) == (8, 0, 0)
        shown = [hashlib.sha256(image).hexdigest() for request in server.writing() for image in request.images]
        assert len(shown) == 9
        if fault is not Fault.NOT_JSON:  # asked again at once, with another seed
            assert shown[0] == shown[-1] and len(set(shown)) == 8


@pytest.mark.parametrize("retries", [1, 3])
def test_a_server_that_has_gone_is_asked_with_patience_before_it_is_given_up(
    made: Path, tmp_path: Path, retries: int
) -> None:
    folder = shutil.copytree(made, tmp_path / "library")
    with OllamaServer([Model("tinyvlm", VISION)]) as server:
        settings = Settings(ollama=Ollama(host=server.url, retries=retries))
        with Library.open(folder, settings=settings) as library:
            server.fail(Fault.CLOSED, times=3, where=lambda r: bool(r.images))  # it was started anew
            assert library.describe("tinyvlm", papers=["runs0.pdf"]).done == 4
            server.fail(Fault.CLOSED, times=math.inf, where=lambda r: bool(r.images))
            report = library.describe("tinyvlm", papers=["runs1.pdf"])
            assert (report.done, report.failed, report.left) == (0, 0, 4) and report.stopped


def test_a_model_that_was_removed_meanwhile_ends_the_run(library: Library, server: OllamaServer) -> None:
    server.fail(Fault.MODEL_MISSING, times=math.inf, after=2, where=lambda r: bool(r.images))
    report = library.describe("tinyvlm")
    assert (report.done, report.failed, report.left) == (2, 0, 6)
    assert report.stopped is not None and "tinyvlm" in report.stopped


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("tinyvml", ModelNotInstalled, "did you mean tinyvlm"),
        ("tinytext", ModelUnsuitable, "picture"),
        ("builtin", UsageError, "Name one: rag-app describe --with qwen2.5vl:7b"),
        (None, UsageError, "Name one: rag-app describe --with qwen2.5vl:7b"),
    ],
)
def test_a_model_that_will_not_do_is_refused_before_any_work(
    library: Library, server: OllamaServer, name: str | None, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        library.describe(name)
    assert library._store.ledger.counts() == {}  # pyright: ignore[reportPrivateUsage]  # the ledger itself
    assert server.writing() == []


def test_no_server_at_all(tmp_path: Path) -> None:
    settings = Settings(models=Models(vision="tinyvlm"), ollama=Ollama(host="127.0.0.1:9"))
    with make_library(tmp_path / "library", papers=1, figures=1, settings=settings) as library:
        with pytest.raises(ModelUnreachable):
            library.describe()
        assert library.status().descriptions.models == ()
        assert library.search("loss of the model").hits  # it answers all the same


def test_equal_crops_are_asked_once(library: Library, server: OllamaServer) -> None:
    paper = figure_paper(0, 4, library.path / "crops")
    twin = dataclasses.replace(paper, sha256="f" * 64, name="twin.pdf")
    library._store.commit(twin, to_nodes(twin), {})  # pyright: ignore[reportPrivateUsage]  # without a PDF to read
    report = library.describe("tinyvlm")
    assert (report.total, report.done) == (12, 12)
    assert set(asked(server).values()) == {1} and len(asked(server)) == 8

    late = dataclasses.replace(paper, sha256="e" * 64, name="late.pdf")  # comes when all is read: nothing is left
    library._store.commit(late, to_nodes(late), {})  # pyright: ignore[reportPrivateUsage]  # the same
    assert library.describe("tinyvlm", papers=["late.pdf"]).already == 4
    assert len(server.writing()) == 8


def test_an_equal_crop_that_was_read_elsewhere_is_not_asked(library: Library, server: OllamaServer) -> None:
    paper = figure_paper(0, 4, library.path / "crops")
    twin = dataclasses.replace(paper, sha256="f" * 64, name="twin.pdf")
    library._store.commit(twin, to_nodes(twin), {})  # pyright: ignore[reportPrivateUsage]  # without a PDF to read
    assert library.describe("tinyvlm", papers=["runs0.pdf"]).done == 4
    report = library.describe("tinyvlm", papers=["twin.pdf"])
    assert (report.total, report.done, report.reused) == (4, 4, 4)
    assert len(server.writing()) == 4
    assert library.status().descriptions.described == 8


def test_a_reply_that_was_kept_before_a_crash_is_not_asked_again(library: Library, server: OllamaServer) -> None:
    library.describe("tinyvlm", papers=["runs0.pdf"])
    store = library._store  # pyright: ignore[reportPrivateUsage]  # as a crash leaves it
    store.database.connection.execute("UPDATE ledger SET state = 'pending'")
    server.clear()
    report = library.describe("tinyvlm", papers=["runs0.pdf"])
    assert (report.total, report.done, report.reused) == (4, 4, 4)
    assert server.writing() == []


def test_another_model_for_what_is_unverified(library: Library, server: OllamaServer) -> None:
    good, bad = (_reply(verified=verified) for verified in (True, False))
    poor = sorted(crops(library))[:3]
    names = {bytes((library.path / "crops" / name).read_bytes()) for name in poor}
    server.models[0].replies = lambda _, images: bad if images[0] in names else good
    server.models[1].replies = lambda *_: good
    first = library.describe("tinyvlm")
    assert (first.done, first.verified) == (8, 5)
    server.clear()
    second = library.describe("other", only="unverified")
    assert (second.total, second.done, second.verified) == (3, 3, 3)
    assert set(asked(server)) == set(poor) and {r.model for r in server.writing()} == {"other"}
    status = library.status().descriptions
    assert (status.described, status.verified) == (8, 8)
    assert library.describe("other", only="unverified").total == 0


def test_what_one_model_failed_at_another_can_do(library: Library, server: OllamaServer) -> None:
    image = min(crops(library))
    server.fail(Fault.RUNNER_KILLED, times=math.inf, where=lambda r: r.model == "tinyvlm" and is_of(image)(r))
    assert library.describe("tinyvlm").failed == 1
    report = library.retry("other")
    assert (report.total, report.done, report.models) == (1, 1, ("ollama:other",))
    assert library.status().descriptions.failures == ()
    assert library.retry().total == 0


def test_a_paper_removed_meanwhile(library: Library, server: OllamaServer) -> None:
    server.models[0].latency_s = 0.1

    def remove_one(done: int, total: int, failed: int) -> None:
        if done == 2 and len(library.documents()) == 2:
            with Store.open(library.path) as other:
                other.remove(library.documents()[0].document_id)

    report = library.describe("tinyvlm", on_progress=remove_one)
    assert report.done + report.failed + report.left == report.total
    assert report.failed == 0 and report.left == 0
    assert library.status().descriptions.described == 4
    assert library._store.integrity().damage == ()  # pyright: ignore[reportPrivateUsage]  # nothing half-done


def test_papers_come_in_meanwhile_and_are_asked(library: Library, server: OllamaServer) -> None:
    server.models[0].latency_s = 0.05
    new = dataclasses.replace(figure_paper(7, 2, library.path / "crops"), name="new.pdf")

    def bring_one(done: int, total: int, failed: int) -> None:
        if done == 2 and len(library.documents()) == 2:
            with Store.open(library.path) as other:
                other.commit(new, to_nodes(new), {})

    assert library.describe("tinyvlm", on_progress=bring_one).done == 8
    assert library.search("run 7-0", papers=["new.pdf"]).hits
    assert library.describe("tinyvlm").total == 2


def test_describing_goes_on_while_another_process_ingests(library: Library) -> None:
    with Store.open(library.path) as other, other.write_lock():
        assert library.describe("tinyvlm").done == 8
        assert library.search("description", kinds=["figure"]).hits


def test_a_full_disk_ends_the_run_and_loses_nothing(made: Path, tmp_path: Path, server: OllamaServer) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "none", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("a small disk cannot be mounted here")
    try:
        folder = shutil.copytree(made, disk / "library")
        with Library.open(folder, settings=settings_for(server)) as library:
            assert library.describe("tinyvlm", papers=["runs0.pdf"]).done == 4
            with (disk / "filler").open("wb", buffering=0) as filler, pytest.raises(OSError, match="No space"):
                while filler.write(b"x" * 4096):
                    pass
            with pytest.raises(DiskFull, match="what was there before is unchanged"):
                library.describe("tinyvlm")
            assert library.status().descriptions.described >= 4
            (disk / "filler").unlink()
            library.describe("tinyvlm")
            assert library.status().descriptions.described == 8
            assert max(asked(server).values()) <= 2
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_one_describer_at_a_time(library: Library) -> None:
    with Store.open(library.path) as other:
        ready, end = threading.Event(), threading.Event()

        def hold() -> None:
            with other.describer_lock():
                ready.set()
                end.wait(20)

        thread = threading.Thread(target=hold)
        thread.start()
        ready.wait(20)
        with pytest.raises(LibraryBusy, match=r"is being described by process \d+ "):
            library.describe("tinyvlm")
        assert library.status().descriptions.running is not None
        end.set()
        thread.join()
    assert library.describe("tinyvlm").done == 8


def test_a_library_that_cannot_be_written(library: Library, server: OllamaServer) -> None:
    with Library.open(library.path, settings=library.settings, read_only=True) as reader:
        with pytest.raises(LibraryReadOnly):
            reader.describe("tinyvlm")
        assert reader.status().descriptions.models == ()
    assert server.writing() == []


def _reply(*, verified: bool) -> str:
    """A reading of any of the figures that agrees with its text layer, or that does not."""
    numbers = (
        [] if verified else [{"value": str(value), "of": "loss", "approximate": False} for value in (731, 842, 953)]
    )
    return json.dumps(
        {
            "kind": "line chart",
            "title": "",
            "summary": "The loss over the epochs.",
            "axes": [{"panel": "", "name": "epoch", "unit": "", "low": "0", "high": "20", "scale": "linear"}],
            "series": [],
            "trends": ["The loss falls."],
            "numbers": numbers,
            "visible_text": ["loss", "epoch"],
            "description": "Three lines show how the loss falls over the epochs.",
        }
    )
