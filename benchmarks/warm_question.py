"""Seconds from a question to its whole, checked answer, the models loaded: by the builtin models, over any papers.

    python benchmarks/warm_question.py --questions QUESTIONS.jsonl PDF ...
    python benchmarks/warm_question.py --library LIBRARY --questions QUESTIONS.jsonl

Without arguments it measures data/papers with data/questions/sample.jsonl. A question set is JSON Lines with a field
"question". One question, of no set, is asked before the clock runs; then each question once, in order ("first"), and
all once more ("again"), as in a conversation that stays with its papers. Times are wall time of
`PaperQueryEngine.answer`; the interval of the median is a bootstrap over the questions (1,000 resamples, fixed seed).
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rag_app import Library
from rag_app.answering.engine import PaperQueryEngine

DATA = Path(__file__).parents[1] / "data"
SEED, RESAMPLES = 20260115, 1000
BAR_S = 0.3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("papers", nargs="*", type=Path, help="PDFs or folders; data/papers when none is given")
    parser.add_argument("--library", type=Path, help="a library that is there already, instead of papers")
    parser.add_argument("--questions", type=Path, nargs="+", default=[DATA / "questions" / "sample.jsonl"])
    given = parser.parse_args()
    questions = [json.loads(line)["question"] for path in given.questions for line in path.open(encoding="utf-8")]
    digest = hashlib.sha256("\n".join(questions).encode()).hexdigest()[:12]
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.library or Path(scratch) / "library"
        with Library.open(folder, create=given.library is None) as library:
            if given.library is None:
                library.ingest(given.papers or [DATA / "papers"])
        with Library.open(folder, read_only=True) as library:
            status = library.status()
            version = importlib.metadata.version("rag-app")
            print(f"rag-app {version}, Python {platform.python_version()}, {os.cpu_count()} cores, ", end="")
            print(f"load {os.getloadavg()[0]:.1f}; {len(status.documents)} papers, {status.pages} pages")
            engine = library.as_query_engine(answer="builtin")
            engine.answer("What is this about?")
            print(f"{len(questions)} questions, sha256 {digest}")
            first = measured("first", engine, questions)
            measured("again", engine, questions)
    print(f"the median is {'under' if first < BAR_S else 'OVER'} {BAR_S} s")


def measured(name: str, engine: PaperQueryEngine, questions: Sequence[str]) -> float:
    """The median seconds of asking all `questions`; it is printed with the rest."""
    seconds: list[float] = []
    stages: dict[str, list[float]] = {"retrieve": [], "compose": [], "cite": []}
    for question in questions:
        started = time.perf_counter()
        answer = engine.answer(question)
        seconds.append(time.perf_counter() - started)
        for stage, found in stages.items():
            found.append(answer.seconds[stage])
    sample = np.asarray(seconds)
    rows = np.random.default_rng(SEED).integers(0, len(sample), size=(RESAMPLES, len(sample)))
    low, high = np.quantile(np.median(sample[rows], axis=1), (0.025, 0.975))
    by_stage = ", ".join(f"{stage} {1000 * np.median(found):.0f}" for stage, found in stages.items())
    print(
        f"{name}: p50 {1000 * np.median(sample):.0f} ms [{1000 * low:.0f}, {1000 * high:.0f}], "
        f"p95 {1000 * np.quantile(sample, 0.95):.0f} ms, longest {1000 * sample.max():.0f} ms; medians: {by_stage} ms"
    )
    return float(np.median(sample))


if __name__ == "__main__":
    main()
