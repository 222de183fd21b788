"""Cost of retrieval and of opening in a library of 100,000 nodes, beside the bare cost of its dense half.

    python benchmarks/library_scale.py --library /tmp/scale          # builds it when it is not there (about 6 minutes)
    python benchmarks/library_scale.py --library /tmp/scale --wide   # with a vocabulary that grows with the library
    python benchmarks/library_scale.py --library /tmp/scale1m --wide --spread --nodes 1000000 --bars

Texts are sentences of the PDFs in --sources (RAG_APP_TEST_DATA, else our sample papers) put together anew; vectors are
the means of their sentences' builtin embeddings, with noise. Questions: data/questions/sample.jsonl, and stretches of
ten words of the sources. "bare dense" is the query embedding and a FAISS flat search on an index in memory, without
filter, store or nodes; "hybrid" is HybridRetriever.find, which ends with ranked nodes and their texts. Questions are
asked in turn; where other work runs on the machine, CPU time tells more than wall time. Cold seconds are wall time of
fresh processes.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import faiss
import numpy as np
import scale_bars
from clustered_recall import passages, resampled
from llama_index.core.schema import TextNode
from synthetic import NODES_A_PAPER, Maker, sentences, vectors

from adapters.names import load_model, parse_model_name
from ingestion.elements import Paper
from rag_app import Library
from rag_app.searchable import query_terms, searchable
from rag_app.store import Filter, Store, fulltext
from rag_app.vectors.space import Space

ROOT = Path(__file__).parent.parent
K = 8
CANDIDATES = 60
FOLDERS = 1000
COLD = """
import sys, time
start = time.perf_counter()
from rag_app import Library
imported = time.perf_counter()
library = Library.open(sys.argv[1], create=False)
opened = time.perf_counter()
retriever = library.as_retriever(k=8)
retriever._embedding.get_query_embedding("warm")
model = time.perf_counter()
retriever.find(sys.argv[2])
found = time.perf_counter()
print(imported - start, opened - imported, model - opened, found - model)
"""


def main() -> None:
    arguments = _arguments()
    sources = sentences(arguments.sources)
    embedding = load_model("text_embedding", parse_model_name("builtin"))
    if not (arguments.library / "library.sqlite").exists():
        build(
            arguments.library, sources, embedding, nodes=arguments.nodes, wide=arguments.wide, spread=arguments.spread
        )
    questions = questions_from(sources, arguments.questions)
    report: dict[str, object] = {
        "nodes": 0,
        "wide": arguments.wide,
        "questions": len(questions),
        "machine": f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}",
    }
    with Library.open(arguments.library, create=False) as library:
        report["nodes"] = library._store.size()
        report["bytes"] = {
            str(file.relative_to(arguments.library)): file.stat().st_size
            for file in sorted(arguments.library.rglob("*"))
            if file.is_file() and file.stat().st_size > 1_000_000
        }
        measured = report["warm_ms"] = warm(library, questions, embedding)
        report["hybrid over bare dense"] = {
            how: round(measured["hybrid"][how] / measured["bare dense"][how], 2) for how in ("cpu p50", "wall p50")
        }
    report["cold_s"] = cold(arguments.library, questions[:5])
    print(json.dumps(report, indent=2))


def build(folder: Path, sources: dict[str, list[str]], embedding, *, nodes: int, wide: bool, spread: bool) -> None:
    """Fill a library with `nodes` nodes, rounded up to whole papers of `FOLDERS` folders, a hundred a transaction."""
    lines = sorted({line for found in sources.values() for line in found})
    print(f"embedding {len(lines)} sentences", file=sys.stderr)
    maker, papers = Maker(sources, wide=wide), -(-nodes // NODES_A_PAPER)
    of_sentence: dict[str, np.ndarray] = {}
    drawn = resampled_vectors(sources, embedding) if spread else None
    if drawn is None:
        of_sentence = dict(zip(lines, np.array(embedding.get_text_embedding_batch(lines), np.float32), strict=True))
    with Store.open(folder) as store, store.write_lock(), searchable_of(maker) as indexed:
        store.database.connection.execute(f"PRAGMA cache_size = {-(2**19)}")
        name, spent = "", 0.0
        for first in range(0, papers, 100):
            with store.database.transaction():
                for number in range(first, min(first + 100, papers)):
                    paper, made, used = maker.paper(number)
                    indexed(made, used, number)
                    matrix = vectors(used, of_sentence, seed=number) if drawn is None else next(drawn)
                    matrix[[node.metadata["kind"] == "reference" for node in made]] = np.nan
                    name = f"text:{embedding.model_name}:{matrix.shape[1]}"
                    began = time.process_time()
                    store.commit(paper, made, {name: matrix}, path=where(number))
                    spent += time.process_time() - began
            if first % 1000 == 0:
                print(f"{first} of {papers} papers, {1000 * spent / (first + 100):.1f} CPU-ms each", file=sys.stderr)
        began = time.process_time()
        Space(store, name).save()
        saved = time.process_time()
        store.fold_words()
        print(
            f"FAISS file {saved - began:.1f} CPU-s, postings file {time.process_time() - saved:.1f} CPU-s",
            file=sys.stderr,
        )


def where(number: int) -> Path:
    """Where the paper of that number was read from."""
    return Path(f"/papers/{number % FOLDERS}/paper{number:05}.pdf")


def resampled_vectors(sources: dict[str, list[str]], embedding) -> Iterator[np.ndarray]:
    """Vectors (NODES_A_PAPER, dim) for one paper after the other, spread as those of real passages."""
    real = passages(sources, embedding)
    for seed in itertools.count():
        block = resampled(real, NODES_A_PAPER * 200, seed=seed)
        yield from block.reshape(-1, NODES_A_PAPER, block.shape[1])


@contextmanager
def searchable_of(maker: Maker) -> Iterator[Callable[[list[TextNode], list[list[str]], int], None]]:
    """For the block, search terms of made texts are put together from those of their sentences, five times as fast.

    Gives a function that is told a paper's nodes, their sentences and its number before the paper is committed. One
    paper in 500 is compared with the real thing.
    """
    made: dict[str, str] = {}
    plain = lru_cache(maxsize=100_000)(searchable)
    marked = lru_cache(maxsize=100_000)(lambda line: searchable(maker.marked(line)))

    def tell(nodes: list[TextNode], used: list[list[str]], number: int) -> None:
        made.clear()
        for node, lines in zip(nodes, used, strict=True):
            made[node.text] = maker.unmarked(" ".join(filter(None, map(marked, lines))), number)
            if number % 500 == 0 and made[node.text] != searchable(node.text):
                raise RuntimeError(f"Terms put together are not those of the text: {node.text!r}")

    fulltext.searchable = lambda text: made[text] if text in made else plain(text)
    try:
        yield tell
    finally:
        fulltext.searchable = searchable


def bars(folder: Path, sources: dict[str, list[str]], embedding, questions: Sequence[str]) -> dict[str, object]:
    """Opening, filtered search and its recall, the whole search, adding and removing a paper, memory."""
    maker, began = Maker(sources, wide=True, seed=time.time_ns() % 2**31), os.getloadavg()[0]
    asked = np.array([embedding.get_query_embedding(question) for question in questions], np.float32)
    drawn = resampled_vectors(sources, embedding)

    def make(number: int) -> tuple[Paper, list[TextNode], np.ndarray]:
        paper, nodes, _ = maker.paper(number)
        return paper, nodes, next(drawn)

    report: dict[str, object] = {"a fresh process": scale_bars.fresh(folder, questions)}
    with Library.open(folder, create=False) as library:
        report |= {
            "nodes": library._store.size(),
            "filtered": scale_bars.filtered(library, asked, questions, FOLDERS),
            "hybrid": scale_bars.hybrid(library, questions),
            "adding and deleting": scale_bars.changed(library, make, questions[0]),
        }
    return report | {"load before and after": (round(began, 1), round(os.getloadavg()[0], 1))}


def warm(library: Library, questions: Sequence[str], embedding) -> dict[str, dict[str, float]]:
    """Milliseconds of each part, after one round to warm up."""
    store = library._store
    name = store.active_space("text")
    assert name is not None
    space, retriever = Space(store, name), library.as_retriever(k=K)
    faiss.omp_set_num_threads(1)  # as Space does; with more, a search waits for a busy core
    asked = {question: np.array(embedding.get_query_embedding(question), np.float32) for question in questions}
    bare = faiss.read_index(str(space.path))
    evidence = Filter(exclude_kinds=("reference",))
    one = Filter(documents=(store.documents()[3].document_id,))
    tables = Filter(kinds=("table",))
    weights = ", ".join(map(str, fulltext.WEIGHTS))
    retrievers = {
        "paper": library.as_retriever(k=K, papers=[store.documents()[3].name]),
        "tables": library.as_retriever(k=K, kinds=["table"]),
    }

    def fts5(question: str) -> None:
        match = " OR ".join(f'"{term}"' for term in query_terms(question))
        store.database.connection.execute(
            f"SELECT rowid, bm25(search, {weights}) AS s FROM search WHERE search MATCH ? ORDER BY s LIMIT ?",
            (match, CANDIDATES),
        ).fetchall()

    def lexical(allowed: Filter | None) -> Callable[[str], object]:
        def run(question: str) -> None:
            store._words._state._postings.clear()  # pyright: ignore[reportOptionalMemberAccess]  # warm; its memory of terms is not
            store.lexical(query_terms(question), k=CANDIDATES, allowed=allowed)

        return run

    parts: dict[str, Callable[[str], object]] = {
        "query embedding": embedding.get_query_embedding,
        "bare FAISS": lambda q: bare.search(asked[q][None], CANDIDATES),
        "bare dense": lambda q: bare.search(np.array(embedding.get_query_embedding(q), np.float32)[None], CANDIDATES),
        "space": lambda q: space.search(asked[q], k=CANDIDATES),
        "space, tables": lambda q: space.search(asked[q], k=CANDIDATES, rows=store.row_ids(tables)),
        "space, one paper": lambda q: space.search(asked[q], k=CANDIDATES, rows=store.row_ids(one)),
        "lexical": lexical(evidence),
        "lexical, one paper": lexical(one),
        "FTS5 bm25": fts5,
        "hybrid": retriever.find,
        "hybrid, one paper": retrievers["paper"].find,
        "hybrid, tables": retrievers["tables"].find,
    }
    store.lexical(["warm"], k=1)
    return {part: _timed(run, questions) for part, run in parts.items()}


def cold(folder: Path, questions: Sequence[str]) -> dict[str, float]:
    """Medians over fresh processes: import, opening, loading the embedding model, the first search."""
    rows = []
    for question in questions:
        said = subprocess.run(
            [sys.executable, "-c", COLD, folder, question], check=True, capture_output=True, text=True
        ).stdout
        rows.append([float(part) for part in said.split()])
    names = ("import rag_app", "Library.open", "model and retriever", "first search")
    return {name: round(statistics.median(part), 3) for name, part in zip(names, zip(*rows, strict=True), strict=True)}


def questions_from(sources: dict[str, list[str]], count: int) -> list[str]:
    """Half from the sample questions, half stretches of the sources; the same each time."""
    draw = random.Random(7)
    sample = (ROOT / "data" / "questions" / "sample.jsonl").read_text(encoding="utf-8").splitlines()
    asked = [json.loads(line)["question"] for line in draw.sample(sample, min(len(sample), count // 2))]
    names = sorted(sources)
    while len(asked) < count:
        words = draw.choice(sources[draw.choice(names)]).split()
        start = draw.randrange(max(1, len(words) - 10))
        asked.append(" ".join(words[start : start + 10]))
    return asked


def _timed(run: Callable[[str], object], questions: Sequence[str]) -> dict[str, float]:
    run(questions[0])
    wall, cpu = [], []
    for question in questions:
        began, worked = time.perf_counter(), time.process_time()
        run(question)
        cpu.append(1000 * (time.process_time() - worked))
        wall.append(1000 * (time.perf_counter() - began))
    return {
        "cpu p50": round(statistics.median(cpu), 2),
        "cpu p90": round(float(np.quantile(cpu, 0.9)), 2),
        "wall p50": round(statistics.median(wall), 2),
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = os.environ.get("RAG_APP_TEST_DATA")
    parser.add_argument("--library", type=Path, required=True, help="folder of the big library; built when missing")
    parser.add_argument("--sources", type=Path, default=Path(data) / "papers" if data else ROOT / "data" / "papers")
    parser.add_argument("--nodes", type=int, default=100_000)
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--wide", action="store_true", help="let the vocabulary grow with the library")
    parser.add_argument(
        "--spread", action="store_true", help="vectors spread as those of real passages, not of the texts"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
