"""What RayIngestionPipeline, Ray Data and Ray's own tasks make of a bad document and of a killed worker.

    python benchmarks/ray_engines.py

24 documents of 0.3 seconds each, on two processors of a cluster of our own, in three ways: all is well, one document
raises, one worker process is killed in its middle. Told: documents that came back, documents that were worked on more
than once, and when the caller had the first one. Blocks and batches hold one document, where that can be said.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
from llama_index.core.schema import BaseNode, Document, TransformComponent

DOCUMENTS = 24
SECONDS = 0.3
BAD = "document 7"


def work(text: str, log: str, bad: bool) -> str:
    """Note the document and the process, take a while, and fail at the bad one."""
    with Path(log).open("a", encoding="utf-8") as file:
        file.write(json.dumps([text, os.getpid()]) + "\n")
    time.sleep(SECONDS)
    if bad and text == BAD:
        raise ValueError(f"{text} is broken")
    return text


class Work(TransformComponent):
    log: str
    bad: bool

    def __call__(self, nodes: Sequence[BaseNode], **_: Any) -> Sequence[BaseNode]:  # Any: LlamaIndex's signature
        for node in nodes:
            work(node.get_content(), self.log, self.bad)
        return nodes


def by_pipeline(texts: list[str], log: str, bad: bool) -> Iterator[str]:
    """llama-index-ingestion-ray, as it comes."""
    import ray.data
    from llama_index.ingestion.ray import RayIngestionPipeline, RayTransformComponent

    ray.data.DataContext.get_current().max_errored_blocks = 0  # Ray's default; `by_data` has changed it
    batches = {"batch_size": 1, "num_cpus": 1, "concurrency": 2}
    step = RayTransformComponent(transform_class=Work, map_batches_kwargs=batches, log=log, bad=bad)
    for node in RayIngestionPipeline(transformations=[step]).run(documents=[Document(text=text) for text in texts]):
        yield node.get_content()


def by_data(texts: list[str], log: str, bad: bool) -> Iterator[str]:
    """Ray Data, told to go on after errors and to hand over each block as it comes."""
    import ray.data

    context = ray.data.DataContext.get_current()
    context.max_errored_blocks = -1
    context.enable_progress_bars = False
    rows = ray.data.from_items(texts, override_num_blocks=len(texts))
    for row in rows.map(lambda row: {"text": work(row["item"], log, bad)}, num_cpus=1).iter_rows():
        yield row["text"]


def by_tasks(texts: list[str], log: str, bad: bool) -> Iterator[str]:
    """Ray's own tasks, a document each, a lost one sent again: what rag_app.cluster.pool does."""
    import ray

    task = ray.remote(num_cpus=1, max_retries=0)(work)
    waiting = {task.remote(text, log, bad): text for text in texts}
    while waiting:
        (done,), _ = ray.wait(list(waiting), num_returns=1)
        text = waiting.pop(done)
        try:
            yield ray.get(done)
        except ray.exceptions.WorkerCrashedError:
            waiting[task.remote(text, log, bad)] = text
        except ray.exceptions.RayTaskError:
            continue  # told of this one; the others go on


def kill_one(log: Path, over: threading.Event) -> None:
    """Kill the process that noted the twelfth document, while it works on it."""
    while not over.wait(0.01):
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        if len(lines) >= DOCUMENTS // 2:
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(json.loads(lines[-1])[1]).send_signal(signal.SIGKILL)
            return


def tried(way: Callable[[list[str], str, bool], Iterator[str]], mishap: str, folder: Path) -> dict[str, Any]:
    log = folder / f"{way.__name__}-{mishap}"
    over = threading.Event()
    killer = threading.Thread(target=kill_one, args=(log, over), daemon=True)
    if mishap == "killed worker":
        killer.start()
    began = time.perf_counter()
    got: list[str] = []
    first, error = float("nan"), ""
    try:
        for text in way([f"document {i}" for i in range(DOCUMENTS)], str(log), mishap == "bad document"):
            first = first if got else time.perf_counter() - began
            got.append(text)
    except Exception as exc:  # whatever the way makes of it is what is measured
        error = type(exc).__name__
    seconds = time.perf_counter() - began
    over.set()
    times = Counter(json.loads(line)[0] for line in log.read_text(encoding="utf-8").splitlines())
    again = sum(count - 1 for count in times.values())
    return {"got": len(set(got)), "again": again, "first_s": first, "seconds": seconds, "error": error}


def main() -> None:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    print("way          mishap         came back  done again  first s  seconds  raised")
    with tempfile.TemporaryDirectory() as folder:
        for mishap in ("none", "bad document", "killed worker"):
            for way in (by_pipeline, by_data, by_tasks):
                row = tried(way, mishap, Path(folder))
                print(
                    f"{way.__name__:11}  {mishap:13}  {row['got']:9}  {row['again']:10}  {row['first_s']:7.1f}"
                    f"  {row['seconds']:7.1f}  {row['error']}"
                )
    ray.shutdown()


if __name__ == "__main__":
    main()
