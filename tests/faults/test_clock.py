"""The clock jumps by years, before and while something is written; files come from the future."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rag_app import Library
from rag_app.store import Store
from rag_app.store.checking import orphans
from tests.faults import FULL, oracle
from tests.faults.operations import OPERATIONS, Rehearsal
from tests.faults.stage import Stage, end, start

_LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
needs_faketime = pytest.mark.skipif(
    _LIBRARY is None, reason="libfaketime is not installed: sudo apt install libfaketime"
)


def at(clock: Path) -> dict[str, str]:
    """The environment of a process whose clock says what is in that file, such as "+2y"; timeouts stay true."""
    return {
        **os.environ,
        "LD_PRELOAD": str(_LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


@needs_faketime
@pytest.mark.parametrize(("first", "then"), [("+9y", "-9y"), ("-9y", "+9y")] if FULL else [("+9y", "-9y")])
@pytest.mark.parametrize("name", OPERATIONS if FULL else ["remove"])
def test_a_jump_in_the_middle(name: str, first: str, then: str, rehearsal: Rehearsal, tmp_path: Path) -> None:
    folder = rehearsal.copy(name, tmp_path / "library")
    clock = tmp_path / "clock"
    clock.write_text(first)
    process = start(rehearsal.line(name, folder), env=at(clock))
    time.sleep(0.7)
    clock.write_text(then)
    code, _, said = end(process)
    assert code == 0, said
    rehearsal.assert_ended(name, folder)


@needs_faketime
def test_a_lock_does_not_grow_old(copy: Callable[[str], Path], tmp_path: Path) -> None:
    folder = copy("library")
    clock = tmp_path / "clock"
    clock.write_text("+9y")
    with Store.open(folder) as store, store.write_lock():
        line = ["rag-app", "remove", "made.pdf", "--library", str(folder)]
        code, _, said = end(start([str(Path(sys.executable).with_name(line[0])), *line[1:]], env=at(clock)))
    assert code == 1 and "is being written by process" in said


def test_a_file_that_is_being_written_is_not_left_over(copy: Callable[[str], Path]) -> None:
    """To a process whose clock is ahead, what another one writes now looks old; that one lives."""
    folder = copy("library")
    with subprocess.Popen(["sleep", "60"]) as living:
        mine = folder / "spaces" / f"x.faiss.{living.pid}-1.tmp"
        dead = folder / "spaces" / f"x.faiss.{2**22 + 1}-1.tmp"
        for path in (mine, dead):
            path.touch()
            os.utime(path, (1e9, 1e9))
        found = orphans(folder, set(), set())
        assert dead in found and mine not in found
        living.kill()


def test_papers_from_the_future_and_with_an_old_time(stage: Stage, tmp_path: Path) -> None:
    """A changed file is noticed whatever its time says, and however long it is."""
    papers = tmp_path / "papers"
    shutil.copytree(stage.papers, papers)
    (papers / "clip_fa.pdf").unlink()
    (papers / "new.pdf").unlink()
    paper = papers / "made.pdf"
    with Library.open(tmp_path / "library") as library:
        os.utime(paper, (4e9, 4e9))
        (first,) = library.ingest(papers).documents
        assert first.error is None and not first.skipped
        was = paper.stat()
        content = bytearray(paper.read_bytes())
        at_ = content.rindex(b"%%EOF")
        content[at_ - 1 : at_] = b" "  # as long as before
        paper.write_bytes(content)
        os.utime(paper, ns=(was.st_atime_ns, was.st_mtime_ns))
        assert paper.stat().st_size == was.st_size and paper.stat().st_mtime_ns == was.st_mtime_ns
        (second,) = library.ingest(papers).documents
        assert not second.skipped and second.id != first.id
        assert [info.document_id for info in library.documents()] == [second.id]
    oracle.contents(tmp_path / "library")
