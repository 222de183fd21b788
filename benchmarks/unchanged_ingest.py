"""Cost of `rag-app ingest FOLDER` again when nothing in the folder has changed, as a whole process.

    python benchmarks/unchanged_ingest.py --folder /tmp/unchanged           # 1,000 files of 1.5 MB, 60 nodes each
    python benchmarks/unchanged_ingest.py --folder /tmp/unchanged --evict   # and with the files out of the page cache

The files are one-page PDFs of different content, filled up to --bytes; their papers and nodes are made up from the
sentences of --sources and committed with the digests of these files, so that ingestion finds them unchanged. Beside it:
an empty command (`rag-app --version`), the bare sha256 of all files, and the same with one file changed by a byte whose
time of change was set back, which must be read anew.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pymupdf
from synthetic import Maker, sentences

from ingestion.reading import parser_name
from rag_app.originals import Originals
from rag_app.store import Store

ROOT = Path(__file__).parent.parent
RAG_APP = Path(sys.executable).with_name("rag-app")
SPACE = "text:builtin-minilm:384"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="for papers and library; made when missing")
    parser.add_argument("--sources", type=Path, default=ROOT / "data" / "papers")
    parser.add_argument("--files", type=int, default=1_000)
    parser.add_argument("--bytes", type=int, default=1_500_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--evict", action="store_true", help="drop the files from the page cache before each run")
    arguments = parser.parse_args()
    papers, library = arguments.folder / "papers", arguments.folder / "library"
    if not (library / "library.sqlite").exists():
        build(papers, library, arguments)
    files = sorted(papers.iterdir())
    report: dict[str, object] = {
        "files": len(files),
        "bytes": sum(file.stat().st_size for file in files),
        "machine": f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}",
        "empty command": _timed([RAG_APP, "--version"], arguments.runs, []),
    }
    began = time.perf_counter()
    for file in files:
        hashlib.sha256(file.read_bytes()).hexdigest()
    report["bare sha256 of all files, s"] = round(time.perf_counter() - began, 2)
    ingest = [RAG_APP, "ingest", papers, "--library", library, "--json"]
    report["ingest again"] = _timed(ingest, arguments.runs, files if arguments.evict else [])
    report["a changed byte, time set back"] = changed(ingest, files[len(files) // 2])
    print(json.dumps(report, indent=2))


def build(papers: Path, library: Path, arguments: argparse.Namespace) -> None:
    """The files, and a library that holds them."""
    papers.mkdir(parents=True, exist_ok=True)
    maker = Maker(sentences(arguments.sources), wide=True)
    draw = random.Random(1)
    originals = Originals(library / "files")
    with Store.open(library) as store, store.write_lock():
        for number in range(arguments.files):
            path = papers / f"paper{number:05}.pdf"
            with pymupdf.open() as pdf:
                pdf.new_page().insert_text((72, 72), f"Paper {number}")
                path.write_bytes(pdf.tobytes() + b"\n%" + draw.randbytes(arguments.bytes))
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            paper, nodes, _ = maker.paper(number)
            paper = dataclasses.replace(paper, sha256=sha256, name=path.name, parser=parser_name())
            matrix = np.random.default_rng(number).normal(size=(len(nodes), 384)).astype(np.float32)
            store.commit(paper, nodes, {SPACE: matrix}, path=path)
            originals.keep(path, sha256)
        store.fold_words()


def changed(ingest: list[object], file: Path) -> dict[str, object]:
    """Change one byte in the middle of a file, put its times back, ingest; then undo."""
    before, stat = file.read_bytes(), file.stat()
    middle = len(before) // 2
    other = before[:middle] + bytes([before[middle] ^ 1]) + before[middle + 1 :]
    try:
        file.write_bytes(other)
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        said = subprocess.run(list(map(str, ingest)), capture_output=True, text=True, check=True).stdout
        read = [document["document"] for document in json.loads(said)["documents"] if not document["skipped"]]
        return {"noticed": len(read) == 1, "seconds": json.loads(said)["seconds"]}
    finally:
        file.write_bytes(before)
        subprocess.run(list(map(str, ingest)), capture_output=True, check=True)


def _timed(words: list[object], runs: int, evicted: list[Path]) -> dict[str, float]:
    """Median and longest wall seconds of a process, and its median CPU seconds."""
    wall, cpu = [], []
    for _ in range(runs):
        for file in evicted:
            with file.open("rb") as opened:
                os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        before = os.times()
        began = time.perf_counter()
        subprocess.run(list(map(str, words)), capture_output=True, check=True)
        wall.append(time.perf_counter() - began)
        after = os.times()
        cpu.append(after.children_user + after.children_system - before.children_user - before.children_system)
    return {
        "wall median s": round(statistics.median(wall), 2),
        "wall longest s": round(max(wall), 2),
        "cpu median s": round(statistics.median(cpu), 2),
    }


if __name__ == "__main__":
    main()
