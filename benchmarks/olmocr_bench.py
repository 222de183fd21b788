"""olmOCR-bench unit tests over our parse and over plain pymupdf4llm, side by side in one run.

    python benchmarks/olmocr_bench.py [FOLDER] [--json FILE]

FOLDER holds dataset.jsonl and its PDFs; without it, papers/olmocr_bench inside $RAG_APP_TEST_DATA. A PDF that cannot be
read gives an empty page, so `absent` tests pass on it and all others fail, for both alike.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pymupdf
import pymupdf4llm

from eval.page_checks import passes, symbols_present
from eval.statistics import text_table
from ingestion.markdown import paper_markdown
from ingestion.reading import read_paper
from rag_app.errors import RagAppError

Json = dict[str, Any]  # Any: JSON
Pages = dict[tuple[str, int], str]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--json", type=Path, help="write every result here")
    arguments = parser.parse_args()
    data = os.environ.get("RAG_APP_TEST_DATA")
    folder: Path | None = arguments.folder or (Path(data) / "papers" / "olmocr_bench" if data else None)
    if folder is None or not (folder / "dataset.jsonl").is_file():
        parser.error("no folder with a dataset.jsonl: name one, or set RAG_APP_TEST_DATA")
    checks = [json.loads(line) for line in (folder / "dataset.jsonl").read_text("utf-8").splitlines() if line.strip()]
    wanted = sorted({(check["pdf"], int(check["page"])) for check in checks})
    with tempfile.TemporaryDirectory() as crops:
        ours = pages_of(wanted, lambda name, page: our_page(folder / name, page, Path(crops)))
    plain = pages_of(wanted, lambda name, page: plain_page(folder / name, page))
    results = [judge(check, ours, plain) for check in checks]
    print(report(results))
    if arguments.json:
        arguments.json.write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return 0


def our_page(path: Path, page: int, crops: Path) -> str:
    return paper_markdown(read_paper(path, crops=crops), pages=[page])


def plain_page(path: Path, page: int) -> str:
    with pymupdf.open(path) as doc:
        text = pymupdf4llm.to_markdown(doc, pages=[page - 1], show_progress=False)
    if not isinstance(text, str):
        raise TypeError(f"pymupdf4llm gave {type(text).__name__} for {path.name}")
    return text


def pages_of(wanted: list[tuple[str, int]], read: Callable[[str, int], str]) -> Pages:
    pages: Pages = {}
    for name, page in wanted:
        try:
            pages[name, page] = read(name, page)
        except (RagAppError, pymupdf.FileDataError, pymupdf.EmptyFileError) as exc:
            print(f"{name}, page {page}: {exc}", file=sys.stderr)
            pages[name, page] = ""
    return pages


def judge(check: Json, ours: Pages, plain: Pages) -> Json:
    page = (check["pdf"], int(check["page"]))
    result = {"id": check["id"], "type": check["type"], "ours": passes(check, ours[page])}
    result["plain"] = passes(check, plain[page])
    if check["type"] == "math":
        result |= {"ours_symbols": symbols_present(check, ours[page])}
        result |= {"plain_symbols": symbols_present(check, plain[page])}
    return result


def report(results: list[Json]) -> str:
    def row(name: str, chosen: list[Json], suffix: str = "") -> list[object]:
        return [name, len(chosen), *(sum(bool(r[side + suffix]) for r in chosen) for side in ("ours", "plain"))]

    kinds = dict.fromkeys(r["type"] for r in results)
    rows = [row(kind, [r for r in results if r["type"] == kind]) for kind in kinds]
    math = [r for r in results if r["type"] == "math"]
    rows.append(row("all", results))
    rows.append(row("all but math", [r for r in results if r["type"] != "math"]))
    rows.append(row("math, symbols only (not of olmOCR)", math, "_symbols"))
    notes = [f"  {r['id']}: ours {r['ours']}, plain {r['plain']}" for r in results if r["ours"] != r["plain"]]
    failed = [r["id"] for r in results if not r["ours"] and not r["plain"] and r["type"] != "math"]
    notes.append(f"  failed by both, math aside: {', '.join(failed) or 'none'}")
    notes.append(
        "Math needs LaTeX, which a text layer does not have: without a vision model it counts as failed for both."
    )
    return "\n".join([text_table(["type", "tests", "ours", "pymupdf4llm"], rows), *notes])


if __name__ == "__main__":
    sys.exit(main())
