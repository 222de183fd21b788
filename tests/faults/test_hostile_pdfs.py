"""Hostile PDFs, read in one batch with papers: each ends in a paper or one sentence, within its limits, alone."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from ingestion.limits import Limits
from ingestion.reading import ReadResult, read_papers
from rag_app.errors import RagAppError
from tests.faults import times
from tests.faults.hostile_pdfs import SOUND, makers
from tests.faults.sentences import told
from tests.made_pdfs import document, save

LIMITS = Limits(page_cpu_s=times(2, 20), page_wall_s=60, memory_bytes=2 << 30)
NAMES = sorted(makers(Path()))
# Their text is lost with its page: it cannot be had, or what stands around it costs more than a page may.
WITHOUT_TEXT = {
    "bomb": "they hold nothing but blanks",
    "bomb in a bomb": "the same",
    "content in another file": "what it names is not read",
    "table of objects in a circle": "it has no page",
    "too many pages said": "no page can be counted",
    "negative pages said": "the same",
    "page tree that is its own parent": "the page has no resources",
    "font that lies": "its letters have no width, and stand on each other",
    "deep content": "what follows the text cannot be read",
    "forms that multiply": "drawing it takes hours",
    "a million words": "reading them takes longer than a page may",
}


@dataclass(frozen=True, slots=True)
class Batch:
    """results by name; bytes: the most memory that one process held; folder: where all of it was done."""

    results: dict[str, ReadResult]
    bytes: int
    seconds: float
    folder: Path


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Batch:
    folder = tmp_path_factory.mktemp("hostile")
    papers = folder / "papers"
    papers.mkdir()
    for name, make in makers(folder).items():
        (papers / f"{name}.pdf").write_bytes(make())
    for number in range(2):
        save(document(2), papers / f"paper {number}.pdf")
    most, done = 0, threading.Event()

    def look() -> None:
        nonlocal most
        while not done.wait(0.1):
            for process in psutil.Process().children(recursive=True):
                try:
                    most = max(most, process.memory_info().rss)
                except psutil.NoSuchProcess:
                    continue

    looking = threading.Thread(target=look)
    looking.start()
    began = time.monotonic()
    try:
        results = {
            result.path.stem: result
            for result in read_papers(sorted(papers.iterdir()), crops=folder / "crops", limits=LIMITS, workers=2)
        }
    finally:
        done.set()
        looking.join()
    seconds = time.monotonic() - began
    print(f"{len(results)} files in {seconds:.0f} s, at most {most / 2**20:.0f} MB in a worker")
    return Batch(results, most, seconds, folder)


@pytest.mark.parametrize("name", NAMES)
def test_it_ends_in_a_paper_or_in_one_sentence(name: str, batch: Batch) -> None:
    result = batch.results[name]
    assert (result.paper is None) != (result.error is None)
    if result.error is not None:
        assert isinstance(result.error, RagAppError) and "\n" not in str(result.error), result.error
        assert name in WITHOUT_TEXT, result.error
    else:
        assert result.paper is not None
        text = " ".join(" ".join(element.text for element in result.paper.elements).split())
        problems = [problem.message for problem in result.paper.problems]
        assert SOUND in text or name in WITHOUT_TEXT or problems, "a text is gone without a word"
        assert "root:" not in text, "a file of this machine was read"


def test_the_papers_beside_them_are_whole(batch: Batch) -> None:
    for number in range(2):
        paper = batch.results[f"paper {number}"].paper
        assert paper is not None and paper.problems == ()
        assert len(paper.elements) >= 8


def test_none_is_lost_and_the_limits_hold(batch: Batch) -> None:
    assert len(batch.results) == len(NAMES) + 2
    assert batch.bytes < LIMITS.memory_bytes + (512 << 20)
    assert batch.seconds < times(90, 1800)


def test_nothing_was_run_or_unpacked(batch: Batch) -> None:
    assert {path.name for path in batch.folder.iterdir()} == {"papers", "crops"}
    crops = list((batch.folder / "crops").iterdir())
    assert all(path.suffix == ".png" for path in crops)
    active = batch.results["scripts, launching, files inside"].paper
    assert active is not None and "owned" not in active.to_json()


def test_a_title_steers_nothing_and_is_short(batch: Batch) -> None:
    paper = batch.results["a title that steers"].paper
    assert paper is not None
    assert not set(paper.title) & set(map(chr, [*range(32), *range(127, 160)]))
    assert all(len(value) <= 2000 for value in paper.metadata.values())


def test_what_the_user_sees(batch: Batch) -> None:
    told("A page of a PDF never ends", batch.results["forms that multiply"].error)
    told("A PDF is damaged or made to harm", batch.results["too many pages said"].error)
