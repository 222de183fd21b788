"""Papers read on a two-node cluster are those that are read here, whatever happens to workers and nodes meanwhile."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import psutil
import pytest

from rag_app import Library, Settings
from rag_app.cluster import pool as cluster_pool
from rag_app.cluster.versions import difference, versions
from rag_app.errors import ClusterError
from rag_app.reports import IngestReport
from rag_app.store import Store
from tests.cluster.conftest import TwoNodes
from tests.cluster.working import busy, kill_a_busy_one, left_of, meanwhile
from tests.conftest import SAMPLE_PAPERS
from tests.faults.oracle import Contents, assert_same, contents
from tests.made_pdfs import document, save


@pytest.fixture(scope="package")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder: the sample papers, a longer one with a page too large, one twice, and two that are none."""
    folder = tmp_path_factory.mktemp("cluster") / "papers"
    shutil.copytree(SAMPLE_PAPERS, folder)
    long = document(10)
    long[3].set_mediabox((0, 0, 9000, 9000))
    save(long, folder / "long.pdf")
    shutil.copyfile(folder / "long.pdf", folder / "twin.pdf")
    (folder / "empty.pdf").touch()
    (folder / "web.pdf").write_text("<html>not found</html>")
    return folder


@pytest.fixture(scope="package")
def read_here(papers: Path) -> tuple[IngestReport, Path]:
    """What an ingestion on this machine reports, and its library."""
    return ingested(papers, papers.parent / "here", "")


def ingested(papers: Path, folder: Path, ray: str) -> tuple[IngestReport, Path]:
    with Library.open(folder, settings=Settings.from_mapping({"ingestion": {"ray": ray}})) as library:
        return library.ingest(papers), folder


def outcome(report: IngestReport) -> dict[str, object]:
    """What is told of each file, but for the time it took."""
    return {d.document: (d.id, d.pages, d.nodes, d.problems, d.skipped, d.error) for d in report.documents}


def vectors(folder: Path) -> dict[tuple[str, str], np.ndarray]:
    with Store.open(folder, create=False) as store:
        found: dict[tuple[str, str], np.ndarray] = {}
        for space in store.spaces():
            rows, matrix = store.vectors_since(space.name, 0)
            ids = {node.row: node.node_id for node in store.nodes(rows.tolist())}
            found |= {(space.name, ids[row]): vector for row, vector in zip(rows.tolist(), matrix, strict=True)}
    return found


def assert_equal(there: tuple[IngestReport, Path], here: tuple[IngestReport, Path]) -> None:
    """Reports, papers, nodes, crops, originals equal; vectors to 1e-6."""
    assert outcome(there[0]) == outcome(here[0])
    assert_same(whole(there[1]), whole(here[1]))
    assert sorted(file.name for file in (there[1] / "crops").iterdir()) == sorted(
        file.name for file in (here[1] / "crops").iterdir()
    )
    ours, theirs = vectors(there[1]), vectors(here[1])
    assert ours.keys() == theirs.keys()
    assert max(float(np.abs(ours[key] - theirs[key]).max()) for key in ours) < 1e-6


def whole(folder: Path) -> Contents:
    return contents(folder)


def test_both_nodes_read_and_the_library_is_the_same(
    two_nodes: TwoNodes, papers: Path, read_here: tuple[IngestReport, Path], tmp_path: Path
) -> None:
    raylets: set[int] = set()

    def look() -> bool:
        raylets.update(process.ppid() for process in busy() if process.is_running())
        return len(raylets) == 2

    with meanwhile(look) as both:
        there = ingested(papers, tmp_path / "there", two_nodes.address)
    assert both, "only one node took part"
    assert there[0].note is None
    assert_equal(there, read_here)
    again, _ = ingested(papers, tmp_path / "there", two_nodes.address)
    assert all(d.skipped or d.error for d in again.documents)
    assert not list(Path("/tmp").glob("rag-app-node-*")), "a node keeps something of a paper"


def test_a_killed_worker_repeats_its_batch_and_nothing_is_lost(
    two_nodes: TwoNodes, papers: Path, read_here: tuple[IngestReport, Path], tmp_path: Path
) -> None:
    with meanwhile(kill_a_busy_one, after_s=3.0) as killed:
        there = ingested(papers, tmp_path / "there", two_nodes.address)
    assert killed, "there was nothing left to kill"
    assert there[0].note == "Workers of the cluster were lost; 1 batch was done again by others."
    assert_equal(there, read_here)


def test_a_node_that_goes_repeats_its_batch_and_nothing_is_lost(
    two_nodes: TwoNodes, papers: Path, read_here: tuple[IngestReport, Path], tmp_path: Path
) -> None:
    node = two_nodes.cluster.add_node(num_cpus=1)  # pyright: ignore[reportAttributeAccessIssue]  # Ray's test class
    raylet = node.all_processes["raylet"][0].process.pid

    def remove() -> bool:
        if not any(process.ppid() == raylet for process in busy() if process.is_running()):
            return False
        two_nodes.cluster.remove_node(node, allow_graceful=False)  # pyright: ignore[reportAttributeAccessIssue]
        return True

    with meanwhile(remove, after_s=2.0) as removed:
        there = ingested(papers, tmp_path / "there", two_nodes.address)
    assert removed, "the node had nothing to do"
    assert there[0].note == "Workers of the cluster were lost; 1 batch was done again by others."
    assert_equal(there, read_here)


def test_a_call_that_takes_every_worker_with_it_is_given_up_and_said(
    two_nodes: TwoNodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one is that crashes the parser: it costs its file where nothing is known of that yet, else its page."""
    monkeypatch.setattr(cluster_pool, "MOST_LOSSES", 1)
    save(document(3), tmp_path / "three.pdf")
    with meanwhile(kill_a_busy_one) as killed:
        report, _ = ingested(tmp_path / "three.pdf", tmp_path / "there", two_nodes.address)
    assert killed
    (told,) = report.documents
    assert "of the cluster were lost at it" in f"{told.error} {told.problems}"


def test_an_interrupted_ingestion_stops_the_workers_and_goes_on_where_it_was(
    two_nodes: TwoNodes, papers: Path, read_here: tuple[IngestReport, Path], tmp_path: Path
) -> None:
    settings = Settings.from_mapping({"ingestion": {"ray": two_nodes.address}})
    working: list[psutil.Process] = []

    def interrupt(done: int, _: int) -> None:
        if done >= 6:
            working.extend(busy())
            raise KeyboardInterrupt

    with Library.open(tmp_path / "there", settings=settings) as library:
        with pytest.raises(KeyboardInterrupt):
            library.ingest(papers, on_progress=interrupt)
        assert left_of(working) == []
        done = {d.document for d in library.ingest(papers).documents if not d.error}
    assert done >= {"long.pdf"}
    assert_same(whole(tmp_path / "there"), whole(read_here[1]))


def test_other_versions_are_refused_before_anything_is_read(
    two_nodes: TwoNodes, papers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_pool, "versions", lambda: {**versions(), "pymupdf": "9.9"})
    with pytest.raises(ClusterError, match=r"has pymupdf \d.* and not 9\.9, as this machine has: install the same"):
        ingested(papers, tmp_path / "there", two_nodes.address)
    with Library.open(tmp_path / "there") as library:
        assert library.documents() == []


def test_what_is_compared_of_versions() -> None:
    here = versions()
    assert difference(here, here) is None
    assert difference(here, {**here, "OCR": "none?"}) == f"OCR none? and not {here['OCR']}"
    assert difference({**here, "new": "1"}, here) == "new not at all and not 1"
