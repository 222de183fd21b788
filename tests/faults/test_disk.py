"""A disk that is full, fails, or cannot be written: a sentence, and nothing is lost; then all goes on."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults import FULL, oracle, times, tracing
from tests.faults.operations import OPERATIONS, Rehearsal
from tests.faults.sentences import told
from tests.faults.stage import RAG_APP, end, run, start

WRITING = ["ingest", "remove", "repair", "vacuum", "backup"]


@pytest.mark.parametrize("name", OPERATIONS if FULL else ["ingest", "vacuum"])
def test_full(name: str, rehearsal: Rehearsal, disk: Callable[[str], Path]) -> None:
    before, after = rehearsal.before(), rehearsal.after(name)
    root = disk("400m")
    outcomes = []
    for number in range(times(1, 12)):
        shutil.rmtree(root / "library", ignore_errors=True)
        folder = rehearsal.copy(name, root / "library")
        room_kib = number * 200 if FULL else 100
        subprocess.run(["mount", "-o", f"remount,size={_used_kib(root) + room_kib}k", root], check=True)
        code, _, said = end(start(rehearsal.line(name, folder)))
        outcomes.append(code)
        if code != 0:
            assert code == 1 and "Traceback" not in said, said
            sentence = said.strip().splitlines()[-1].removeprefix("Error: ")
            if sentence.startswith("To write"):
                told("There is no room for a vacuum", sentence)
            else:
                told("The disk is full", sentence)
        oracle.assert_between(oracle.contents(folder), before, after)
        subprocess.run(["mount", "-o", "remount,size=400m", root], check=True)
        done = run(*rehearsal.words(name, folder), library=folder)
        assert done.returncode in OPERATIONS[name].again, done.stderr
        rehearsal.assert_ended(name, folder)
    print(f"{name}: exit codes with more and more room: {outcomes}")


@tracing.needs_strace
@pytest.mark.parametrize("error", ["EIO", "ENOSPC", "EROFS"] if FULL else ["EIO"])
@pytest.mark.parametrize("name", OPERATIONS if FULL else ["remove"])
def test_a_call_fails(name: str, error: str, rehearsal: Rehearsal, tmp_path: Path) -> None:
    """From one system call on, every one of its kind on the library's file fails."""
    before, after = rehearsal.before(), rehearsal.after(name)
    draw = random.Random(None if FULL else f"{name} {error}")
    for number in range(times(1, 15)):
        folder = rehearsal.copy(name, tmp_path / f"failing{number}")
        call = draw.choice(["pwrite64", "fdatasync"])
        nth = draw.randint(1, max(n for kind, n in rehearsal.places(name) if kind == call))
        line = tracing.struck(rehearsal.line(name, folder), call, f"error={error}:when={nth}+")
        code, _, said = end(start(line))
        assert code in (0, 1) and "Traceback" not in said, (call, nth, said)
        if code == 1 and error == "EIO":
            told("The disk fails", said.strip().splitlines()[-1].removeprefix("Error: "))
        elif code == 1:
            assert "Unexpected" not in said, said
        oracle.assert_between(oracle.contents(folder), before, after)
        done = run(*rehearsal.words(name, folder), library=folder)
        assert done.returncode in OPERATIONS[name].again, (call, nth, done.stderr)
        rehearsal.assert_ended(name, folder)
        shutil.rmtree(folder)


def test_a_read_only_file_system(rehearsal: Rehearsal, disk: Callable[[str], Path]) -> None:
    root = disk("400m")
    folder = rehearsal.copy("ingest", root / "library")
    reading = [["status"], ["search", "language model"], ["ask", "Which data was used?"], ["doctor"]]
    goal = [_shown(words, folder) for words in reading[1:2]]
    subprocess.run(["mount", "-o", "remount,ro", root], check=True)
    try:
        assert [_shown(words, folder) for words in reading[1:2]] == goal
        for words in reading if FULL else reading[:1]:
            done = run(*words, library=folder)
            assert done.returncode == 0 and "Unexpected" not in done.stderr, (words, done.stderr)
        for name in WRITING if FULL else ["ingest", "vacuum"]:
            done = run(*rehearsal.words(name, folder), library=folder)
            assert done.returncode == 1, (name, done.stderr)
            if name != "backup":  # it writes elsewhere: here, onto the same read-only disk
                told("The library cannot be written", done.stderr.strip().splitlines()[-1].removeprefix("Error: "))
            assert "Unexpected" not in done.stderr
    finally:
        subprocess.run(["mount", "-o", "remount,rw", root], check=True)
    oracle.assert_same(oracle.contents(folder), rehearsal.before())


def _shown(words: list[str], library: Path) -> str:
    return subprocess.run(
        [RAG_APP, *words, "--library", library], capture_output=True, text=True, check=True, timeout=120
    ).stdout


def _used_kib(root: Path) -> int:
    return shutil.disk_usage(root).used // 1024
