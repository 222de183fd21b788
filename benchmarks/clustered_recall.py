"""Recall and cost of a clustered index against exact search, on vectors spread as those of real text are.

    python benchmarks/clustered_recall.py --sources DIR --questions QUESTIONS.jsonl --vectors 200000

Passages are three sentences of the PDFs in --sources, embedded with the builtin model. Each vector is then one of them,
moved within the differences to its nearest neighbours (a local bootstrap), so that distances and intrinsic dimension
stay what they are; both are printed beside those of the passages. Questions: data/questions/sample.jsonl, or the
fields "question" of --questions, in Latin letters. Times are CPU milliseconds of the search for candidates alone.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from pathlib import Path

import faiss
import numpy as np
from synthetic import sentences

from adapters.names import load_model, parse_model_name
from rag_app.vectors import clustered

ROOT = Path(__file__).parent.parent
NEIGHBOURS = 12
MOVED = 1.0  # how far from a passage, in root mean squares of the differences to its neighbours
BLOCK = 10_000
K, CANDIDATES = 10, 60


def main() -> None:
    arguments = _arguments()
    faiss.omp_set_num_threads(1)
    embedding = load_model("text_embedding", parse_model_name("builtin"))
    real = passages(sentences(arguments.sources), embedding)
    lines = [line for file in arguments.questions for line in file.read_text(encoding="utf-8").splitlines()]
    questions = embedding.embed([asked for line in lines if (asked := json.loads(line)["question"]).isascii()])
    blocks = [resampled(real, BLOCK, seed=number) for number in range(arguments.vectors // BLOCK)]
    every = np.concatenate(blocks)
    rows = [np.arange(number * BLOCK, (number + 1) * BLOCK) for number in range(len(blocks))]
    began = time.process_time()
    index = clustered.build(every.shape[1], len(every), lambda: zip(rows, blocks, strict=True))
    report: dict[str, object] = {
        "vectors": len(every),
        "passages": len(real),
        "questions": len(questions),
        "load": round(os.getloadavg()[0], 1),
        "build CPU-s": round(time.process_time() - began, 1),
        "clusters": index.nlist,
        "searched": index.nprobe,
        "spread of passages": spread(real),
        "spread of as many vectors": spread(resampled(real, len(real), seed=-1 % 2**32)),
    }
    draw = np.random.default_rng(5)
    for share in (1.0, 0.5, 0.1, 0.01):
        allowed = None if share == 1.0 else np.sort(draw.choice(len(every), int(share * len(every)), replace=False))
        report[f"{share:.0%} pass"] = searched(clustered.Clustered(index), every, questions, allowed)
    print(json.dumps(report, indent=2))


def passages(sources: dict[str, list[str]], embedding) -> np.ndarray:
    """(n, dim) vectors of stretches of three sentences."""
    return embedding.embed([" ".join(of[i : i + 3])[:600] for of in sources.values() for i in range(0, len(of) - 2, 2)])


def resampled(real: np.ndarray, count: int, *, seed: int) -> np.ndarray:
    """(count, dim) float32 of length 1: vectors of `real`, each moved towards and away from its neighbours."""
    draw = np.random.default_rng(seed)
    near = _exact(real).search(real, NEIGHBOURS + 1)[1][:, 1:]
    chosen = draw.integers(len(real), size=count)
    weights = draw.normal(size=(count, NEIGHBOURS)).astype(np.float32) * MOVED / np.sqrt(NEIGHBOURS)
    made = real[chosen] + np.einsum("nk,nkd->nd", weights, real[near[chosen]] - real[chosen][:, None, :])
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def spread(vectors: np.ndarray) -> dict[str, object]:
    """Distances to the nearest and the tenth, and intrinsic dimension (maximum likelihood, Levina and Bickel 2004)."""
    cosines = _exact(vectors).search(vectors, K + 1)[0][:, 1:]
    far = np.sqrt(np.maximum(2 - 2 * cosines, 1e-9))
    dimension = 1 / np.mean(np.log(far[:, -1:] / far[:, :-1]), axis=1)
    parts = (0.1, 0.5, 0.9)
    return {
        "nearest p10 p50 p90": np.quantile(far[:, 0], parts).round(3).tolist(),
        "tenth p10 p50 p90": np.quantile(far[:, -1], parts).round(3).tolist(),
        "intrinsic dimension p50": round(float(np.median(dimension)), 1),
    }


def searched(
    index: clustered.Clustered, every: np.ndarray, questions: np.ndarray, allowed: np.ndarray | None
) -> dict[str, float]:
    """Recall@K after ordering the candidates by their vectors, and CPU milliseconds to find the candidates."""
    rows = np.arange(len(every)) if allowed is None else allowed
    inside = _exact(every[rows])
    hits, cpu = 0, []
    for question in questions:
        truth = rows[inside.search(question[None], K)[1][0]]
        began = time.process_time()
        some = index.search(question[None], CANDIDATES, allowed)
        cpu.append(1000 * (time.process_time() - began))
        best = some[np.argsort(-(every[some] @ question))[:K]]
        hits += len(set(best.tolist()) & set(truth.tolist()))
    return {"recall@10": round(hits / (K * len(questions)), 3), "cpu ms p50": round(statistics.median(cpu), 2)}


def _exact(vectors: np.ndarray) -> faiss.IndexFlatIP:
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)  # pyright: ignore[reportCallIssue]  # FAISS replaces its signature
    return index


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = os.environ.get("RAG_APP_TEST_DATA")
    parser.add_argument("--sources", type=Path, default=Path(data) / "papers" if data else ROOT / "data" / "papers")
    sample = ROOT / "data" / "questions" / "sample.jsonl"
    parser.add_argument("--questions", type=Path, nargs="+", default=[sample])
    parser.add_argument("--vectors", type=int, default=200_000)
    return parser.parse_args()


if __name__ == "__main__":
    main()
