"""What a large library costs: opening, filtered search and its recall, adding and removing a paper, memory."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from llama_index.core.schema import TextNode

from ingestion.elements import Paper
from rag_app import Library
from rag_app.searchable import query_terms
from rag_app.store import Filter

K = 10
BATCH = 20_000
TIMES = 5
FRESH = """
import json, sys, time
start = time.perf_counter()
from rag_app import Library
imported = time.perf_counter()
library = Library.open(sys.argv[1], create=False)
opened = time.perf_counter()
embedding, space = library._embeddings.answering()
asked = embedding.get_query_embedding("warm")
loaded = time.perf_counter()
space.search(asked, k=10)
dense = time.perf_counter()
retriever = library.as_retriever(k=8)
questions = json.loads(sys.argv[2])
retriever.find(questions[0])
first = time.perf_counter()
for question in questions[1:]:
    retriever.find(question)
status = dict(line.split(":") for line in open("/proc/self/status"))
kept = {name: round(int(status[name].split()[0]) / 2**20, 2) for name in ("VmHWM", "VmRSS", "RssAnon", "RssFile")}
print(json.dumps({"import_s": imported - start, "open_s": opened - imported, "model_s": loaded - opened,
    "open and first dense search_s": opened - imported + dense - loaded, "first hybrid search_s": first - dense,
    "GiB": kept}))
