"""Planted errors in transcriptions: how many the checks catch, and how many right readings they doubt.

    python benchmarks/verification.py [--each N] [--seed N] [--json FILE]

On the sample papers (formulas and tables from their truth, figures from transcriptions/sample_figures.json) the checks
were tuned. With RAG_APP_TEST_DATA set, real papers follow: real_papers.json, on which defects were found and mended,
and fresh_papers.json, transcribed after that. At its first run 98.1 % of its errors were caught with 17.4 % false
alarms; the defects that it showed in comparing headers, brackets and nameless glyphs were mended too, so no set is
unseen any more. Some of these formulas and tables have a broken text layer (Greek letters named as Latin ones, rotated
headers left out); right readings of them stay unverified, and count as false alarms here.
Readings of one element are no independent trials: the number of elements that are ever doubted is given beside them.
Exit code 1 when the bar is missed on the sample papers: 90 % caught, 5 % false alarms.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from eval.transcriptions import Case, transcribed_cases, truth_cases
from eval.verification import SEED, VerificationReport, run
from ingestion.reading import read_paper

ROOT = Path(__file__).resolve().parent.parent
PAPERS = ROOT / "data" / "papers"
TRANSCRIPTIONS = ROOT / "benchmarks" / "transcriptions"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", type=int, default=3, help="plantings of each kind of error in each reading")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--json", type=Path, help="write all reports here")
    arguments = parser.parse_args()
    sets = {"sample papers": sample_cases()}
    folder = os.environ.get("RAG_APP_TEST_DATA", "")
    if folder:
        for name in ("real_papers", "fresh_papers"):
            sets[name] = real_cases(Path(folder), TRANSCRIPTIONS / f"{name}.json")
    reports = {name: run(cases, each=arguments.each, seed=arguments.seed) for name, cases in sets.items()}
    for name, report in reports.items():
        print(f"== {name}: {len(sets[name])} elements, {doubted(report)} of them ever doubted in a right spelling\n")
        print(report.table() + "\n")
    if not folder:
        print("RAG_APP_TEST_DATA names no folder: real papers were not measured.")
    met = reports["sample papers"].holds
    print("The bar is met on the sample papers." if met else "MISSED: the bar on the sample papers.")
    if arguments.json:
        text = json.dumps({name: report.to_dict() for name, report in reports.items()}, ensure_ascii=False, indent=1)
        arguments.json.write_text(text + "\n", encoding="utf-8")
    return 0 if met else 1


def sample_cases() -> list[Case]:
    """The sample papers' formulas, tables and figures with text in them."""
    with tempfile.TemporaryDirectory() as crops:
        papers = [read_paper(path, crops=Path(crops)) for path in sorted(PAPERS.glob("*.pdf"))]
    cases = [case for paper in papers for case in truth_cases(paper, (PAPERS / paper.name).with_suffix(".truth.json"))]
    return cases + transcribed_cases(papers, TRANSCRIPTIONS / "sample_figures.json")[0]


def real_cases(folder: Path, transcriptions: Path) -> list[Case]:
    """The transcribed elements of the real papers below `folder`; exits where one is not found."""
    named = sorted({case["document"] for case in json.loads(transcriptions.read_text(encoding="utf-8"))["cases"]})
    files = {path.name: path for path in folder.rglob("*.pdf")}
    with tempfile.TemporaryDirectory() as crops:
        papers = [read_paper(files[name], crops=Path(crops)) for name in named if name in files]
    cases, lost = transcribed_cases(papers, transcriptions)
    if lost or len(papers) < len(named):
        sys.exit("\n".join(["Not found:", *lost, *(name for name in named if name not in files)]))
    return cases


def doubted(report: VerificationReport) -> int:
    return len({trial.case for trial in report.trials if trial.right and not trial.verified})


if __name__ == "__main__":
    sys.exit(main())
