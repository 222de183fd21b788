"""The sample papers against their truth: bar 3.

    python benchmarks/extraction.py [--json FILE]

Exit code 1 when a bar is missed: every figure and table found and paired with its caption, table cells F1 at least
0.97, all display formulas found, Kendall's tau of the reading order at least 0.98, no header or footer text anywhere.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from eval.extraction.against_truth import ExtractionReport, run
from eval.truth import read_truth
from ingestion.reading import read_paper

PAPERS = Path(__file__).resolve().parent.parent / "data" / "papers"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write both reports here")
    arguments = parser.parse_args()
    reports: list[ExtractionReport] = []
    with tempfile.TemporaryDirectory() as crops:
        for path in sorted(PAPERS.glob("*.pdf")):
            reports.append(run(read_paper(path, crops=Path(crops)), read_truth(path.with_suffix(".truth.json"))))
    missed = [f"{report.document}: {bar}" for report in reports for bar in missed_bars(report)]
    print("\n\n".join(report.table() for report in reports))
    print("\n" + ("\n".join(f"MISSED {bar}" for bar in missed) or "All bars met."))
    if arguments.json:
        text = json.dumps([report.to_dict() for report in reports], ensure_ascii=False, indent=1)
        arguments.json.write_text(text + "\n", encoding="utf-8")
    return 1 if missed else 0


def missed_bars(report: ExtractionReport) -> list[str]:
    bars = {
        "every figure found and paired": all(f.paired for f in report.figures),
        "every table found and paired": all(t.paired for t in report.tables),
        f"table cells F1 at least 0.97, is {report.cell_f1:.3f}": report.cell_f1 >= 0.97,
        "all display formulas found": all(found for found, _ in report.formulas.values()),
        f"Kendall tau at least 0.98 with all blocks found, is {report.order:.3f} over {report.ordered} of "
        f"{report.blocks}": report.order >= 0.98 and report.ordered >= 0.98 * report.blocks,
        "no header or footer text": not report.leaks,
    }
    return [bar for bar, met in bars.items() if not met]


if __name__ == "__main__":
    sys.exit(main())
