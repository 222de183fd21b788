"""kill -9 of every command that writes, at chosen system calls: each document is as before or as after, and the same
command run again ends as if nothing had happened.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from tests.faults import FULL, oracle, times, tracing
from tests.faults.operations import OPERATIONS, Rehearsal
from tests.faults.stage import command, end, run, start

pytestmark = tracing.needs_strace


@pytest.mark.parametrize("name", OPERATIONS if FULL else ["ingest", "remove", "vacuum", "backup"])
def test_killed_at_a_system_call(name: str, rehearsal: Rehearsal, tmp_path: Path) -> None:
    before, after, places = rehearsal.before(), rehearsal.after(name), rehearsal.places(name)
    assert len(places) > 5
    draw = random.Random(f"{name} {random.random()}" if FULL else name)
    changed = []
    for number in range(times(1, 40)):
        call, nth = draw.choice(places)
        folder = rehearsal.copy(name, tmp_path / f"killed{number}")
        end(start(tracing.struck(rehearsal.line(name, folder), call, f"signal=KILL:when={nth}")))
        changed.append(oracle.assert_between(oracle.contents(folder), before, after))
        done = run(*rehearsal.words(name, folder), library=folder)
        assert done.returncode in OPERATIONS[name].again, (call, nth, done.stderr)
        rehearsal.assert_ended(name, folder)
        shutil.rmtree(folder)
    print(f"{name}: {len(places)} places to be killed at; documents changed by then: {changed}")


def test_an_import_is_whole_or_not_there(rehearsal: Rehearsal, tmp_path: Path) -> None:
    goal, exported = rehearsal.before(), tmp_path / "exported"
    assert run("export", exported, "--format", "jsonl", library=rehearsal.stage.library).returncode == 0
    log = tmp_path / "log" / "calls"
    log.parent.mkdir()
    line = command(["import", exported], tmp_path / "imported")
    assert end(start(tracing.traced(line, log)))[0] == 0
    oracle.assert_same(oracle.contents(tmp_path / "imported"), goal)
    calls = tracing.touching(tmp_path / "imported", tracing.calls(log))
    places = sorted({(call.name, call.number) for call in calls})
    draw = random.Random(None if FULL else 1)
    for number in range(times(1, 40)):
        call, nth = draw.choice(places)
        folder = tmp_path / f"killed{number}"
        line = command(["import", exported], folder)
        end(start(tracing.struck(line, call, f"signal=KILL:when={nth}")))
        if not (folder / "library.sqlite").exists():
            assert "There is no library" in run("status", library=folder).stderr
            done = run("import", exported, library=folder)
            assert done.returncode == 0, (call, nth, done.stderr)
        oracle.assert_same(oracle.contents(folder), goal)
