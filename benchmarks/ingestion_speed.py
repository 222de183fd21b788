"""Speed and memory of ingestion beside a plain loop over pymupdf4llm, on the same PDFs in one run.

    python -m benchmarks.ingestion_speed                        # our sample papers
    python -m benchmarks.ingestion_speed FOLDER --runs 3        # other papers; files with scanned pages are left out
    python -m benchmarks.ingestion_speed --memory --pages 500   # peak memory against the number of pages

"loop" is `for path in paths: pymupdf4llm.to_markdown(path)` in one process with its default threads.
"ours" is `Library.open(new folder).ingest(paths)`: parsing, tables, figure crops, embedding and commit. Each runs in
a fresh process, in turn; seconds are those of the whole process, start included. CPU seconds include child processes.
Peaks of resident memory are sampled every 0.1 s. With other work on the machine compare CPU seconds, not pages/s.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import statistics
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import pymupdf

from benchmarks.processes import Run, run
from ingestion.files import find_files
from ingestion.ocr import needs_ocr

SAMPLE = Path(__file__).parent.parent / "data" / "papers"
LOOP = """
import sys, pymupdf4llm
for path in sys.argv[2:]:
    pymupdf4llm.to_markdown(path)
"""
OURS = """
import sys
from rag_app import Library
with Library.open(sys.argv[1]) as library:
    failed = [d for d in library.ingest(sys.argv[2:]).documents if d.error]
sys.exit(str(failed) if failed else 0)
"""


@dataclass(frozen=True)
class Measured(Run):
    """A run of one of the two."""

    what: str


def measure(what: str, code: str, paths: list[Path]) -> Measured:
    """Run the code over the paths in a fresh process; raises Failed when it fails."""
    with tempfile.TemporaryDirectory() as folder:
        done = run([sys.executable, "-c", code, str(Path(folder, "library")), *map(str, paths)])
    return Measured(**asdict(done), what=what)


def readable(paths: list[Path]) -> tuple[list[Path], int]:
    """The PDFs without a scanned page, and their pages in all: OCR would drown what is compared."""
    kept, pages = [], 0
    for path in paths:
        if path.suffix.lower() != ".pdf":
            continue
        with pymupdf.open(path) as doc:
            if any(needs_ocr(page) for page in doc):
                print(f"left out, has scanned pages: {path.name}", file=sys.stderr)
                continue
            pages += doc.page_count
        kept.append(path)
    return kept, pages


def compare(paths: list[Path], runs: int) -> dict[str, object]:
    """Both ways in turn, `runs` times; medians and the ratio of ours to the loop's."""
    kept, pages = readable(paths)
    done = [measure(what, code, kept) for _ in range(runs) for what, code in (("loop", LOOP), ("ours", OURS))]
    table: dict[str, dict[str, float]] = {}
    for what in ("loop", "ours"):
        own = [r for r in done if r.what == what]
        table[what] = {
            "pages_per_s": pages / statistics.median(r.wall_s for r in own),
            "cpu_s_per_page": statistics.median(r.cpu_s for r in own) / pages,
            "parent_mib": statistics.median(r.parent_mib for r in own),
            "worker_mib": statistics.median(r.worker_mib for r in own),
            "all_mib": statistics.median(r.all_mib for r in own),
        }
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in kept)).hexdigest()
    return {
        "files": len(kept),
        "pages": pages,
        "sha256": digest,
        "runs": [asdict(r) for r in done],
        "medians": table,
        "speed": table["ours"]["pages_per_s"] / table["loop"]["pages_per_s"],
        "cpu": table["ours"]["cpu_s_per_page"] / table["loop"]["cpu_s_per_page"],
    }


def memory(paths: list[Path], pages: int) -> list[dict[str, float]]:
    """Peaks while one PDF of a fifth and of all of the pages is read in."""
    rows: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        for count in (max(1, pages // 5), pages):
            path = repeated(readable(paths)[0], count, Path(folder) / f"{count}.pdf")
            one = measure("ours", OURS, [path])
            rows.append({"pages": count, "mib": path.stat().st_size / (1 << 20), **asdict(one)})
    return rows


def repeated(paths: list[Path], count: int, target: Path) -> Path:
    """One PDF of `count` pages, the papers again and again."""
    out = pymupdf.open()
    while out.page_count < count:
        for path in paths:
            with pymupdf.open(path) as doc:
                out.insert_pdf(doc, to_page=min(doc.page_count, count - out.page_count) - 1)
            if out.page_count >= count:
                break
    out.save(target, garbage=3, deflate=True)
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", type=Path, default=[SAMPLE], help="PDFs and folders")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--memory", action="store_true", help="peak memory against the number of pages")
    parser.add_argument("--pages", type=int, default=500, help="pages of the largest PDF of --memory")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    paths = find_files(given.paths)
    machine = {
        "cpu": os.cpu_count(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "pymupdf4llm": version("pymupdf4llm"),
    }
    result = memory(paths, given.pages) if given.memory else compare(paths, given.runs)
    if given.json:
        print(json.dumps({"machine": machine, "result": result}, indent=1))
    elif isinstance(result, list):
        print("pages  file MiB  parent MiB  worker MiB  all MiB  CPU-s/page")
        for row in result:
            print(
                f"{row['pages']:5.0f}  {row['mib']:8.1f}  {row['parent_mib']:10.0f}  {row['worker_mib']:10.0f}"
                f"  {row['all_mib']:7.0f}  {row['cpu_s'] / row['pages']:10.2f}"
            )
    else:
        print(f"{result['files']} files, {result['pages']} pages, {given.runs} runs each; {machine}")
        print("      pages/s  CPU-s/page  parent MiB  worker MiB  all MiB")
        for what, row in result["medians"].items():  # pyright: ignore[reportAttributeAccessIssue]
            print(
                f"{what}  {row['pages_per_s']:7.2f}  {row['cpu_s_per_page']:10.3f}  {row['parent_mib']:10.0f}"
                f"  {row['worker_mib']:10.0f}  {row['all_mib']:7.0f}"
            )
        print(f"ours / loop: speed {result['speed']:.2f} (bar 1.25), CPU {result['cpu']:.2f} (bar 1.3)")


if __name__ == "__main__":
    main()
