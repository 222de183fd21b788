"""What each program is asked to do, and how it says what it took: one command, one JSON document.

    PYTHON with_NAME.py ingest FOLDER PDF...           read the papers into FOLDER
    PYTHON with_NAME.py search FOLDER QUESTIONS K      find in them; QUESTIONS is a JSON list of strings
    PYTHON with_NAME.py build  FOLDER CORPUS           take over passages and their vectors, which are given
    PYTHON with_NAME.py find   FOLDER CORPUS K         find in those, the vectors of the questions being given

CORPUS is a folder written by growth.py. Each program runs in its own environment: nothing of theirs is imported here.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol


class Peer(Protocol):
    """A program that finds passages."""

    @property
    def packages(self) -> Sequence[str]:
        """Those whose versions are told."""
        ...

    def ingest(self, folder: Path, papers: Sequence[Path]) -> int:
        """Read the papers into the folder; the number of passages."""
        ...

    def open(self, folder: Path) -> None:
        """Make ready to search what `ingest` wrote."""
        ...

    def search(self, question: str, k: int) -> list[tuple[str, list[int]]]:
        """File name and pages, from 1, of the k best passages, best first."""
        ...

    def build(self, folder: Path, corpus: Path) -> None:
        """Take over the passages of a corpus."""
        ...

    def open_corpus(self, folder: Path, corpus: Path) -> None:
        """Make ready to search what `build` wrote."""
        ...

    def find(self, question: str, vector: list[float], k: int) -> list[str]:
        """The ids of the k best passages, best first."""
        ...


def main(peer: Peer) -> None:
    """Do what the command line says, and print the outcome; what libraries print goes to stderr."""
    command, *given = sys.argv[1:]
    answer = os.dup(1)
    os.dup2(2, 1)
    outcome = {"ingest": _ingest, "search": _search, "build": _build, "find": _find}[command](peer, given)
    outcome["versions"] = {name: importlib.metadata.version(name) for name in peer.packages}
    with os.fdopen(answer, "w") as out:
        out.write(json.dumps(outcome))


def passages(corpus: Path) -> list[dict[str, Any]]:  # Any: JSON
    """The passages of a corpus: id, document, document_id, title, text, metadata."""
    return [json.loads(line) for line in (corpus / "passages.jsonl").read_text(encoding="utf-8").splitlines()]


def _ingest(peer: Peer, given: list[str]) -> dict[str, Any]:
    folder, *papers = map(Path, given)
    folder.mkdir(parents=True)
    return {"passages": peer.ingest(folder, papers)}


def _search(peer: Peer, given: list[str]) -> dict[str, Any]:
    folder, questions, k = Path(given[0]), json.loads(Path(given[1]).read_text(encoding="utf-8")), int(given[2])
    opened = _timed(lambda: peer.open(folder))[0]
    found = [_timed(lambda question=question: peer.search(question, k)) for question in questions]
    # The first search of a process loads what is loaded late; it counts in the cold start, not here.
    warm = [ms for ms, _ in found[1:]] or [found[0][0]]
    return {"hits": [hits for _, hits in found], "open_ms": opened, "search_ms": statistics.median(warm)}


def _build(peer: Peer, given: list[str]) -> dict[str, Any]:
    folder, corpus = map(Path, given)
    folder.mkdir(parents=True)
    return {"build_s": _timed(lambda: peer.build(folder, corpus))[0] / 1000}


def _find(peer: Peer, given: list[str]) -> dict[str, Any]:
    folder, corpus, k = Path(given[0]), Path(given[1]), int(given[2])
    asked = json.loads((corpus / "questions.json").read_text(encoding="utf-8"))
    opened = _timed(lambda: peer.open_corpus(folder, corpus))[0]
    found = [_timed(lambda one=one: peer.find(one["question"], one["vector"], k)) for one in asked]
    # A question is words of one passage: to find nothing fast is not to find.
    right = [one["passage"] in hits for one, (_, hits) in zip(asked, found, strict=True)]
    warm = [ms for ms, _ in found[1:]] or [found[0][0]]
    return {"open_ms": opened, "find_ms": statistics.median(warm), "own_passage": sum(right) / len(right)}


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:  # Any: whatever it gives
    """Milliseconds, and what it gives."""
    started = time.perf_counter()
    result = work()
    return 1000 * (time.perf_counter() - started), result


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below it."""
    total = 0
    for file in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            total += file.stat().st_size if file.is_file() else 0
    return total
