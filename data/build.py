"""Build the sample papers and their truth.

    python data/build.py [--out FOLDER]

Needs typst (in the `dev` extra). Same typst version, same bytes: dates are fixed, fonts come from
data/source/fonts and from typst itself, the experiment's numbers from data/source/simulation.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from source import english, persian  # noqa: E402  # found through the line above
from source.truth import truth_of  # noqa: E402
from source.typeset import typeset  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--out", type=Path, default=HERE / "papers", help="folder for the PDFs and truths (default: data/papers)"
    )
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for paper in (english.PAPER, persian.PAPER):
        made = typeset(paper)
        truth = truth_of(paper, made.marks)
        (out / f"{paper.name}.pdf").write_bytes(made.pdf)
        text = json.dumps(truth, ensure_ascii=False, indent=1)
        (out / f"{paper.name}.truth.json").write_text(text + "\n", encoding="utf-8")
        print(f"{paper.name}.pdf: {len(truth['pages'])} pages, {len(made.pdf) / 1024:.0f} KiB", file=sys.stderr)
    (out / "typst.version").write_text(version("typst") + "\n", encoding="utf-8")  # see tests/test_sample_data.py


if __name__ == "__main__":
    main()
