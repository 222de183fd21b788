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
from tests.faults.stage import end, run, start

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
