"""Every test here is marked `faults`; what several of them start from."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ingestion.reading import find_files, read_papers
from rag_app import Library
from tests.faults import FULL
from tests.faults.operations import Rehearsal
from tests.faults.stage import Stage
from tests.made_pdfs import document, save
from tests.ollama_server import Model, OllamaServer

SAMPLE = Path(__file__).parent.parent.parent / "data" / "papers" / "clip_fa.pdf"
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.faults)


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """A library of two papers and an answer; and the papers' folder, where one has since changed and one is new."""
    folder = tmp_path_factory.mktemp("stage")
    papers = folder / "papers"
    papers.mkdir()
    shutil.copyfile(SAMPLE, papers / "clip_fa.pdf")
    save(document(1), papers / "made.pdf")
    with Library.open(folder / "library") as library:
        report = library.ingest(papers)
        assert all(one.error is None for one in report.documents)
        library.ask("What is shown in Figure 1?")
    with (papers / "clip_fa.pdf").open("ab") as changed:
        changed.write(b"\n% changed\n")
    save(document(2), papers / "new.pdf")
    if not FULL:  # parsed ahead, as by an ingestion that was stopped: it saves most of the time
        for one in read_papers(find_files([papers]), crops=folder / "library/crops", cache=folder / "library/cache"):
            assert one.error is None
    return Stage(folder / "library", papers)


@pytest.fixture(scope="session")
def rehearsal(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """What each operation does when nothing happens to it."""
    with OllamaServer([Model("tiny:embed", {"embedding"}, embedding_length=48)]) as server:
        yield Rehearsal(stage, server.url, tmp_path_factory.mktemp("rehearsal"))


@pytest.fixture
def copy(stage: Stage, tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A function that copies the library to a folder of that name."""
    made: list[Path] = []

    def copied(name: str) -> Path:
        made.append(Path(shutil.copytree(stage.library, tmp_path / name)))
        return made[-1]

    yield copied
    for folder in made:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A function that mounts a file system of a size such as "6m" and gives its folder."""
    mounted: list[Path] = []

    def mount(size: str) -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", folder], check=True)


if sys.platform != "linux":
    collect_ignore_glob = ["test_*"]
