"""kill -9 of every command that writes, at chosen system calls: each document is as before or as after, and the same
command run again ends as if nothing had happened.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults import FULL, oracle, times, tracing
from tests.faults.stage import Stage, command, end, run, start
from tests.ollama_server import Model, OllamaServer

pytestmark = tracing.needs_strace


@dataclass(frozen=True, slots=True)
class Operation:
    """A command that writes. again: exit codes of the same command when a killed one had got that far already."""

    words: Sequence[str]
    settings: str = ""
    again: tuple[int, ...] = (0,)


OPERATIONS = {
    "ingest": Operation(["ingest", "PAPERS"]),
    "remove": Operation(["remove", "clip_fa.pdf"], again=(0, 2)),
    "reembed": Operation(
        ["ingest", "--reembed"], settings='[models]\ntext_embedding = "tiny:embed"\n[ollama]\nhost = "SERVER"\n'
    ),
    "repair": Operation(["repair"]),
    "ask": Operation(["ask", "Which data was used?"]),
}


@pytest.fixture(scope="module")
def server() -> Iterator[OllamaServer]:
    with OllamaServer([Model("tiny:embed", {"embedding"}, embedding_length=48)]) as running:
        yield running


@pytest.mark.parametrize("name", OPERATIONS)
def test_killed_at_a_system_call(
    name: str, stage: Stage, copy: Callable[[str], Path], server: OllamaServer, tmp_path: Path
) -> None:
    operation = OPERATIONS[name]
    before = oracle.contents(stage.library)
    undisturbed = _copied(copy, "undisturbed", operation, server)
    log = tmp_path / "log" / "calls"
    log.parent.mkdir()
    words = [str(stage.papers) if word == "PAPERS" else word for word in operation.words]
    code, _, said = end(start(tracing.traced(command(words, undisturbed), log)))
    assert code == 0, said
    after = oracle.contents(undisturbed)
    places = sorted({(c.name, c.number) for c in tracing.touching(undisturbed, tracing.calls(log))})
    assert len(places) > 5
    draw = random.Random(f"{name} {random.random()}" if FULL else name)
    changed = []
    for number in range(times(1, 40)):
        call, nth = draw.choice(places)
        folder = _copied(copy, f"killed{number}", operation, server)
        process = start(tracing.struck(command(words, folder), call, f"signal=KILL:when={nth}"))
        end(process)
        held = oracle.contents(folder)
        changed.append(oracle.assert_between(held, before, after))
        done = run(*words, library=folder)
        assert done.returncode in operation.again, (call, nth, done.stderr)
        ended = oracle.contents(folder)
        if name == "ask":  # the killed one may have kept its answer before it could show it
            assert set(ended.answers) == set(after.answers)
            ended = after if ended.documents == after.documents else ended
        oracle.assert_same(ended, after)
        shutil.rmtree(folder)
    print(f"{name}: {len(places)} places to be killed at; documents changed by then: {changed}")


def _copied(copy: Callable[[str], Path], name: str, operation: Operation, server: OllamaServer) -> Path:
    folder = copy(name)
    if operation.settings:
        text = operation.settings.replace("SERVER", server.url)
        (folder / "settings.toml").write_text(text, encoding="utf-8")
    return folder
