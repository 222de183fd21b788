"""Search among a million picture vectors beside bare FAISS, adding to them, and memory.

    python benchmarks/image_scale.py --library /tmp/image_scale --images 1000000

Builds the library when it is not there: clustered random unit vectors (seeded) in an image space, with bare nodes and
no picture files (3 GB in SQLite, 0.5 GB in the index file for 1,000,000 of 512). "bare FAISS" is an IndexFlatIP of the
same vectors in memory, asked for as many neighbours with the same thread. Up to 200,000 pictures both are exact; above,
the space searches clusters of codes, and recall@10 says how much of the exact result it finds. Made vectors are easier
or harder than real ones: clustered_recall.py measures recall on vectors spread as real ones are. Questions are asked of
both in turn. "add" commits pictures as an ingestion does, then searches; what comes in stands beside the file, and the
index is not built anew, which is counted. Memory is resident, of a process of its own that opens the library and
searches.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import faiss
import numpy as np
from llama_index.core.schema import TextNode

from rag_app.store import Filter, Store, fulltext, sums
from rag_app.store.encoding import encode_extras
from rag_app.vectors.space import Space

CENTRES, SPREAD = 2_000, 0.9
BATCH = 10_000
FOLDERS = 100
K = 10


def main() -> None:
    arguments = _arguments()
    if arguments.memory:
        print(json.dumps(memory(arguments.library, arguments.dim)))
        return
    name = f"image:random:{arguments.dim}"
    report: dict[str, object] = {
        "images": arguments.images,
        "dimensions": arguments.dim,
        "machine": f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}, "
        f"FAISS {faiss.__version__}",
    }
    if not (arguments.library / "library.sqlite").exists():
        report["build"] = build(arguments.library, name, arguments.images, arguments.dim)
    made = subprocess.run(
        [sys.executable, __file__, "--library", arguments.library, "--dim", str(arguments.dim), "--memory"],
        check=True,
        capture_output=True,
        text=True,
    )
    report["a process that opens and searches"] = json.loads(made.stdout)
    with Store.open(arguments.library) as store:
        space = Space(store, name)
        questions = next(clustered(arguments.questions, arguments.dim, seed=7))
        bare = faiss.IndexIDMap2(faiss.IndexFlatIP(arguments.dim))
        with store.snapshot():
            for rows, vectors in store.vector_batches(name, BATCH):
                bare.add_with_ids(vectors, rows)  # pyright: ignore[reportCallIssue]  # FAISS replaces its signature
        report["search"] = searches(store, space, bare, questions)
        del bare
        report["add"] = add(store, space, name, arguments)
    print(json.dumps(report, indent=2))


def clustered(count: int, dim: int, *, seed: int) -> Iterator[np.ndarray]:
    """Unit vectors (at most BATCH, dim) float32 around CENTRES directions, which do not depend on the seed."""
    centres = np.random.default_rng(0).normal(size=(CENTRES, dim)).astype(np.float32)
    draw = np.random.default_rng(seed)
    for start in range(0, count, BATCH):
        size = min(BATCH, count - start)
        made = centres[draw.integers(CENTRES, size=size)]
        made = made + SPREAD * draw.normal(size=(size, dim)).astype(np.float32)
        yield (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def build(folder: Path, name: str, images: int, dim: int) -> dict[str, float]:
    """A library of bare figure nodes with vectors, streamed into SQLite; its words are empty and not indexed."""
    started = time.perf_counter()
    node = picture(0)
    metadata, extras = json.dumps(node.metadata), encode_extras(node)
    words = fulltext.pack(("", "", "", "", ""))
    with Store.open(folder) as store, store.write_lock():
        store.set_meta("searchable", fulltext.fingerprint())
        store.begin_space(name)
        at = 0
        for number, vectors in enumerate(clustered(images, dim, seed=1)):
            with store.database.transaction() as connection:
                space = connection.execute("SELECT id FROM spaces WHERE name = ?", (name,)).fetchone()[0]
                generation = connection.execute(
                    "INSERT INTO generations(token, at) VALUES(hex(randomblob(8)), '')"
                ).lastrowid
                document = connection.execute(
                    "INSERT INTO documents(document_id, name, file_name, title, language, pages, parser, metadata, "
                    "added) VALUES(?, ?, ?, '', 'und', 1, 'made', '{}', '')",
                    (f"{number:064x}", f"{number}.png", f"{number}.png"),
                ).lastrowid
                connection.execute(
                    "INSERT INTO aliases VALUES(?, ?, ?)",
                    (document, f"{number}.png", f"/pictures/{number % FOLDERS}/{number}.png"),
                )
                rows = range(at + 1, at + len(vectors) + 1)
                connection.executemany(
                    "INSERT INTO nodes VALUES(?, ?, ?, ?, 'figure', 1, NULL, ?, '', ?, ?, ?, ?)",
                    (
                        (row, f"n{row}", document, row, f"{row}.png", metadata, extras, words, crc)
                        for row in rows
                        for crc in [sums.of_node((f"n{row}", "figure", 1, None, f"{row}.png", "", metadata, extras))]
                    ),
                )
                connection.executemany(
                    "INSERT INTO vectors VALUES(?, ?, ?, ?, ?)",
                    (
                        (row, space, generation, vector.tobytes(), sums.of_vector(row, vector.tobytes()))
                        for row, vector in zip(rows, vectors, strict=True)
                    ),
                )
            at += len(vectors)
        stored = time.perf_counter()
        Space(store, name).save()
    return {"stored_s": round(stored - started, 1), "index_s": round(time.perf_counter() - stored, 1)}


def searches(store: Store, space: Space, bare: faiss.Index, questions: np.ndarray) -> dict[str, object]:
    """Milliseconds of each way, questions in turn, after two to warm up; how well the results agree."""
    faiss.omp_set_num_threads(1)  # as Space does: one question uses one thread anyway
    tenth = Filter(folders=tuple(f"/pictures/{number}" for number in range(FOLDERS // 10)))
    times: dict[str, list[float]] = {"bare FAISS": [], "Space.search": [], "Space.search, a tenth of the folders": []}
    same: list[float] = []
    for number, question in enumerate(questions):
        laps = [time.perf_counter()]
        expected = bare.search(question[None], K)[1][0]  # pyright: ignore[reportCallIssue]  # as above
        laps.append(time.perf_counter())
        found = [hit.row for hit in space.search(question, k=K)]
        laps.append(time.perf_counter())
        space.search(question, k=K, rows=store.row_ids(tenth))
        laps.append(time.perf_counter())
        if number >= 2:
            for taken, start, end in zip(times.values(), laps, laps[1:], strict=False):
                taken.append(1000 * (end - start))
            same.append(len(set(found) & set(expected.tolist())) / K)
    p50 = {way: round(statistics.median(taken), 2) for way, taken in times.items()}
    return {
        "questions": len(same),
        "p50 ms": p50,
        "p95 ms": {way: round(float(np.percentile(taken, 95)), 2) for way, taken in times.items()},
        "Space over bare FAISS, p50": round(p50["Space.search"] / p50["bare FAISS"], 3),
        "recall@10": float(np.mean(same)),
    }


def add(store: Store, space: Space, name: str, arguments: argparse.Namespace) -> dict[str, object]:
    """Seconds to commit more pictures and to find them, in the process at hand."""
    built = 0
    build_index = space._build

    def counted(generation: int) -> None:
        nonlocal built
        built += 1
        build_index(generation)

    space._build = counted
    vectors = np.concatenate(list(clustered(arguments.add, arguments.dim, seed=int(time.time()))))
    token = f"{time.time_ns():064x}"
    nodes = [picture(number, token) for number in range(len(vectors))]
    started = time.perf_counter()
    rows = store.add_nodes(token, f"{token}.png", nodes, {name: vectors})
    committed = time.perf_counter()
    hits = space.search(vectors[-1], k=1)
    first = time.perf_counter()
    again = space.search(vectors[0], k=1)
    second = time.perf_counter()
    space.save()
    saved = time.perf_counter()
    store.remove_rows(rows)
    began = time.perf_counter()
    left = space.search(vectors[-1], k=1)
    removed = time.perf_counter()
    assert (hits[0].row, again[0].row) == (rows[-1], rows[0])
    assert left[0].row not in rows
    return {
        "images": len(rows),
        "commit_s": round(committed - started, 2),
        "first search after_s": round(first - committed, 2),
        "second search_s": round(second - first, 2),
        "save_s": round(saved - second, 2),
        "first search after taking them out_s": round(removed - began, 2),
        "times the index was built anew": built,
    }


def memory(folder: Path, dim: int) -> dict[str, float]:
    started = time.perf_counter()
    with Store.open(folder) as store:
        Space(store, f"image:random:{dim}").search(np.ones(dim, np.float32), k=K)
    return {
        "first search_s": round(time.perf_counter() - started, 2),
        "peak resident_GB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }


def picture(number: int, token: str = "") -> TextNode:
    """A bare figure node."""
    return TextNode(
        id_=f"{token}{number}",
        text="",
        metadata={"kind": "figure", "page": 1, "pages": [1], "image": f"{number}.png", "document_id": token},
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--questions", type=int, default=50)
    parser.add_argument("--add", type=int, default=1_000)
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
