"""Loading a model says nothing, and the libraries that load it fetch no compiled code."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

LOAD = "import sys; from adapters.huggingface.loading import load_parts; load_parts(sys.argv[1], adapter=sys.argv[2])"


@pytest.mark.parametrize("bits", ["", "#4bit"])
def test_a_tuned_model_is_loaded_without_a_word(answering_adapter: str, tmp_path: Path, bits: str) -> None:
    if bits and importlib.util.find_spec("bitsandbytes") is None:
        pytest.skip("bitsandbytes is not installed")
    fetched = tmp_path / "fetched"
    (tmp_path / "kernels.py").write_text(f"open({str(fetched)!r}, 'w').close()\nraise ImportError('fetched code')\n")
    base, _, adapter = answering_adapter.removeprefix("hf:").partition("+")
    done = subprocess.run(
        [sys.executable, "-W", "default::FutureWarning", "-c", LOAD, base + bits, adapter],
        env={**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not fetched.exists()
