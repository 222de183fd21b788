"""What our dependencies would note and send of their use stays unnoted and unsent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def files_after(program: str, home: Path, **more: str) -> list[str]:
    """What a fresh process writes into its user's folder."""
    home.mkdir()
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-c", program], env={**environ, **more}, timeout=120, check=True)
    return sorted(path.name for path in home.rglob("*") if path.is_file())


@pytest.fixture(scope="module", autouse=True)
def it_would_note_something(tmp_path_factory: pytest.TempPathFactory) -> None:
    """These tests can fail: by itself ONNX Runtime does note its use."""
    if not files_after("import onnxruntime", tmp_path_factory.mktemp("bare") / "home"):
        pytest.skip("this version of ONNX Runtime notes nothing of its use")


def test_onnx_runtime_notes_nothing(tmp_path: Path) -> None:
    assert files_after("import rag_app, onnxruntime", tmp_path / "home") == []


def test_nor_in_a_worker_process(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import multiprocessing, rag_app\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        pool.apply(exec, ('import onnxruntime',))\n",
        encoding="utf-8",
    )
    assert files_after(f"import runpy; runpy.run_path({str(script)!r}, run_name='__main__')", tmp_path / "home") == []
