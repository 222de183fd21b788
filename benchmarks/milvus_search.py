"""Vectors in Milvus beside FAISS: the same nodes for every question, the time of a search, and the cost of filling.

    python benchmarks/milvus_search.py                                  # the sample papers, milvus-lite on a socket
    python benchmarks/milvus_search.py --library DIR --questions A.jsonl B.jsonl --milvus http://host:19530

Every line of a question file has a "question". Three searches each: by vectors alone, by vectors in one kind and on the
first pages, and the whole hybrid search; the ten best of Milvus are compared with those of FAISS, and the vector search
with a plain comparison of all vectors. Lists that differ only in nodes of equal score (within 1e-6) are counted apart.
The library is copied; its own vectors stay where they are. Times are wall times of one process beside one server;
"filling" is one process that copies every vector.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from rag_app import Library
from rag_app.settings import Settings, Vectors
from rag_app.store import Filter, Scored
from rag_app.vectors.choosing import Vectors as Spaces

ROOT = Path(__file__).parent.parent
K = 10
FILTERS = {"all": None, "tables": Filter(kinds=("table",)), "first pages": Filter(pages=(1, 2, 3))}


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as scratch:
        library = Path(scratch) / "library"
        if arguments.library:
            shutil.copytree(arguments.library, library)
        else:
            with Library.open(library) as made:
                made.ingest(ROOT / "data" / "papers")
        with _server(arguments.milvus, Path(scratch) / "data.db") as address:
            _compare(library, address, arguments.questions)


def _compare(folder: Path, address: str, files: Sequence[Path]) -> None:
    settings = Settings(vectors=Vectors(milvus=address))
    with Library.open(folder) as ours, Library.open(folder, settings=settings) as theirs:
        store = ours._store
        name = store.active_space("text")
        assert name is not None
        faiss, milvus = (Spaces(store, one.settings).space(name) for one in (ours, theirs))
        rows, matrix = store.vectors_since(name, 0)
        started, cpu = time.perf_counter(), time.process_time()
        milvus.save()
        filling, cpu = time.perf_counter() - started, time.process_time() - cpu
        each = 1e6 * cpu / len(rows)
        print(f"{platform.machine()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
        print(f"{len(rows)} vectors of {matrix.shape[1]}; filling {filling:.1f} s, {each:.0f} us of CPU a vector")
        embedding = ours.text_embedding()
        for file in files:
            questions = [json.loads(line)["question"] for line in file.read_text(encoding="utf-8").splitlines()]
            outcome: Counter[str] = Counter()
            seconds: dict[str, list[float]] = {"FAISS": [], "Milvus": []}
            for question in questions:
                asked = np.asarray(embedding.get_query_embedding(question), np.float32)
                for allowed in FILTERS.values():
                    found = {}
                    for label, space in (("FAISS", faiss), ("Milvus", milvus)):
                        started = time.perf_counter()
                        found[label] = space.search(asked, k=K, allowed=allowed)
                        seconds[label].append(time.perf_counter() - started)
                    outcome[_same(found["Milvus"], found["FAISS"])] += 1
                    among = store.row_ids(allowed)
                    some = np.ones(len(rows), bool) if among is None else np.isin(rows, among)
                    scores = matrix[some] @ asked
                    best = np.lexsort((rows[some], -scores))[:K]
                    plain = [Scored(int(rows[some][i]), float(scores[i])) for i in best]
                    outcome["as a plain comparison: " + _same(found["Milvus"], plain)] += 1
                lists = [[(hit.node_id, hit.score) for hit in one.search(question, k=K).hits] for one in (ours, theirs)]
                same = [node for node, _ in lists[0]] == [node for node, _ in lists[1]]
                outcome["hybrid search: " + ("the same" if same else "different")] += 1
            times = ", ".join(f"{label} {1000 * statistics.median(all):.1f} ms" for label, all in seconds.items())
            print(f"{file.name}: {len(questions)} questions, {len(FILTERS)} filters; {dict(outcome)}; median {times}")


def _same(found: Sequence[Scored], expected: Sequence[Scored]) -> str:
    if [hit.row for hit in found] == [hit.row for hit in expected]:
        return "the same"
    equal = np.allclose([hit.score for hit in found], [hit.score for hit in expected], atol=1e-6, rtol=0)
    return "the same but for equal scores" if equal and len(found) == len(expected) else "different"


@contextmanager
def _server(address: str, folder: Path) -> Iterator[str]:
    """The address given, or that of a milvus-lite of our own in another process."""
    if address:
        yield address
        return
    program = (
        "import sys, threading; from milvus_lite.adapter.grpc.server import start_server_in_thread\n"
        "served = start_server_in_thread(sys.argv[1]); print(served[2], flush=True); threading.Event().wait()"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE, text=True) as served:
        assert served.stdout is not None
        try:
            yield f"http://127.0.0.1:{served.stdout.readline().strip()}"
        finally:
            served.kill()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=Path, help="the sample papers, read anew, when not given")
    parser.add_argument("--milvus", default="", help="milvus-lite in a process of its own when not given")
    parser.add_argument(
        "--questions", type=Path, nargs="+", default=sorted((ROOT / "data" / "questions").glob("*.jsonl"))
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