"""


def fresh(folder: Path, questions: Sequence[str]) -> dict[str, object]:
    """Seconds of a process that opens the library and asks all questions, and what it holds in memory then.

    VmHWM: most resident; RssFile: pages of mapped files among it, which the system takes back when it needs room.
    """
    said = subprocess.run(
        [sys.executable, "-c", FRESH, folder, json.dumps(questions)], check=True, capture_output=True, text=True
    ).stdout
    found = json.loads(said)
    return {part: round(value, 3) if isinstance(value, float) else value for part, value in found.items()}


def filters(folders: int) -> dict[str, Filter | None]:
    """By share of the library, filters by folder, of which there are `folders` of equal size."""
    return {
        f"{share:.1%}": Filter(folders=tuple(f"/papers/{number}" for number in range(round(share * folders))))
        if share < 1
        else None
        for share in (0.001, 0.01, 0.1, 0.5, 1.0)
    }


def filtered(library: Library, asked: np.ndarray, questions: Sequence[str], folders: int) -> dict[str, object]:
    """For each filter: recall@10 of the dense half against all vectors compared, and milliseconds.

    new filter: the first search with it, which looks up who passes. asked (n, dim): the questions' vectors.
    """
    store = library._store
    space = library._embeddings.answering()[1]
    assert space is not None
    ways = filters(folders)
    passing = {way: None if allowed is None else store.row_ids(allowed) for way, allowed in ways.items()}
    truth = _nearest(library, asked, passing)
    store._passing._known.clear()
    report: dict[str, object] = {}
    for way, allowed in ways.items():
        began = time.perf_counter()
        space.search(asked[0], k=K, allowed=allowed)
        new = 1000 * (time.perf_counter() - began)
        found, wall, cpu = [], [], []
        for question in asked:
            with _Timed(wall, cpu):
                found.append([hit.row for hit in space.search(question, k=K, allowed=allowed)])
        hits = sum(len(set(a) & set(b)) for a, b in zip(found, truth[way], strict=True))
        words_wall, words_cpu = [], []
        for question in questions:
            with _Timed(words_wall, words_cpu):
                store.lexical(query_terms(question), k=60, allowed=allowed)
        report[way] = {
            "recall@10": round(hits / sum(len(each) for each in truth[way]), 3),
            "dense ms wall p50, p90, CPU p50": _three(wall, cpu),
            "lexical ms wall p50, p90, CPU p50": _three(words_wall, words_cpu),
            "new filter ms": round(new, 1),
        }
    return report


def hybrid(library: Library, questions: Sequence[str]) -> dict[str, object]:
    """Milliseconds of the whole search, and of its stages at the median, questions asked once."""
    retriever = library.as_retriever(k=8)
    retriever.find(questions[0])
    wall, cpu, stages = [], [], []
    for question in questions:
        with _Timed(wall, cpu):
            stages.append(retriever.find(question).seconds)
    return {
        "ms wall p50, p90, CPU p50": _three(wall, cpu),
        "stages ms p50": {
            stage: round(1000 * statistics.median(each[stage] for each in stages), 1) for stage in stages[0]
        },
    }


def changed(
    library: Library, make: Callable[[int], tuple[Paper, list[TextNode], np.ndarray]], question: str
) -> dict[str, object]:
    """Seconds to add a paper of 60 nodes and to remove it, and of the first searches after, at the median of TIMES."""
    store = library._store
    embedding, space = library._embeddings.answering()
    assert space is not None
    retriever = library.as_retriever(k=8)
    retriever.find(question)
    asked = np.array(embedding.get_query_embedding(question), np.float32)
    laps: dict[str, list[float]] = {}

    def lap(name: str, run: Callable[[], object]) -> None:
        began = time.perf_counter()
        run()
        laps.setdefault(name, []).append(time.perf_counter() - began)

    for number in range(TIMES):
        paper, nodes, matrix = make(number)
        lap("add", lambda p=paper, n=nodes, m=matrix: store.commit(p, n, {space.name: m}, path=Path("/new") / p.name))
        lap("dense search after adding", lambda: space.search(asked, k=K))
        lap("hybrid search after adding", lambda: retriever.find(question))
        lap("save after adding", space.save)
        lap("delete", lambda p=paper: library.remove(p.sha256))
        lap("dense search after deleting", lambda: space.search(asked, k=K))
        lap("hybrid search after deleting", lambda: retriever.find(question))
    return {
        f"{name}_s p50, most": (round(statistics.median(each), 3), round(max(each), 3)) for name, each in laps.items()
    }


def _nearest(library: Library, asked: np.ndarray, passing: dict[str, np.ndarray | None]) -> dict[str, list[list[int]]]:
    """By filter, for each question the rows of the K nearest of all that pass."""
    store, name = library._store, library._store.active_space("text")
    assert name is not None
    best = {way: (np.full((len(asked), K), -2.0, np.float32), np.zeros((len(asked), K), np.int64)) for way in passing}
    lets = {way: None if allowed is None else _flags(allowed) for way, allowed in passing.items()}
    with store.snapshot():
        for rows, vectors in store.vector_batches(name, BATCH):
            every = asked @ vectors.T
            for way, flags in lets.items():
                inside = slice(None) if flags is None else flags[np.minimum(rows, len(flags) - 1)]
                scores = np.concatenate([best[way][0], every[:, inside]], axis=1)
                ids = np.concatenate([best[way][1], np.tile(rows[inside], (len(asked), 1))], axis=1)
                at = np.argpartition(-scores, K - 1, axis=1)[:, :K]
                best[way] = np.take_along_axis(scores, at, 1), np.take_along_axis(ids, at, 1)
    return {way: ids.tolist() for way, (_, ids) in best.items()}


def _flags(rows: np.ndarray) -> np.ndarray:
    """Whether a row is among `rows` (ascending), by row; the last stands for all above."""
    flags = np.zeros(int(rows[-1]) + 2, bool)
    flags[rows] = True
    return flags


class _Timed:
    """Adds the milliseconds of a block, by the clock and of the processor."""

    def __init__(self, wall: list[float], cpu: list[float]) -> None:
        self._into = wall, cpu

    def __enter__(self) -> None:
        self._began = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        for into, now, began in zip(self._into, (time.perf_counter(), time.process_time()), self._began, strict=True):
            into.append(1000 * (now - began))


def _three(wall: Sequence[float], cpu: Sequence[float]) -> tuple[float, float, float]:
    return (
        round(statistics.median(wall), 1),
        round(float(np.quantile(wall, 0.9)), 1),
        round(statistics.median(cpu), 1),
    )
