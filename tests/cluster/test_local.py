"""A cluster of our own ends with its command however that ends, lets nobody in, and notes nothing of its use."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from rag_app import Library
from tests.cluster.working import BUSY, left_of
from tests.conftest import SAMPLE_PAPERS
from tests.faults.stage import RAG_APP

JOIN = "import ray, sys; ray.init(sys.argv[1], log_to_driver=False)"


@contextlib.contextmanager
def ingesting(folder: Path) -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    """`rag-app ingest` on a cluster of its own, at work, and the processes of that."""
    folder.mkdir()
    (folder / "settings.toml").write_text('[ingestion]\nray = "local"\n', encoding="utf-8")
    command = [RAG_APP, "ingest", SAMPLE_PAPERS, "--library", folder]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as process:
        try:
            yield process, below(process)
        finally:
            process.kill()


def below(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """All processes below it, as soon as one of them runs a call."""
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        found = psutil.Process(process.pid).children(recursive=True)
        with contextlib.suppress(psutil.NoSuchProcess):
            if any(one.name() == BUSY for one in found):
                return found
        time.sleep(0.02)
    raise AssertionError(f"it did not come to work: {process.communicate()}")


def test_ctrl_c_ends_it_and_says_how_to_go_on(tmp_path: Path) -> None:
    with ingesting(tmp_path / "library") as (process, below):
        os.killpg(process.pid, signal.SIGINT)  # as a terminal sends it
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "run the same command again to go on" in err
    assert "raylet" not in out + err and "Traceback" not in err
    assert left_of(below) == []


def test_a_kill_ends_the_cluster_and_leaves_a_library_that_opens(tmp_path: Path) -> None:
    with ingesting(tmp_path / "library") as (process, below):
        process.kill()
        process.communicate(timeout=30)
    # Two helpers of Ray's look only now and then whether their raylet is there.
    assert left_of([one for one in below if one.name() not in ("ray::DashboardAgent", "ray::RuntimeEnvAgent")]) == []
    with Library.open(tmp_path / "library") as library:
        assert [info.name for info in library.documents() if not info.nodes] == []


def test_nothing_is_noted_of_its_use_and_nobody_else_comes_in(tmp_path: Path) -> None:
    with ingesting(tmp_path / "library") as (_, below):
        (head,) = [process for process in below if process.name() == "gcs_server"]
        parts = [process for process in below if any("dashboard" in word for word in process.cmdline())]
        assert parts, "Ray has another part for its dashboard and telemetry now: look at that"
        assert {process.environ().get("RAY_USAGE_STATS_ENABLED") for process in [head, *parts]} == {"0"}
        listening = {c.laddr.port for one in below for c in one.net_connections() if c.status == psutil.CONN_LISTEN}
        assert 8265 not in listening, "the dashboard is on"
        for one in {c.laddr.port for c in head.net_connections() if c.status == psutil.CONN_LISTEN}:
            said = said_to_a_stranger(f"127.0.0.1:{one}", home=tmp_path)
            assert "token" in said.lower(), said[-2000:]


def said_to_a_stranger(address: str, *, home: Path) -> str:
    """What Ray says to a process without the token that wants to join, up to its refusal; it goes on trying."""
    command = [sys.executable, "-c", JOIN, address]
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "RAY_USAGE_STATS_ENABLED": "0"}
    said = ""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        enough = threading.Timer(100, process.kill)
        enough.start()
        assert process.stderr is not None
        for line in process.stderr:
            said += line
            if "token" in said.lower():
                break
        enough.cancel()
        process.kill()
    return said


def test_without_ray_the_next_step_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rag_app.cluster.connection import Cluster
    from rag_app.errors import UsageError

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"pip install 'rag-app\[scale\]'"), Cluster("local"):
        pass


def test_an_address_without_a_cluster_is_said() -> None:
    from rag_app.cluster.connection import Cluster
    from rag_app.errors import ClusterError

    with (
        pytest.raises(ClusterError, match=r"No Ray cluster answers at 127\.0\.0\.1:9.*start one with"),
        Cluster("127.0.0.1:9"),
    ):
        pass
