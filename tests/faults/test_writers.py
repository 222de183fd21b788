"""Two commands at once: each is done, or is refused with who is writing; then the library is as if one had waited."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults import FULL, oracle
from tests.faults.operations import OPERATIONS, Rehearsal
from tests.faults.sentences import told
from tests.faults.stage import end, run, start


@pytest.mark.skipif(not FULL, reason="two writers at once, command by command: make faults (test_store has the store)")
@pytest.mark.parametrize("name", OPERATIONS)
def test_beside_an_ingestion(name: str, rehearsal: Rehearsal, tmp_path: Path) -> None:
    folder = rehearsal.copy(name, tmp_path / "library")
    both = [start(rehearsal.line(one, folder)) for one in ("ingest", name)]
    ended = [end(process) for process in both]
    for code, _, said in ended:
        assert code in (0, 1) and "Unexpected" not in said, said
        if code == 1:
            told("Another process is writing", said.strip().splitlines()[-1].removeprefix("Error: "))
    assert any(code == 0 for code, _, _ in ended)
    for one in (name, "ingest"):
        done = run(*rehearsal.words(one, folder), library=folder)
        assert done.returncode in OPERATIONS[one].again, done.stderr
    found, goal = oracle.contents(folder), rehearsal.after("ingest")
    if name == "reembed":
        assert found.active != goal.active and found.documents.keys() == goal.documents.keys()
    else:
        assert found.documents == goal.documents


def test_a_lock_outlives_no_process(copy: Callable[[str], Path]) -> None:
    """The note of a dead holder, and a lock file of long ago, hinder nobody."""
    folder = copy("library")
    (folder / "writer.lock").touch()
    (folder / "writer.json").write_text('{"pid": 1, "host": "h", "since": "2001", "command": "rag-app"}')
    assert run("remove", "made.pdf", library=folder).returncode == 0
