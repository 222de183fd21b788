"""What a newcomer runs first: the demo's four answers, and the README's Python."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, SAMPLE_PAPERS


def test_the_demo_gets_four_of_four(sample_library: Path, tmp_path: Path) -> None:
    shutil.copytree(sample_library, tmp_path / "library")
    (tmp_path / "9-stale.html").write_text("from an earlier run", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, ROOT / "data" / "demo.py", "--out", tmp_path],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\n4 of 4 answers are right" in done.stdout
    written = {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert {"1-text.html", "2-table.html", "3-formula.html", "4-figure.html"} <= written
    assert any(re.fullmatch(r"4-figure-\d+\.png", name) for name in written)
    assert "9-stale.html" not in written


def test_the_readme_python_runs(
    sample_library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    shutil.copytree(sample_library, tmp_path / "my_library")
    shutil.copytree(SAMPLE_PAPERS, tmp_path / "papers")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})  # the block as a reader would paste it
    assert "vision_language_models.pdf" in capsys.readouterr().out


def test_the_readme_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target]
    assert local and [target for target in local if not (ROOT / target).exists()] == []
