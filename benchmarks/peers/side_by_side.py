"""This project beside what people would use instead, in one run: each peer in its own environment, all in turn.

    python -m benchmarks.peers.side_by_side                                     # the sample papers; installs the peers
    python -m benchmarks.peers.side_by_side --papers DIR --questions A.jsonl    # other papers and their questions
    python -m benchmarks.peers.side_by_side --environments /tmp/peers --weights DIR --rows growth --sizes 10,1000

Writes bench_output/side_by_side.json and side_by_side.md, the table for docs/benchmarks.md. Rows: papers (reading,
finding, cold start, memory, disk), growth, evaluation, pictures. Papers with scanned pages are left out, since two of
the peers read none, and with them their questions. Medians over --runs; a ratio above 1 means that this project is
ahead. Whole processes of the scripts with_*.py are timed; a peer over the time limit is stopped and named.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.ingestion_speed import readable
from benchmarks.peers import environments, evaluation
from benchmarks.peers.contract import folder_bytes
from benchmarks.peers.growth import Growth
from benchmarks.peers.table import markdown
from benchmarks.processes import Failed, Run, run
from eval.metrics.ranking import hit_at, reciprocal_rank
from eval.questions import Question, read_questions
from ingestion.files import find_files

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
OURS = "rag_app"
PEERS = (OURS, *environments.NAMES)
ROWS = ("papers", "growth", "evaluation", "pictures")
K = 10
Json = dict[str, Any]  # Any: JSON


class Bench:
    """Asks every program the same. pythons: by name; environment: of all their processes."""

    def __init__(self, pythons: dict[str, Path], weights: Path | None, *, runs: int, limit_s: float) -> None:
        self._pythons, self.runs, self._limit_s = pythons, runs, limit_s
        self._environment = {
            **os.environ,
            "PEER_WEIGHTS": str(weights),
            "HF_HUB_OFFLINE": "1",
            "TRANSFORMERS_OFFLINE": "1",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else importing paper-qa asks GitHub for prices, and waits
        }

    def ask(self, peer: str, *arguments: object) -> tuple[Run, Json]:
        """One command of contract.py in a fresh process; raises Failed."""
        path = {"PYTHONPATH": str(ROOT)} if peer == OURS else {}
        command = [str(self._pythons[peer]), str(HERE / f"with_{peer}.py"), *map(str, arguments)]
        done = run(command, timeout_s=self._limit_s, env={**self._environment, **path})
        return done, json.loads(done.said)

    def command(self, command: Sequence[object]) -> Run:
        return run([*map(str, command)], timeout_s=self._limit_s, env={**self._environment, "PYTHONPATH": str(ROOT)})

    # --- the same papers and questions --------------------------------------------------------------------------------

    def papers(self, paths: list[Path], questions: Sequence[Question], scratch: Path) -> Json:
        kept, pages = readable(paths)
        names = {path.name for path in kept}
        asked = [one for one in questions if one.answerable and one.pages and one.document in names]
        if not asked:
            raise SystemExit("None of the questions is about these papers.")
        texts = scratch / "questions.json"
        texts.write_text(json.dumps([one.question for one in asked]), encoding="utf-8")
        one_question = scratch / "one.json"
        one_question.write_text(json.dumps([asked[0].question]), encoding="utf-8")
        read: dict[str, list[Run]] = {peer: [] for peer in self._pythons}
        cold: dict[str, list[Run]] = {peer: [] for peer in [*self._pythons, f"{OURS}, whole answer"]}
        found: Json = {peer: {} for peer in self._pythons}
        for turn in range(self.runs):
            for peer in self._pythons:
                folder = scratch / peer
                shutil.rmtree(folder, ignore_errors=True)
                try:
                    done, said = self.ask(peer, "ingest", folder, *kept)
                    read[peer].append(done)
                    found[peer] |= {**said, "disk_mib": folder_bytes(folder) / (1 << 20)}
                except Failed as exc:
                    found[peer]["failed"] = str(exc)
            print(f"reading, round {turn + 1}: done", file=sys.stderr)
        for _ in range(self.runs):
            for peer in self._pythons:
                if read[peer]:
                    with contextlib.suppress(Failed):  # told below, by the search for all questions
                        cold[peer].append(self.ask(peer, "search", scratch / peer, one_question, K)[0])
            library = scratch / OURS / "library"
            command = [self._pythons[OURS], "-m", "rag_app", "ask", asked[0].question, "--library", library, "--json"]
            answered = self.command(command)
            if not json.loads(answered.said)["citations"]:
                raise Failed(f"rag-app ask cites nothing for {asked[0].question!r}")
            cold[f"{OURS}, whole answer"].append(answered)
        for peer in [peer for peer in self._pythons if read[peer]]:
            found[peer] |= reading(read[peer], pages)
            try:
                done, said = self.ask(peer, "search", scratch / peer, texts, K)
            except Failed as exc:
                found[peer]["failed"] = str(exc)
                continue
            found[peer] |= {**said, **ranking(asked, said["hits"]), "search_peak_mib": done.all_mib}
            del found[peer]["hits"]
        return {
            "files": len(kept),
            "left_out": len(paths) - len(kept),
            "pages": pages,
            "questions": len(asked),
            "sha256": hashlib.sha256(b"".join(path.read_bytes() for path in kept)).hexdigest(),
            "peers": found,
            "cold_s": {peer: statistics.median(one.wall_s for one in done) for peer, done in cold.items() if done},
            "cold_peak_mib": {peer: max(one.all_mib for one in done) for peer, done in cold.items() if done},
        }

    # --- how each grows -----------------------------------------------------------------------------------------------

    def growth(self, sources: Path, sizes: Sequence[int], questions: int, scratch: Path) -> list[Json]:
        """Building from given passages and vectors, then finding in them, at each size; once each."""
        made, stopped, rows = Growth(sources), dict[str, str](), list[Json]()
        for size in sizes:
            corpus = made.write(scratch / f"corpus{size}", size, questions)
            row: Json = {"documents": size, "peers": {}}
            for peer in self._pythons:
                folder = scratch / f"{peer}{size}"
                if peer in stopped:
                    row["peers"][peer] = {"failed": stopped[peer]}
                    continue
                try:
                    built, said = self.ask(peer, "build", folder, corpus)
                    searched, found = self.ask(peer, "find", folder, corpus, K)
                except Failed as exc:
                    stopped[peer] = f"{exc} at {size} documents"
                    row["peers"][peer] = {"failed": stopped[peer]}
                    continue
                row["peers"][peer] = {
                    **said,
                    **found,
                    "build_cpu_s": built.cpu_s,
                    "build_peak_mib": built.all_mib,
                    "find_peak_mib": searched.all_mib,
                    "grown_mib": folder_bytes(folder) / (1 << 20),
                }
                shutil.rmtree(folder)
            shutil.rmtree(corpus)
            rows.append(row)
            print(f"growth, {size} documents: done", file=sys.stderr)
        return rows

    def pictures(self, python: Path, photos: Path, limit: int) -> Json:
        """benchmarks/clip_speed.py in the environment that has torch."""
        command = [python, ROOT / "benchmarks" / "clip_speed.py", photos, "--limit", limit, "--batches", "16"]
        return json.loads(self.command([*command, "--repeat", self.runs, "--json"]).said)


def reading(runs: Sequence[Run], pages: int) -> Json:
    return {
        "pages_per_s": pages / statistics.median(one.wall_s for one in runs),
        "cpu_s_per_page": statistics.median(one.cpu_s for one in runs) / pages,
        "ingest_peak_mib": statistics.median(one.all_mib for one in runs),
    }


def ranking(questions: Sequence[Question], hits: Sequence[Sequence[tuple[str, list[int]]]]) -> Json:
    """Whether a page with the evidence is among the first passages, over the questions and by their language."""
    table: Json = {}
    for language in ("all", *sorted({one.language for one in questions})):
        shown = [
            [frozenset(one.pages) & frozenset(pages) if name == one.document else frozenset() for name, pages in found]
            for one, found in zip(questions, hits, strict=True)
            if language in ("all", one.language)
        ]
        table[language] = {
            "questions": len(shown),
            "hit@1": statistics.fmean(hit_at(one, 1) for one in shown),
            "hit@5": statistics.fmean(hit_at(one, 5) for one in shown),
            "mrr@10": statistics.fmean(reciprocal_rank(one, K) for one in shown),
        }
    return {"quality": table}


def main() -> None:
    given = _arguments()
    environment_folder = given.environments or ROOT / "bench_output" / "peers"
    if given.environments is None:
        environments.make(environment_folder)
    weights = given.weights or environments.weights_of(environment_folder)
    pythons = {OURS: Path(sys.executable)}
    pythons |= {name: environments.python_of(environment_folder, name) for name in environments.NAMES}
    missing = [str(path) for path in pythons.values() if not path.exists()]
    if missing:
        raise SystemExit(f"There is no {', '.join(missing)}. Leave out --environments, and the peers are installed.")
    bench = Bench(pythons, weights, runs=given.runs, limit_s=given.limit)
    report: Json = {"machine": machine(), "runs": given.runs}
    with tempfile.TemporaryDirectory(prefix="side_by_side_") as name:
        scratch = Path(name)
        if "papers" in given.rows:
            report["papers"] = bench.papers(find_files([given.papers]), read_questions(given.questions), scratch)
        if "growth" in given.rows:
            report["growth"] = bench.growth(given.papers, given.sizes, given.growth_questions, scratch)
        if "evaluation" in given.rows:
            report["evaluation"] = [
                evaluation.compare(rows=given.judged, runs=given.runs, latency_s=latency_s, parallel=4)
                for latency_s in (0.0, 0.1)
            ]
        if "pictures" in given.rows and given.photos and given.clip_python:
            report["pictures"] = bench.pictures(given.clip_python, given.photos, given.photo_limit)
    report["load_at_the_end"] = os.getloadavg()[0]
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "side_by_side.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    table = markdown(report)
    (given.out / "side_by_side.md").write_text(table, encoding="utf-8")
    print(table)


def machine() -> Json:
    name = next(
        (line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return {
        "cpu": name,
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines() if Path(path).exists() else []


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = ROOT / "data"
    parser.add_argument("--papers", type=Path, default=data / "papers", help="folder of PDFs")
    parser.add_argument("--questions", type=Path, nargs="+", default=[data / "questions" / "sample.jsonl"])
    parser.add_argument("--environments", type=Path, help="folder of environments that are there; else they are made")
    parser.add_argument(
        "--weights", type=Path, help="all-MiniLM-L6-v2; else the one in the stock pipeline's environment"
    )
    parser.add_argument("--rows", type=_row_names, default=ROWS, help=f"of {', '.join(ROWS)}; commas between them")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--limit", type=float, default=600.0, help="seconds for one process")
    parser.add_argument("--sizes", type=_sizes, default=(10, 100, 1_000, 10_000, 100_000), help="documents of growth")
    parser.add_argument("--growth-questions", type=int, default=100)
    parser.add_argument("--judged", type=int, default=40, help="rows judged in evaluation")
    parser.add_argument("--photos", type=Path, help="folder of pictures for the row pictures, left out without")
    parser.add_argument("--photo-limit", type=int, default=64)
    parser.add_argument("--clip-python", type=Path, help="Python with the clip extra and sentence-transformers")
    parser.add_argument("--out", type=Path, default=ROOT / "bench_output")
    return parser.parse_args()


def _row_names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := [name for name in names if name not in ROWS]:
        raise argparse.ArgumentTypeError(f"there is no row {', '.join(unknown)}; there are {', '.join(ROWS)}")
    return names


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(size) for size in text.split(","))


if __name__ == "__main__":
    main()
