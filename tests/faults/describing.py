"""A real `rag-app describe`, killed at a moment and run again."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.faults import oracle
from tests.faults.stage import RAG_APP
from tests.ollama_server import OllamaServer

MODEL = "tinyvlm"


def kill_once(
    library: Path, server: OllamaServer, goal: oracle.Contents, *, after: int, then_s: float
) -> tuple[int, int]:
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
    held = oracle.contents(library, made=True)
    states = Counter(row[5] for row in held.ledger)
    assert states["failed"] == 0, states
    described = _described(held)
    assert states["done"] == len(described)
    final = _described(goal)
    for node, description in described.items():
        assert description == final[node], node
    again = describe(library)
    assert again.wait() == 0
    oracle.assert_same(oracle.contents(library, made=True), goal)
    counts = asked(server)
    twice = sum(count > 1 for count in counts.values())
    assert set(counts) == {row[3] for row in goal.ledger}, "a crop was never asked about"
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


def _described(held: oracle.Contents) -> dict[str, Any]:  # Any: JSON
    """By node id, the description that a node carries."""
    nodes = {node[0]: json.loads(node[2]) for nodes in held.documents.values() for node in nodes}
    return {node_id: metadata["description"] for node_id, metadata in nodes.items() if "description" in metadata}
