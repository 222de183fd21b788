"""Describing 200 figures over a server that fails, and the time it takes beside bare HTTP calls.

    python -m benchmarks.describe_faults                       # 200 figures, 8 % faults, 0.25 s an answer, 2 at a time

Faults are drawn at random for each request: 503, cut streams, no final done, no JSON, stalls. First, every failure is
let through (no retries): done + failed = total, nothing wrong is stored, and `retry` recovers all, over the same faulty
server. Then, with the default retries, the time of the whole run against the same requests sent by a bare loop over
httpx at the same concurrency, to the same server with the same faults; the loop sends a failed request again at once.
Both are repeated in turns; medians. The server is a process of its own.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from rag_app import Library
from rag_app.settings import Ollama, Settings
from rag_app.store import Store
from tests.described_library import make_library
from tests.ollama_server import Model, OllamaServer

MODEL = "tinyvlm"
FAULTS = ("BUSY", "CUT", "NO_DONE", "NOT_JSON", "STALL")
STALL_S = 2  # after which both give a stream up
Bodies = list[dict[str, Any]]  # Any: JSON


@dataclass(frozen=True)
class Faulty:
    """How the server is: seconds an answer, answers at a time, share and seed of the faults."""

    latency_s: float
    parallel: int
    share: float
    seed: int


@dataclass(frozen=True)
class Times:
    """Seconds of describing and of the bare calls, run by run."""

    ours: list[float]
    bare: list[float]

    def __str__(self) -> str:
        above = [ours / bare - 1 for ours, bare in zip(self.ours, self.bare, strict=True)]
        ours, bare = statistics.median(self.ours), statistics.median(self.bare)
        each = ", ".join(f"{share:+.1%}" for share in above)
        return f"describing {ours:.2f} s, bare calls {bare:.2f} s, {statistics.median(above):+.1%} (runs {each})"


def main() -> None:
    given = _arguments()
    with tempfile.TemporaryDirectory(prefix="describe_faults_") as name:
        work = Path(name)
        library = work / "library"
        make_library(library, papers=8, figures=given.figures // 8).close()
        bodies, goal = recorded(library, work)
        print(f"{len(bodies)} figures; {given.latency} s an answer, {given.parallel} at a time", flush=True)
        faulty = Faulty(given.latency, given.parallel, given.share, given.seed)
        for seed in range(given.seed, given.seed + 3):
            quick = Faulty(0.0, given.parallel, given.share, seed)
            print(accounted(library, work, quick, goal), flush=True)
        for share in (0.0, given.share):
            now = Faulty(faulty.latency_s, faulty.parallel, share, faulty.seed)
            print(f"{share:.0%} faults: {timed(library, work, now, bodies, given.runs)}", flush=True)


def recorded(library: Path, work: Path) -> tuple[Bodies, dict[str, dict[str, Any]]]:  # Any: JSON
    """The requests that describing sends, in order, and the descriptions by crop, from a server without faults."""
    folder = Path(shutil.copytree(library, work / "recorded"))
    with OllamaServer([Model(MODEL, {"completion", "vision"})]) as server:
        report = _describe(folder, server.url)
        bodies = [request.body for request in server.writing()]
    assert (report["done"], report["failed"]) == (len(bodies), 0), report
    return bodies, described(folder)


def accounted(library: Path, work: Path, faulty: Faulty, goal: dict[str, dict[str, Any]]) -> str:  # Any: JSON
    """Describe with every fault let through, then retry until nothing is failed; a line that says how it went."""
    folder = Path(shutil.copytree(library, work / f"accounted{faulty.seed}"))
    with running(faulty) as url:
        report = _describe(folder, url, retries=0)
        total = report["total"]
        assert report["done"] + report["failed"] == total == len(goal), report
        assert report["left"] == 0 and report["stopped"] is None, report
        errors = Counter(failure["error"] for failure in report["failures"])
        assert sum(errors.values()) == report["failed"] > 0, report
        assert described(folder).items() <= goal.items(), "something else is stored than what the model said"
        failed = [report["failed"]]
        while failed[-1] and len(failed) < 8:
            again = _describe(folder, url, retries=0, only="failed")
            assert again["done"] + again["failed"] == again["total"] == failed[-1], again
            failed.append(again["failed"])
    assert failed[-1] == 0, f"not recovered: {failed}"
    assert described(folder) == goal, "the end is not that of a server without faults"
    counts = f"{total - failed[0]} done + {failed[0]} failed = {total}"
    return f"seed {faulty.seed}: {counts}; {dict(errors)}; failed after each retry: {failed[1:]}"


def timed(library: Path, work: Path, faulty: Faulty, bodies: Bodies, runs: int) -> Times:
    """Describing and bare calls in turns, each against a server just started."""
    times = Times([], [])
    for number in range(runs):
        with running(faulty) as url:
            times.bare.append(bare(url, bodies, faulty.parallel))
        folder = Path(shutil.copytree(library, work / f"timed{faulty.share}-{number}"))
        with running(faulty) as url:
            began = time.perf_counter()
            report = _describe(folder, url, parallel=faulty.parallel)
            times.ours.append(time.perf_counter() - began)
        assert report["done"] + report["failed"] == report["total"] == len(bodies), report
        shutil.rmtree(folder)
    return times


def bare(url: str, bodies: Bodies, parallel: int) -> float:
    """Seconds for all requests with plain httpx streams, so many at a time; a failed one is sent again at once."""

    def ask(body: dict[str, Any]) -> None:  # Any: JSON
        while not _asked(client, body):
            pass

    with httpx.Client(base_url=url, timeout=httpx.Timeout(30, read=STALL_S), trust_env=False) as client:
        began = time.perf_counter()
        with ThreadPoolExecutor(parallel) as pool:
            list(pool.map(ask, bodies))
        return time.perf_counter() - began


def _asked(client: httpx.Client, body: dict[str, Any]) -> bool:  # Any: JSON
    """Whether one whole reply of JSON came."""
    said, done = "", False
    try:
        with client.stream("POST", "/api/chat", json=body) as answer:
            if answer.status_code != 200:
                return False
            for line in answer.iter_lines():
                part = json.loads(line)
                said += part["message"]["content"]
                done = done or part["done"]
        json.loads(said)
    except (httpx.HTTPError, json.JSONDecodeError, KeyError):
        return False
    return done


def described(library: Path) -> dict[str, dict[str, Any]]:  # Any: JSON
    """The descriptions in the nodes, by crop; each row of the ledger says the same as its node."""
    with Store.open(library, create=False) as store:
        assert store.integrity().damage == ()
        nodes = [node.metadata for node in store.nodes(store.rows_where("image IS NOT NULL", []).tolist())]
        found = {meta["image"]: meta["description"] for meta in nodes if "description" in meta}
        rows = store.ledger.rows(state="done")
        assert {row.image: json.loads(row.result or "") for row in rows} == found
        assert all(row.result is None and row.reason for row in store.ledger.rows(state="failed"))
    return found


@contextmanager
def running(faulty: Faulty) -> Iterator[str]:
    """The URL of a server in a process of its own."""
    command = [sys.executable, "-m", "tests.ollama_server", "--model", f"{MODEL}=vision"]
    command += ["--latency", str(faulty.latency_s), "--parallel", str(faulty.parallel)]
    command += ["--share", str(faulty.share), "--seed", str(faulty.seed)]
    for fault in FAULTS:
        command += ["--fault", fault]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


def _describe(
    library: Path, url: str, *, retries: int = 3, parallel: int = 4, **how: Any
) -> dict[str, Any]:  # Any: JSON
    ollama = Ollama(host=url, retries=retries, parallel=parallel, stall_s=STALL_S)
    with Library.open(library, settings=Settings(ollama=ollama)) as opened:
        model = None if how else MODEL
        return opened.describe(model, **how).to_dict()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--figures", type=int, default=200)
    parser.add_argument("--share", type=float, default=0.08)
    parser.add_argument("--latency", type=float, default=0.25, help="seconds until the model's first word")
    parser.add_argument("--parallel", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
