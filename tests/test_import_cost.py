"""Importing rag_app and asking for help stay cheap: no heavy library, no wait."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rag_app.cli.main import COMMANDS

HEAVY = ("torch", "transformers", "faiss", "pymupdf", "llama_index", "onnxruntime", "numpy", "rich")
HELP_LIMIT_S = 0.5

REPORT_HEAVY = f"""
import atexit, sys
atexit.register(lambda: print("heavy:", [name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr))
"""


def loaded_by(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", REPORT_HEAVY + program], capture_output=True, text=True, timeout=60, check=False
    )
    return done.stderr.splitlines()[-1]


def test_import_rag_app_loads_nothing_heavy() -> None:
    assert loaded_by("import rag_app") == "heavy: []"


@pytest.mark.parametrize("words", [["--help"], *([name, "--help"] for name in COMMANDS), ["--version"], ["ingset"]])
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    assert loaded_by(f"from rag_app.cli.main import run; sys.exit(run({words!r}))") == "heavy: []"


def test_the_probe_can_fail() -> None:
    assert loaded_by("import numpy") == "heavy: ['numpy']"


def test_help_is_fast() -> None:
    """CPU time of the child, best of three, so that a busy machine does not decide."""
    program = Path(sys.executable).with_name("rag-app")
    spent = []
    for _ in range(3):
        before = os.times()
        subprocess.run([program, "--help"], capture_output=True, timeout=60, check=True)
        after = os.times()
        spent.append(after.children_user + after.children_system - before.children_user - before.children_system)
    assert min(spent) < HELP_LIMIT_S
