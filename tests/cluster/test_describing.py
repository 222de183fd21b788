"""Elements are described by the servers of several nodes, and what is stored is what one server gives."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from rag_app import Library, Settings
from rag_app.errors import ModelNotInstalled, UsageError
from rag_app.reports import DescribeReport
from tests.cluster.conftest import TwoNodes
from tests.cluster.working import meanwhile
from tests.described_library import make_library
from tests.faults.oracle import assert_same, contents
from tests.ollama_server import Model, OllamaServer

FIGURES = 12


class Served:
    """Two nodes of the cluster beside the first two, each with a server of its own."""

    def __init__(self, address: str, servers: list[OllamaServer], nodes: list[object]) -> None:
        self.address, self.servers, self.nodes = address, servers, nodes


@pytest.fixture(scope="module")
def served(two_nodes: TwoNodes) -> Iterator[Served]:
    with contextlib.ExitStack() as stack:
        models = [Model("tinyvlm", {"completion", "vision"}, latency_s=0.1), Model("tinytext", {"completion"})]
        servers = [stack.enter_context(OllamaServer(models)) for _ in range(2)]
        cluster = two_nodes.cluster
        nodes = [cluster.add_node(num_cpus=0, env_vars={"OLLAMA_HOST": server.url}) for server in servers]  # pyright: ignore[reportAttributeAccessIssue]  # Ray's test class
        try:
            yield Served(two_nodes.address, servers, nodes)
        finally:
            for node in nodes:
                with contextlib.suppress(Exception):  # a test has removed it
                    cluster.remove_node(node)  # pyright: ignore[reportAttributeAccessIssue]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "library"
    make_library(folder, papers=2, figures=FIGURES // 2).close()
    return folder


@pytest.fixture(scope="module")
def one_server(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library as one server describes it, without a cluster."""
    folder = Path(shutil.copytree(made, tmp_path_factory.mktemp("one") / "library"))
    with OllamaServer([Model("tinyvlm", {"completion", "vision"})]) as server:
        settings = Settings.from_mapping({"ollama": {"host": server.url}})
        with Library.open(folder, settings=settings) as library:
            library.describe("tinyvlm")
    return folder


def describe(folder: Path, served: Served, model: str = "tinyvlm") -> DescribeReport:
    for server in served.servers:
        server.clear()
    settings = Settings.from_mapping({"ingestion": {"ray": served.address}, "ollama": {"retries": 0}})
    with Library.open(folder, settings=settings) as library:
        return library.describe(model)


def askers() -> list[psutil.Process]:
    """The processes on the nodes that ask their servers."""
    return [process for process in psutil.Process().children(recursive=True) if process.name() == "ray::Server"]


def asked(served: Served) -> list[Counter[str]]:
    """By server, how often each crop came with a question."""
    return [
        Counter(hashlib.sha256(image).hexdigest() for request in server.writing() for image in request.images)
        for server in served.servers
    ]


def test_both_servers_describe_and_each_crop_is_asked_once(
    served: Served, made: Path, one_server: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(made, tmp_path / "library"))
    report = describe(folder, served)
    assert (report.total, report.done, report.failed, report.left) == (FIGURES, FIGURES, 0, 0)
    first, second = asked(served)
    assert sum(first.values()) >= 4 and sum(second.values()) >= 4
    assert set((first + second).values()) == {1}
    # The nodes without a server of their own, told once, as they share an address.
    assert report.note is not None and report.note.startswith("The node ") and report.note.count("left out") == 1
    assert_same(contents(folder, made=True), contents(one_server, made=True))


def test_a_killed_process_repeats_its_question_and_nothing_is_lost(
    served: Served, made: Path, one_server: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(made, tmp_path / "library"))

    server = served.servers[0]
    server.models[0].latency_s = 0.5

    def kill() -> bool:
        if len(server.writing()) < 2:
            return False
        (asker,) = [process for process in askers() if process.environ().get("OLLAMA_HOST") == server.url]
        os.kill(asker.pid, signal.SIGKILL)
        return True

    with meanwhile(kill) as killed:
        report = describe(folder, served)
    server.models[0].latency_s = 0.1
    assert killed
    assert (report.done, report.failed, report.left) == (FIGURES, 0, 0)
    assert report.note is not None and report.note.endswith(
        "Workers of the cluster were lost; 1 question was asked again."
    )
    first, second = asked(served)
    counts = first + second
    assert len(counts) == FIGURES and sum(counts.values()) <= FIGURES + 1
    assert_same(contents(folder, made=True), contents(one_server, made=True))


def test_a_model_that_no_node_has_is_said_before_any_work(served: Served, made: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made, tmp_path / "library"))
    with pytest.raises(ModelNotInstalled, match=r"^On the node .*tinyvml"):
        describe(folder, served, "tinyvml")
    with pytest.raises(UsageError, match=r"hf:.* has none: set ingestion\.ray = "):
        describe(folder, served, "hf:org/model")


def test_a_node_that_goes_leaves_its_questions_to_the_other(
    served: Served, two_nodes: TwoNodes, made: Path, one_server: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(made, tmp_path / "library"))

    def remove() -> bool:
        if not served.servers[1].writing():
            return False
        two_nodes.cluster.remove_node(served.nodes[1], allow_graceful=False)  # pyright: ignore[reportAttributeAccessIssue]
        return True

    with meanwhile(remove) as removed:
        report = describe(folder, served)
    assert removed
    assert (report.done, report.failed, report.left) == (FIGURES, 0, 0)
    first, second = asked(served)
    assert sum((first + second).values()) <= FIGURES + 1
    assert_same(contents(folder, made=True), contents(one_server, made=True))
