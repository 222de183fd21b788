"""Run the protocol server on its own: `python -m tests.ollama_server --port 0 --latency 0.5`; prints its URL."""

from __future__ import annotations

import argparse
import signal
import threading
from pathlib import Path

from tests.ollama_server import Fault, Model, OllamaServer, tiny_models

KINDS = {
    "vision": {"completion", "vision"},
    "text": {"completion"},
    "embed": {"embedding"},
    "thinking": {"completion", "thinking"},
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.ollama_server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--model", action="append", metavar="NAME=KIND", help=f"KIND: {', '.join(KINDS)}")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds until the first word")
    parser.add_argument("--load-seconds", type=float, default=0.0, help="seconds to load a model")
    parser.add_argument("--parallel", type=int, default=1, help="as OLLAMA_NUM_PARALLEL")
    parser.add_argument("--max-loaded", type=int, default=3, help="as OLLAMA_MAX_LOADED_MODELS")
    parser.add_argument("--max-queue", type=int, default=512, help="as OLLAMA_MAX_QUEUE")
    parser.add_argument("--share", type=float, default=0.0, help="share of requests for text that get a fault")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fault", action="append", metavar="NAME", help="kinds of faults for --share, as BUSY")
    parser.add_argument("--log", type=Path, metavar="FILE", help="a JSON line for each request and each reply")
    given = parser.parse_args()

    models = tiny_models()
    if given.model:
        models = [Model(name, KINDS[kind]) for name, _, kind in (one.rpartition("=") for one in given.model)]
    for model in models:
        model.latency_s, model.load_s = given.latency, given.load_seconds
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with OllamaServer(
        models,
        port=given.port,
        parallel=given.parallel,
        max_loaded=given.max_loaded,
        max_queue=given.max_queue,
        log=given.log,
    ) as server:
        if given.share:
            kinds = [Fault[name] for name in given.fault or ["BUSY", "CUT", "NO_DONE", "NOT_JSON"]]
            server.random_faults(share=given.share, seed=given.seed, kinds=kinds)
        print(server.url, flush=True)
        ended.wait()


if __name__ == "__main__":
    main()
