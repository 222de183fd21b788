"""Power is lost between any two writes of a real process: the library opens to a state that was reported as done.

strace records what the process does to its files; `power` says what may be on the disk at each moment.
"""

from __future__ import annotations

import random
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.faults import oracle, times, tracing
from tests.faults.conftest import SAMPLE
from tests.faults.power import Disk, put
from tests.faults.power_writer import STEPS
from tests.faults.stage import end, start
from tests.faults.tracing import Call, plain
from tests.made_pdfs import document, save

pytestmark = tracing.needs_strace

WAYS = ("flushed", "names", "lengths", "contents", "some", "some")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Call]]:
    """The folder that a library was made in, and what its process did."""
    root = tmp_path_factory.mktemp("power")
    papers = tmp_path_factory.mktemp("papers")
    shutil.copyfile(SAMPLE, papers / "clip_fa.pdf")
    save(document(1), papers / "made.pdf")
    log = tmp_path_factory.mktemp("log") / "calls"
    writer = [sys.executable, "-m", "tests.faults.power_writer", root / "library", papers]
    code, said, err = end(start(tracing.traced(writer, log, data=True)))
    assert code == 0 and said.count("done") == STEPS, err
    found = tracing.calls(log)
    shutil.rmtree(log.parent)
    kept = [call for call in found if _step(call) or str(root) in plain(call.arguments[:20_000])]
    return root, [call for call in kept if call.result >= 0]


def test_power_loss(recorded: tuple[Path, list[Call]], tmp_path: Path) -> None:
    root, calls = recorded
    states = _states(root, calls, tmp_path)
    draw = random.Random(7)
    moments = [i for i, call in enumerate(calls) if call.name in ("fsync", "fdatasync", "rename", "unlink")]
    moments += [i for i, call in enumerate(calls) if _step(call)]
    moments += draw.sample(range(len(calls)), min(len(calls), times(10, 300)))
    chosen = set(draw.sample(moments, min(len(moments), times(15, len(moments)))))
    disk, done, seen = Disk(root), 0, Counter[str]()
    for i, call in enumerate(calls):
        if i in chosen:
            for way in WAYS:
                folder = tmp_path / "cut"
                put(list(disk.after_a_cut(draw, way)), root, folder)
                seen[_judged(folder / "library", states, done, f"{way} before call {i}, {call.name}")] += 1
                shutil.rmtree(folder, ignore_errors=True)
        if step := _step(call):
            done = step
        else:
            disk.do(call)
    print(f"{len(calls)} calls; {sum(seen.values())} cuts: {dict(seen)}")
    assert seen["as before"] and seen["as after"]


def test_the_model_is_true(recorded: tuple[Path, list[Call]], tmp_path: Path) -> None:
    """With all that was written, the model holds what is really on the disk."""
    root, calls = recorded
    disk = Disk(root)
    for call in calls:
        if not _step(call):
            disk.do(call)
    put(list(disk.after_a_cut(random.Random(), "all")), root, tmp_path / "made")
    real = {p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file() and p.suffix != ".lock"}
    made = {p.relative_to(tmp_path / "made"): p.read_bytes() for p in (tmp_path / "made").rglob("*") if p.is_file()}
    assert made.keys() - real.keys() <= {p for p in made if p.suffix == ".lock"}
    assert {path for path, content in real.items() if made.get(path) != content} == set()


def _states(root: Path, calls: Sequence[Call], tmp_path: Path) -> list[oracle.Contents | None]:
    """What the library held after each step; None before the first."""
    disk, found = Disk(root), list[oracle.Contents | None]([None])
    for call in calls:
        if _step(call):
            folder = tmp_path / "state"
            put(list(disk.after_a_cut(random.Random(), "all")), root, folder)
            found.append(oracle.contents(folder / "library"))
            shutil.rmtree(folder)
        else:
            disk.do(call)
    assert len(found) == STEPS + 1
    return found


def _judged(library: Path, states: Sequence[oracle.Contents | None], done: int, told: str) -> str:
    """Whether the library is as it was reported, or further."""
    before, after = states[done], states[min(done + 1, STEPS)]
    assert after is not None
    if before is None:
        if not (library / "library.sqlite").exists():
            return "none yet"
        before = oracle.Contents({}, {}, [], [], None)
    assert (library / "library.sqlite").exists(), f"{told}: the library is gone"
    try:
        changed = oracle.assert_between(oracle.contents(library), before, after)
    except Exception as exc:
        raise AssertionError(f"{told}, after step {done}: {exc}") from exc
    return "as after" if changed else "as before"


def _step(call: Call) -> int:
    """The number of the step that this call reported; 0 for any other."""
    if call.name != "write":
        return 0
    text = plain(call.arguments.partition(", ")[2][:200])
    return int(text[6]) if text.startswith('"step ') else 0
