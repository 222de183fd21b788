"""The whole conversation in a real terminal: tmux, the program, the protocol server."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rag_app.repl.commands import COMMANDS
from tests.terminal_session import hold, steps


def test_every_command_of_the_chat_is_in_the_session(tmp_path: Path) -> None:
    lines = [step.line for step in steps(tmp_path)] + ["/quit"]
    assert {line[1:].split(" ")[0] for line in lines if line.startswith("/")} >= set(COMMANDS)


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_a_conversation_over_every_command(
    sample_library: Path, copy_of: Callable[[Path], Path], tmp_path: Path
) -> None:
    held = list(hold(copy_of(sample_library), tmp_path))
    assert held[-1][0].line == "/quit" and len(held) == len(steps(tmp_path)) + 1
    for step, screen in held:
        assert "Traceback" not in screen, f"after {step.line!r}:\n{screen}"
    assert (tmp_path / "talk.html").exists() and (tmp_path / "talk.jsonl").exists()
