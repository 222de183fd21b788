"""Running a command line in this process, which spares the seconds that loading takes."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from rag_app.cli import main

Result = subprocess.CompletedProcess[str]


class CommandLine:
    """Runs `rag-app` with the words given; what it wrote comes back."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd

    def __call__(self, *words: object) -> Result:
        self._capfd.readouterr()
        code = main.run([str(word) for word in words])
        out, err = self._capfd.readouterr()
        return Result([str(word) for word in words], code, out, err)

    def json(self, *words: object, code: int = 0) -> Any:  # Any: JSON
        """The document that a command prints with --json, after its exit code was `code`."""
        result = self(*words, "--json")
        assert result.returncode == code, result.stderr
        return json.loads(result.stdout)
