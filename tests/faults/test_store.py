"""The store alone: kill -9 at random moments, a full disk, two writers, readers: nothing that was committed is lost."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rag_app.errors import DiskFull
from rag_app.store import Filter, Store
from rag_app.vectors.space import Space
from tests.faults import times
from tests.faults.store_writer import content, place, write
from tests.storing import DIM, SPACE, nodes, put, sha, state, vectors

PAPERS, NODES = 8, 120
KILLS = times(3, 40)
ROOT = Path(__file__).parent.parent.parent


def expected(number: int, version: int, count: int = NODES) -> list[tuple[str, str, bytes]]:
    made = nodes(content(number, version), count)
    matrix = vectors(content(number, version), count)
    return [(n.node_id, n.text, v.tobytes()) for n, v in zip(made, matrix, strict=True)]


@pytest.fixture(scope="module")
def first_versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that holds the first version of half of the papers."""
    folder = tmp_path_factory.mktemp("first") / "library"
    write(folder, PAPERS // 2, NODES, version=1)
    return folder


def start(folder: Path, *, papers: int = PAPERS, count: int = NODES) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.store_writer", folder, str(papers), str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def assert_sound(folder: Path) -> int:
    """Every paper is there in one version, whole, and found by words and by vectors; returns how many are new."""
    new = 0
    with Store.open(folder, create=False) as store:
        held = state(store)
        for number in range(PAPERS):
            versions = [v for v in (1, 2) if sha(content(number, v)) in held]
            assert len(versions) == 1 or (versions == [] and number >= PAPERS // 2)
            for version in versions:
                assert held[sha(content(number, version))] == expected(number, version)
                new += version == 2
        assert store.integrity().damage == ()
        space = Space(store, SPACE)
        for document_id, kept in held.items():
            rows = store.row_ids(Filter(documents=(document_id,)))
            found = store.nodes([hit.row for hit in space.search(np.ones(DIM), k=5, rows=rows)])
            scores = np.array([np.frombuffer(blob, np.float32) @ np.ones(DIM) for _, _, blob in kept])
            assert [n.node_id for n in found] == [kept[i][0] for i in np.argsort(-scores)[:5]]
            word = kept[0][1].split()[0]
            with_word = {node_id for node_id, text, _ in kept if word in text.split()}
            hits = store.lexical([word], k=10_000, allowed=Filter(documents=(document_id,)))
            assert with_word <= {n.node_id for n in store.nodes([hit.row for hit in hits])}
        assert len(space.search(np.ones(DIM), k=100_000)) == sum(len(kept) for kept in held.values())
    return new


def test_killed_at_random_moments(first_versions: Path, tmp_path: Path):
    undisturbed = tmp_path / "undisturbed"
    shutil.copytree(first_versions, undisturbed)
    process = start(undisturbed)
    began = time.monotonic()
    go(process)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert said.split() == [str(number) for number in range(PAPERS)]
    a_paper_s = (time.monotonic() - began) / PAPERS
    with Store.open(undisturbed) as store:
        goal = state(store)

    draw = random.Random()
    seed = draw.randrange(10**6)
    print(f"seed {seed}; a paper takes {a_paper_s:.3f} s")
    draw.seed(seed)
    progress = []
    for kill in range(KILLS):
        folder = tmp_path / f"killed{kill}"
        shutil.copytree(first_versions, folder)
        process = start(folder)
        go(process)
        assert process.stdout is not None
        for _ in range(draw.randrange(PAPERS)):
            process.stdout.readline()
        time.sleep(draw.uniform(0, a_paper_s))
        process.kill()
        process.wait()
        progress.append(assert_sound(folder))
        write(folder, PAPERS, NODES, version=2)
        assert assert_sound(folder) == PAPERS
        with Store.open(folder) as store:
            assert state(store) == goal
            assert [info.name for info in store.documents()] == [f"p{number}.pdf" for number in range(PAPERS)]
        shutil.rmtree(folder)
    print(f"papers done when killed: {progress}")
    assert len(set(progress)) > 1, "every kill came at the same place; the moments are not random"


def test_two_writers_at_once(first_versions: Path, tmp_path: Path):
    folder = tmp_path / "library"
    shutil.copytree(first_versions, folder)
    writers = [start(folder), start(folder)]
    for process in writers:
        go(process)
    said = [process.communicate(timeout=120)[1] for process in writers]
    refused = [text for text in said if text]
    assert all("LibraryBusy: The library" in text and "is being written by" in text for text in refused)
    assert sorted(process.returncode for process in writers) in (
        [0, 1],
        [0, 0],
    )  # the second may begin when the first ends
    assert assert_sound(folder) == PAPERS


def test_readers_while_a_writer_writes(first_versions: Path, tmp_path: Path):
    folder = tmp_path / "library"
    shutil.copytree(first_versions, folder)
    process = start(folder)
    with Store.open(folder) as store:
        space = Space(store, SPACE)
        go(process)
        searches = 0
        while process.poll() is None or searches < 5:
            with store.snapshot():
                total = store.size()
                hits = space.search(np.ones(DIM), k=10)
                words = store.lexical(["w1", "w2"], k=10)
                assert len(hits) == len(words) == 10
                assert len(store.nodes([hit.row for hit in [*hits, *words]])) == 20
                assert total % NODES == 0  # only whole papers are seen
            searches += 1
    assert process.wait() == 0


@pytest.fixture
def small_disk(disk: Callable[[str], Path]) -> Path:
    """A file system of 6 MB."""
    return disk("6m")


def test_a_full_disk(small_disk: Path):
    folder = small_disk / "library"
    committed = 0
    with Store.open(folder) as store:
        with pytest.raises(DiskFull, match="what was there before is unchanged"):
            for number in range(200):
                put(store, content(number, 1), f"p{number}.pdf", path=place(number), count=NODES)
                committed = number + 1
        assert committed > 3
        assert [info.name for info in store.documents()] == [f"p{number}.pdf" for number in range(committed)]
        with pytest.raises(DiskFull):
            put(store, content(committed, 1), f"p{committed}.pdf", path=place(committed), count=NODES)
    with Store.open(folder, create=False) as store:  # a new process
        held = state(store)
        assert held == {sha(content(number, 1)): expected(number, 1) for number in range(committed)}
        assert len(Space(store, SPACE).search(np.ones(DIM), k=10)) == 10
        assert len(store.lexical(["w1"], k=10)) == 10
    subprocess.run(["mount", "-o", "remount,size=40m", small_disk], check=True)
    write(folder, committed + 2, NODES, version=1)
    with Store.open(folder) as store:
        assert state(store) == {sha(content(number, 1)): expected(number, 1) for number in range(committed + 2)}
        assert store.integrity().damage == ()


def test_a_full_disk_to_the_last_byte(small_disk: Path):
    """Another program has taken all that is left: the library is still read, by a process that opens it now."""
    folder = small_disk / "library"
    with Store.open(folder) as store:
        put(store, "a", count=NODES)
    with (small_disk / "filler").open("wb", buffering=0) as filler, pytest.raises(OSError, match="No space"):
        while filler.write(b"x" * 4096):
            pass
    with Store.open(folder, create=False) as store:
        assert len(store.lexical(["w1"], k=10)) == 10
        assert len(Space(store, SPACE).search(np.ones(DIM), k=10)) == 10
        with pytest.raises(DiskFull):
            put(store, "b", "b.pdf", count=NODES)
        with pytest.raises(DiskFull):
            Space(store, SPACE).save()
    (small_disk / "filler").unlink()
    with Store.open(folder) as store:
        put(store, "b", "b.pdf", count=NODES)
        assert len(store.documents()) == 2


def test_sqlite_reports_no_room(tmp_path: Path):
    """The same without mounting: SQLite may not grow its file."""
    with Store.open(tmp_path) as store:
        put(store, "a", "a.pdf")
        pages = store.database.connection.execute("PRAGMA page_count").fetchone()[0]
        store.database.connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(DiskFull):
            put(store, "b", "b.pdf", count=NODES)
        assert [info.name for info in store.documents()] == ["a.pdf"]
        store.database.connection.execute("PRAGMA max_page_count = 1000000")
        put(store, "b", "b.pdf", count=NODES)
        assert len(store.documents()) == 2
