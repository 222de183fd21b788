"""Run as a process by test_power_loss: papers go in, one changes, one leaves; after each step a line on stdout.

python -m tests.faults.power_writer LIBRARY PAPERS
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from rag_app import Library

STEPS = 5


def main(folder: Path, papers: Path) -> None:
    with Library.open(folder) as library:
        library.ingest(papers, workers=1)
        _done(1)
        library.ask("What is shown in Figure 1?")
        _done(2)
        with (papers / "clip_fa.pdf").open("ab") as changed:
            changed.write(b"\n% changed\n")
        library.ingest(papers, workers=1)
        _done(3)
        library.remove("made.pdf")
        _done(4)
        library.repair()
        _done(5)


def _done(step: int) -> None:
    os.write(1, f"step {step} done\n".encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
