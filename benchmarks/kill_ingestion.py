"""kill -9 at random moments of a real ingestion, a full disk, two ingestions at once.

    python benchmarks/kill_ingestion.py                       # our sample papers, copied under ten names and contents
    python benchmarks/kill_ingestion.py FOLDER --kills 25     # the ten smallest PDFs of a folder

After each kill the library opens, what was committed answers (each document by its own words, vectors and kept file),
and the next `rag-app ingest` ends with exactly the nodes of an undisturbed one: ids, texts, metadata, vectors, crops.
The whole process group is killed, workers included. A full disk needs the right to mount (root), and is skipped
without it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from itertools import zip_longest
from pathlib import Path

import numpy as np

from rag_app.searchable import query_terms
from rag_app.store import Filter, Store
from rag_app.vectors.space import Space

ROOT = Path(__file__).parent.parent
RAG_APP = str(Path(sys.executable).with_name("rag-app"))
Contents = dict[str, list[tuple[object, ...]]]  # document id -> its nodes in reading order: text, metadata, vector


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="kill_ingestion_") as name:
        work = Path(name)
        papers = chosen(arguments.folder, arguments.papers, work / "papers")
        print(f"{len(papers)} papers: {', '.join(path.name for path in papers)}", flush=True)
        began = time.monotonic()
        ingest(work / "undisturbed", papers)
        took = time.monotonic() - began
        goal = contents(work / "undisturbed")
        print(f"undisturbed: {took:.1f} s, {len(goal)} documents, {sum(map(len, goal.values()))} nodes", flush=True)
        kills(work, papers, goal, took=took, count=arguments.kills, seed=arguments.seed)
        two_at_once(work / "two", papers, goal)
        full_disk(work / "disk", papers, goal)


def kills(work: Path, papers: list[Path], goal: Contents, *, took: float, count: int, seed: int) -> None:
    draw = random.Random(seed)
    progress: Counter[int] = Counter()
    for number in range(count):
        library = work / f"killed{number}"
        process = start(library, papers)
        time.sleep(draw.uniform(0, took))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        committed = 0
        if (library / "library.sqlite").exists():
            held = contents(library)
            committed = len(held)
            assert_same(held, {document: goal[document] for document in held})
            assert_answers(library)
        progress[committed] += 1
        ingest(library, papers)
        assert_same(contents(library), goal)
        assert_answers(library)
        assert_files(library)
        shutil.rmtree(library)
        print(f"kill {number + 1}: {committed} documents were in; resumed to the same {len(goal)}", flush=True)
    print(f"kills by documents committed: {dict(sorted(progress.items()))}; all resumed exactly (seed {seed})")


def two_at_once(library: Path, papers: list[Path], goal: Contents) -> None:
    processes = [start(library, papers), start(library, papers)]
    said = [process.communicate()[1] for process in processes]
    codes = sorted(process.returncode for process in processes)
    refused = [text.strip().splitlines()[-1] for text, p in zip(said, processes, strict=True) if p.returncode]
    assert codes in ([0, 1], [0, 0]), said
    assert_same(contents(library), goal)
    print(f"two at once: exit codes {codes}; refused with: {refused}", flush=True)


def full_disk(folder: Path, papers: list[Path], goal: Contents) -> None:
    folder.mkdir()
    size = sum(path.stat().st_size for path in papers) // 2 // 2**20 + 2
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}m", "none", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        print("full disk: skipped, nothing can be mounted here")
        return
    try:
        library = folder / "library"
        process = start(library, papers)
        out, said = process.communicate()
        assert process.returncode == 1, (process.returncode, out[-500:], said[-2000:])
        assert "Traceback" not in said, said
        held = contents(library)
        assert_same(held, {document: goal[document] for document in held})
        assert_answers(library)
        print(f"full disk ({size} MB): {len(held)} documents are in and answer; said: {said.strip().splitlines()[-1]}")
        subprocess.run(["mount", "-o", f"remount,size={size * 20}m", str(folder)], check=True)
        ingest(library, papers)
        assert_same(contents(library), goal)
        assert_files(library)
        print(f"full disk: with room again, all {len(goal)} documents", flush=True)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def start(library: Path, papers: list[Path]) -> subprocess.Popen[str]:
    command = [RAG_APP, "ingest", *map(str, papers), "--library", str(library), "--json"]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, cwd=ROOT
    )


def ingest(library: Path, papers: list[Path]) -> None:
    process = start(library, papers)
    out, said = process.communicate()
    assert process.returncode == 0, said
    failed = [document for document in json.loads(out)["documents"] if document["error"]]
    assert not failed, failed


def contents(library: Path) -> Contents:
    """What two equal libraries have in common: all but row numbers and times."""
    with Store.open(library, create=False) as store, store.snapshot():
        space = store.active_space("text")
        found = {}
        for info in store.documents():
            rows = store.row_ids(Filter(documents=(info.document_id,)))
            assert rows is not None
            vectors = store.vectors(space, rows.tolist()) if space else {}
            found[info.document_id] = [
                (node.node_id, node.text, json.dumps(node.metadata, sort_keys=True), _rounded(vectors.get(node.row)))
                for node in store.nodes(rows.tolist())
            ]
        return found


def assert_same(found: Contents, goal: Contents) -> None:
    """Raises AssertionError that shows the first difference."""
    assert found.keys() == goal.keys(), found.keys() ^ goal.keys()
    for document, nodes in goal.items():
        for ours, theirs in zip_longest(found[document], nodes):
            assert ours == theirs, f"{document}\n  now    {ours}\n  before {theirs}"


def _rounded(vector: np.ndarray | None) -> tuple[float, ...] | None:
    """A vector to four digits: batches of other sizes differ in the last bits."""
    return None if vector is None else tuple(np.round(vector, 4).tolist())


def assert_answers(library: Path) -> None:
    """Every document is found by the words and by the vector of one of its own nodes, and nothing is damaged."""
    with Store.open(library, create=False) as store:
        found = store.integrity()
        assert found.damage == (), found.damage
        assert found.missing_crops == (), found.missing_crops
        assert found.missing_files == (), found.missing_files
        name = store.active_space("text")
        for info in store.documents():
            only = Filter(documents=(info.document_id,), kinds=("text",))
            rows = store.row_ids(only)
            if rows is None or len(rows) == 0:
                continue
            node = store.nodes(rows[:1].tolist())[0]
            assert node.row in [hit.row for hit in store.lexical(query_terms(node.text), k=len(rows), allowed=only)]
            if name and (vector := store.vectors(name, [node.row]).get(node.row)) is not None:
                assert Space(store, name).search(vector, k=1, rows=rows)[0].score > 0.99


def assert_files(library: Path) -> None:
    """No file is left over, and each original is kept whole."""
    with Store.open(library, create=False) as store:
        assert store.integrity().orphans == (), store.integrity().orphans
    for path in (library / "files").iterdir():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.stem, f"{path.name} is not whole"


def chosen(folder: Path | None, count: int, target: Path) -> list[Path]:
    """The smallest PDFs of a folder, or our sample papers made different by a comment at their end."""
    target.mkdir()
    if folder is not None:
        found = sorted(folder.rglob("*.pdf"), key=lambda path: path.stat().st_size)[:count]
        return [Path(shutil.copy(path, target / path.name)) for path in found]
    sample = sorted((ROOT / "data" / "papers").glob("*.pdf"))
    papers = []
    for number in range(count):
        source = sample[number % len(sample)]
        papers.append(target / f"{source.stem}_{number}.pdf")
        papers[-1].write_bytes(source.read_bytes() + f"\n% copy {number}\n".encode())
    return papers


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--papers", type=int, default=10)
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
