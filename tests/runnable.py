"""Blocks of code in pages: what they say, which of them run, and running them as a reader would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
RUN = "<!-- run -->"  # stands on the line above a block that a test executes
_BLOCK = re.compile(rf"^(?P<run>{RUN}\n)?```(?P<language>\w+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block of a page; line: of its fence, from 1."""

    page: Path
    line: int
    language: str
    code: str
    runs: bool

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"


def pages() -> list[Path]:
    return sorted(DOCS.rglob("*.md"))


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, m.start("language")) + 1, m["language"], m["code"], m["run"] is not None)
        for m in _BLOCK.finditer(text)
    ]


def run(block: Block, folder: Path, **environment: str) -> str:
    """What the block prints to stdout in `folder`; AssertionError where it fails."""
    here = str(Path(sys.executable).parent)
    command = [sys.executable, "-c", block.code] if block.language == "python" else ["bash", "-euc", block.code]
    unset = ("RAG_APP_LIBRARY", "OLLAMA_API_KEY", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy")
    inherited = {name: value for name, value in os.environ.items() if name not in unset}
    done = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
        env={**inherited, "PATH": f"{here}{os.pathsep}{os.environ['PATH']}", "PYTHONUTF8": "1", **environment},
    )
    assert done.returncode == 0, f"{block} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout
