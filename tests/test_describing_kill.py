"""Ctrl-C and the background: real `rag-app describe` processes against a server on a socket."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.described_library import make_library
from tests.faults.describing import asked, describe
from tests.faults.stage import RAG_APP
from tests.ollama_server import Model, OllamaServer

FIGURES = 8


@pytest.fixture
def server() -> Iterator[OllamaServer]:
    with OllamaServer([Model("tinyvlm", {"completion", "vision"}, latency_s=0.1)]) as running:
        yield running


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "library"
    make_library(folder, papers=2, figures=FIGURES // 2).close()
    return folder


@pytest.fixture
def library(made: Path, tmp_path: Path, server: OllamaServer) -> Path:
    folder = Path(shutil.copytree(made, tmp_path / "library"))
    (folder / "settings.toml").write_text(f'[ollama]\nhost = "{server.url}"\n', encoding="utf-8")
    return folder


def run(*words: str, library: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [RAG_APP, *words, "--library", library], capture_output=True, text=True, timeout=120, check=False
    )


def test_ctrl_c_says_how_to_go_on(library: Path, server: OllamaServer) -> None:
    server.models[0].latency_s = 1.0
    process = describe(library, stderr=subprocess.PIPE)
    while sum(asked(server).values()) < 2:
        time.sleep(0.02)
    pressed = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert time.monotonic() - pressed < 5  # it does not wait for the model
    assert process.returncode == 130
    assert "What was described is kept, the rest stays pending; run the same command again" in said
    status = json.loads(run("status", "--json", library=library).stdout)["descriptions"]
    (tally,) = status["models"]
    assert tally["done"] >= 1 and tally["failed"] == 0 and tally["done"] + tally["pending"] == FIGURES
    assert status["running"] is None
    server.models[0].latency_s = 0.0
    done = run("describe", "--with", "tinyvlm", "--json", library=library)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["done"] == tally["pending"]
    assert max(asked(server).values()) <= 2


def test_in_the_background(library: Path, server: OllamaServer) -> None:
    server.models[0].latency_s = 2.0
    started = run("describe", "--with", "tinyvlm", "--background", "--json", library=library)
    assert started.returncode == 0, started.stderr
    pid = json.loads(started.stdout)["pid"]
    process = psutil.Process(pid)
    while not asked(server):
        time.sleep(0.02)
    status = run("status", library=library).stdout
    assert f"Being described now by process {pid}" in status
    assert "ollama:tinyvlm: " in status and "pending" in status
    second = run("describe", "--with", "tinyvlm", library=library)
    assert second.returncode == 1 and f"being described by process {pid} (rag_app)" in second.stderr
    found = run("search", "loss of the model", library=library)  # the library answers meanwhile
    assert found.returncode == 0 and "Figure" in found.stdout
    server.models[0].latency_s = 0.0
    process.wait(60)
    after = json.loads(run("status", "--json", library=library).stdout)["descriptions"]
    assert after["running"] is None and after["models"][0]["done"] == FIGURES
    log = (library / "describe.log").read_text(encoding="utf-8")
    assert f"{FIGURES} of {FIGURES} described by ollama:tinyvlm" in log


def test_in_the_background_nothing_is_hidden(library: Path) -> None:
    refused = run("describe", "--with", "tinyvml", "--background", library=library)
    assert refused.returncode == 2 and "did you mean tinyvlm" in refused.stderr
