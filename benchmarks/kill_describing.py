"""kill -9 at random moments of a real `rag-app describe`.

    python -m benchmarks.kill_describing --kills 25 --figures 60

After each kill the library opens and answers, and the next `rag-app describe` ends with exactly what an undisturbed
one ends with: descriptions, words, vectors, ledger. The server counts which crop was asked how often: none never, and
none twice but the one that was being asked when the kill came.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from rag_app.store import Filter, Store
from tests.described_library import make_library
from tests.ollama_server import Model, OllamaServer

RAG_APP = str(Path(sys.executable).with_name("rag-app"))
MODEL = "tinyvlm"
Contents = dict[str, Any]  # Any: what two equal libraries have in common


def main() -> None:
    arguments = _arguments()
    with (
        tempfile.TemporaryDirectory(prefix="kill_describing_") as name,
        OllamaServer([Model(MODEL, {"completion", "vision"}, latency_s=arguments.latency)]) as server,
    ):
        work = Path(name)
        library = work / "library"
        make_library(library, papers=4, figures=arguments.figures // 4).close()
        (library / "settings.toml").write_text(f'[ollama]\nhost = "{server.url}"\n', encoding="utf-8")
        undisturbed = Path(shutil.copytree(library, work / "undisturbed"))
        assert describe(undisturbed).wait() == 0
        goal = contents(undisturbed)
        total = len(goal["ledger"])
        draw = random.Random(arguments.seed)
        repeated: Counter[int] = Counter()
        for number in range(arguments.kills):
            folder = Path(shutil.copytree(library, work / f"killed{number}"))
            then_s = draw.uniform(0, 2 * arguments.latency)
            done, twice = kill_once(folder, server, goal, after=draw.randrange(total), then_s=then_s)
            repeated[twice] += 1
            shutil.rmtree(folder)
            print(f"kill {number + 1}: {done} of {total} described; asked twice: {twice}; same end", flush=True)
    told = f"kills by crops asked twice: {dict(sorted(repeated.items()))}"
    print(f"{told}; none lost, none stored twice (seed {arguments.seed})")


def kill_once(library: Path, server: OllamaServer, goal: Contents, *, after: int, then_s: float) -> tuple[int, int]:
    """Kill a describing so many seconds after it has asked `after` questions, then let another one end it.

    With 0 questions it is killed while it starts, plans and asks what the server has.

    Returns how many were described when it was killed, and how many crops were asked twice. Raises AssertionError when
    a crop is asked a third time or never, more than one twice, or the end is not `goal`.
    """
    server.clear()
    process = describe(library)
    while process.poll() is None and (len(server.writing()) < after or not server.requests):
        time.sleep(0.002)
    time.sleep(then_s)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    held = contents(library)
    states = Counter(row["state"] for row in held["ledger"])
    assert states["failed"] == 0, states
    for element, description in held["described"].items():
        assert description == goal["described"][element], element
    again = describe(library)
    assert again.wait() == 0
    assert_same(contents(library), goal)
    counts = asked(server)
    twice = sum(count > 1 for count in counts.values())
    assert set(counts) == {row["image"] for row in goal["ledger"]}, "a crop was never asked about"
    assert max(counts.values()) <= 2 and twice <= 1, counts
    return states["done"], twice


def describe(library: Path, **how: Any) -> subprocess.Popen[str]:  # Any: options of Popen
    """Start `rag-app describe` in a process group of its own."""
    command = [RAG_APP, "describe", "--with", MODEL, "--library", str(library)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, text=True, start_new_session=True, **{**quiet, **how})


def asked(server: OllamaServer) -> Counter[str]:
    """How often each crop came with a question."""
    return Counter(
        f"{hashlib.sha256(image).hexdigest()}.png" for request in server.writing() for image in request.images
    )


def contents(library: Path) -> Contents:
    """The ledger, the descriptions in the nodes, their words and vectors; without times and row numbers."""
    with Store.open(library, create=False) as store, store.snapshot():
        assert store.integrity().damage == (), store.integrity().damage
        space = store.active_space("text")
        assert space is not None
        described, words, vectors = {}, {}, {}
        for info in store.documents():
            rows = store.row_ids(Filter(documents=(info.document_id,)))
            assert rows is not None
            held = store.vectors(space, rows.tolist())
            for node in store.nodes(rows.tolist()):
                words[node.node_id] = node.terms
                vectors[node.node_id] = tuple(np.round(held[node.row], 3).tolist())
                if "description" in node.metadata:
                    described[node.node_id] = node.metadata["description"]
        rows = store.ledger.rows()
        assert len({(row.document_id, row.element_id, row.model, row.prompt_version) for row in rows}) == len(rows)
        ledger = [
            {"document": r.document_id, "element": r.element_id, "image": r.image, "state": r.state, "result": r.result}
            for r in rows
        ]
        done = sum(row["state"] == "done" for row in ledger)
        assert done == len(described), f"{done} rows are done, {len(described)} nodes are described"
        assert not store.vectors_behind(space)
        return {"ledger": ledger, "described": described, "words": words, "vectors": vectors}


def assert_same(found: Contents, goal: Contents) -> None:
    """Raises AssertionError that shows the first difference."""
    for part, wanted in goal.items():
        there = found[part]
        if there != wanted:
            ours = json.dumps(there, default=str, sort_keys=True)
            theirs = json.dumps(wanted, default=str, sort_keys=True)
            at = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), len(theirs))
            raise AssertionError(f"{part}\n  now    {ours[at - 80 : at + 80]}\n  before {theirs[at - 80 : at + 80]}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--figures", type=int, default=60)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds until the model's first word")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
