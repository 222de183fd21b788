"""What judging answers costs above bare Ragas: the same metrics of the same version, rows, judge and server.

    python -m benchmarks.peers.evaluation [--rows 40] [--runs 3] [--latency 0] [--parallel 4] [--json]

The judge is a scripted one behind the protocol server of the tests, in a process of its own. "bare" is Ragas as its
documentation has it: llm_factory over AsyncOpenAI, each row's metrics one after another, so many rows at a time. "ours"
is eval.judging.Judge with an empty cache. Each runs in a fresh process, in turn. Scores of both are compared, too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.judge_failures import METRICS, made_rows
from tests.judging.models import reply
from tests.ollama_server import Model
from tests.openai_server import OpenAIServer

ROOT = Path(__file__).parents[2]
NAME = "judge"
_TITLE = re.compile(r'"title": "(\w+)"')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=40)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds the judge takes for a reply")
    parser.add_argument("--parallel", type=int, default=4, help="rows at a time")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--way", choices=("bare", "ours"), help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.latency)
    elif given.way:
        print(json.dumps({"bare": bare, "ours": ours}[given.way](given.url, given.rows, given.parallel)))
    else:
        found = compare(rows=given.rows, runs=given.runs, latency_s=given.latency, parallel=given.parallel)
        print(json.dumps(found) if given.json else "\n".join(f"{name}: {value}" for name, value in found.items()))


def compare(*, rows: int, runs: int, latency_s: float, parallel: int) -> dict[str, Any]:  # Any: JSON
    """Medians of both ways over `runs`, and whether the scores agree."""
    module = [sys.executable, "-m", "benchmarks.peers.evaluation"]
    server = subprocess.Popen(
        [*module, "--serve", "--latency", str(latency_s)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert server.stdin is not None and server.stdout is not None
    done: dict[str, list[dict[str, Any]]] = {"bare": [], "ours": []}
    try:
        url = server.stdout.readline().strip()
        for _ in range(runs):
            for way, kept in done.items():
                command = [*module, "--way", way, "--url", url, "--rows", str(rows), "--parallel", str(parallel)]
                said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
                kept.append(json.loads(said.splitlines()[-1]))
    finally:
        server.stdin.close()
        server.wait(10)
        server.stdout.close()
    pairs = list(zip(done["bare"][0]["scores"], done["ours"][0]["scores"], strict=True))
    middle = {
        way: {key: statistics.median(one[key] for one in kept) for key in ("wall_s", "cpu_s", "loading_s", "peak_mib")}
        for way, kept in done.items()
    }
    return {
        "rows": rows,
        "metrics": list(METRICS),
        "latency_s": latency_s,
        "parallel": parallel,
        "medians": middle,
        "runs": {way: [{k: v for k, v in one.items() if k != "scores"} for one in kept] for way, kept in done.items()},
        "scores": len(pairs),
        "scores_that_differ": sum(a is None or b is None or abs(a - b) > 1e-9 for a, b in pairs),
    }


def serve(latency_s: float) -> None:
    """The judge's server; its URL on stdout, until stdin is closed."""
    with OpenAIServer(
        [Model(NAME, latency_s=latency_s, replies=_scripted, context_length=32768)], parallel=16
    ) as server:
        print(server.url, flush=True)
        sys.stdin.read()


def _scripted(body: dict[str, Any], images: list[bytes]) -> str:
    """The scripted reply; the form asked for is named by the schema, which the two send in different places."""
    schema = (body.get("response_format") or {}).get("json_schema", {}).get("schema")
    if schema is not None:
        title = schema["title"]
    else:  # instructor writes the schema into the system message; its own title comes after those of its parts
        system = next(one["content"] for one in body["messages"] if one["role"] == "system")
        title = _TITLE.findall(system)[-1]
    return json.dumps(reply({"format": {"title": title}, "messages": body["messages"]}, images))


def ours(url: str, count: int, parallel: int) -> dict[str, Any]:  # Any: JSON
    from adapters.names import load_model, parse_model_name
    from eval.judging import Judge
    from eval.judging.loading import load_bridge
    from rag_app.settings import OpenAI, Settings

    started = time.perf_counter()
    load_bridge()
    loading = time.perf_counter() - started
    settings = Settings(openai=OpenAI(hosts=url, parallel=parallel))
    with tempfile.TemporaryDirectory() as cache:
        model = load_model("judge", parse_model_name(f"openai:{NAME}"), settings)
        judge = Judge(model, None, metrics=METRICS, cache=Path(cache), parallel=parallel)
        rows = made_rows(count, 1)
        began, used = time.perf_counter(), time.process_time()
        judged = judge.judge(rows)
        spent = time.perf_counter() - began, time.process_time() - used
    return _outcome([one.scores.get(f"ragas_{name}") for one in judged for name in METRICS], *spent, loading)


def bare(url: str, count: int, parallel: int) -> dict[str, Any]:  # Any: JSON
    import os

    os.environ["RAGAS_DO_NOT_TRACK"] = "true"
    started = time.perf_counter()
    from openai import AsyncOpenAI
    from ragas.llms import llm_factory
    from ragas.metrics import collections

    loading = time.perf_counter() - started
    from eval.judging.samples import sample_of

    async def judge() -> list[float]:
        llm = llm_factory(NAME, client=AsyncOpenAI(base_url=f"{url}/v1", api_key="none"), max_tokens=4096)
        classes = {
            "faithfulness": collections.Faithfulness,
            "context_precision": collections.ContextPrecision,
            "context_recall": collections.ContextRecall,
            "factual_correctness": collections.FactualCorrectness,
        }
        made = {name: classes[name](llm=llm) for name in METRICS}
        places = asyncio.Semaphore(parallel)

        async def one(row: Any) -> list[float]:
            sample = sample_of(row)
            assert sample is not None
            asked = {"user_input": sample.question, "retrieved_contexts": list(sample.read)}
            answered = {**asked, "response": sample.response}
            golden = {**asked, "reference": sample.reference}
            correct = {"response": sample.response, "reference": sample.stated_reference}
            arguments = (answered, golden, golden, correct)
            async with places:
                return [
                    float((await made[name].ascore(**given)).value)
                    for name, given in zip(METRICS, arguments, strict=True)
                ]

        return [score for scores in await asyncio.gather(*map(one, made_rows(count, 1))) for score in scores]

    began, used = time.perf_counter(), time.process_time()
    scores: list[float | None] = [*asyncio.run(judge())]
    return _outcome(scores, time.perf_counter() - began, time.process_time() - used, loading)


def _outcome(scores: list[float | None], wall_s: float, cpu_s: float, loading_s: float) -> dict[str, Any]:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"wall_s": wall_s, "cpu_s": cpu_s, "loading_s": loading_s, "peak_mib": peak, "scores": scores}


if __name__ == "__main__":
    main()
