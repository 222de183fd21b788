"""Ingestion on a Ray cluster with one worker and with two, of the same PDFs in one run, beside this machine's own way.

    python benchmarks/ray_ingestion.py                          # 100 PDFs of two pages, made of the sample papers
    python benchmarks/ray_ingestion.py --papers 20 --runs 3
    python benchmarks/ray_ingestion.py FOLDER --papers 100      # PDFs of two pages made of the PDFs in a folder

A worker is one processor. Each way runs in a fresh process, in turn, `--runs` times; "seconds" are those of `ingest`
from the first page on, so without the start of Ray (told beside it), "CPU" the processor seconds of driver and of all
processes below it. Medians. "papers/s of the driver" is what one driver could take in if the workers cost nothing: its
own CPU seconds a paper, upside down. On a machine with other work compare CPU seconds, and ratios of one run.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
from importlib.metadata import version
from pathlib import Path

import psutil
import pymupdf

SAMPLE = Path(__file__).parent.parent / "data" / "papers"
PAGES = 2
WAYS = {"own, 1": ("", 1), "own, 2": ("", 2), "ray, 1": ("local", 1), "ray, 2": ("local", 2)}
EQUAL = {"RAY_worker_niceness": "0"}  # Ray's workers give way to all else by default, our own do not
INGEST = """
import json, resource, sys, time
from rag_app import Library, Settings
ray, workers, library, papers = sys.argv[1:]
pages = []
began = time.perf_counter()
with Library.open(library, settings=Settings.from_mapping({"ingestion": {"ray": ray}})) as opened:
    report = opened.ingest(papers, workers=int(workers), on_progress=lambda *_: pages.append(time.perf_counter()))
failed = [document.error for document in report.documents if document.error]
own = resource.getrusage(resource.RUSAGE_SELF)
assert not failed, failed
ended = time.perf_counter()
print(json.dumps({"papers": len(report.documents), "start_s": pages[0] - began, "seconds": ended - pages[0],
                  "driver_cpu_s": own.ru_utime + own.ru_stime, "note": report.note}))
"""


def make_papers(sources: list[Path], count: int, folder: Path) -> str:
    """PDFs of two pages each, taken from the sources in turn, each with metadata of its own; a digest of them all."""
    folder.mkdir(parents=True)
    digest = hashlib.sha256()
    opened = [pymupdf.open(path) for path in sources]
    for number in range(count):
        source = opened[number % len(opened)]
        first = number // len(opened) * PAGES % max(source.page_count - PAGES + 1, 1)
        with pymupdf.open() as made:
            made.insert_pdf(source, from_page=first, to_page=first + PAGES - 1)
            made.set_metadata({"title": f"Paper {number}"})
            made.save(folder / f"{number:03}.pdf", garbage=3, deflate=True, no_new_id=True)
        digest.update((folder / f"{number:03}.pdf").read_bytes())
    return digest.hexdigest()[:12]


class BelowCpu:
    """Processor seconds of all processes below one, sampled, so that those that were killed count too."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._spent: dict[int, float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        self._over.set()
        self._thread.join()
        return sum(self._spent.values())

    def _watch(self) -> None:
        while not self._over.wait(0.2):
            try:
                for process in self._root.children(recursive=True):
                    used = process.cpu_times()
                    self._spent[process.pid] = used.user + used.system
            except psutil.NoSuchProcess:
                continue


def run(way: str, papers: Path) -> dict[str, float]:
    """One ingestion in a fresh process and a fresh library; raises CalledProcessError when it fails."""
    ray, workers = WAYS[way]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", INGEST, ray, str(workers), str(Path(folder, "library")), str(papers)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **EQUAL})
        below = BelowCpu(process.pid)
        said, _ = process.communicate()
        cpu = below.stop()
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command[:2])
    return {**json.loads(said.splitlines()[-1]), "workers_cpu_s": cpu, "load": os.getloadavg()[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=SAMPLE)
    parser.add_argument("--papers", type=int, default=100)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        papers = Path(folder, "papers")
        digest = make_papers(sorted(given.folder.glob("*.pdf")), given.papers, papers)
        done: list[tuple[str, dict[str, float]]] = []
        for way in given.ways * given.runs:
            done.append((way, run(way, papers)))
            print(*done[-1], file=sys.stderr)
    table: dict[str, dict[str, float]] = {}
    for way in given.ways:
        own = [one for name, one in done if name == way]
        wanted = ("start_s", "seconds", "driver_cpu_s", "workers_cpu_s", "load")
        table[way] = {key: statistics.median(one[key] for one in own) for key in wanted}
    facts = {
        "machine": {"processors": os.cpu_count(), "python": platform.python_version(), "ray": version("ray")},
        "papers": given.papers,
        "digest": digest,
        "runs": given.runs,
        "medians": table,
    }
    for kind in ("own", "ray"):
        if {f"{kind}, 1", f"{kind}, 2"} <= table.keys():
            facts[f"{kind}: 2 workers to 1"] = table[f"{kind}, 1"]["seconds"] / table[f"{kind}, 2"]["seconds"]
    if given.json:
        print(json.dumps(facts, indent=1))
        return
    print({key: value for key, value in facts.items() if key != "medians"})
    print("way       start s  seconds  papers/s  driver CPU-s  workers CPU-s  papers/s of the driver  load")
    for way, row in table.items():
        print(
            f"{way:8}  {row['start_s']:7.1f}  {row['seconds']:7.1f}  {given.papers / row['seconds']:8.2f}"
            f"  {row['driver_cpu_s']:12.1f}  {row['workers_cpu_s']:13.1f}"
            f"  {given.papers / row['driver_cpu_s']:22.1f}  {row['load']:4.1f}"
        )


if __name__ == "__main__":
    main()
