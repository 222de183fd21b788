"""Write the table of faults in docs/ollama.md by meeting each of them. `make docs` runs it; a test says when it is old.

Run from the repository's root: `python docs/build_faults.py`. It takes half a minute.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = Path(__file__).with_name("ollama.md")
BEGIN = "<!-- faults: written by docs/build_faults.py -->"
END = "<!-- end of faults -->"

if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))


def table() -> str:
    """The rows: what the server does, what the user sees when it keeps doing it, what is stored."""
    from tests.contract.fault_cases import CASES
    from tests.contract.fault_runs import met
    from tests.contract.fault_storing import prepare, stored

    prepare()
    rows = ["| the server | the user sees | what is stored |", "| --- | --- | --- |"]
    for case in CASES:
        outcome = met(case)
        if outcome.error is None:
            seen = "nothing; the work is done"
        else:
            tries = f" (after {outcome.sent} requests)" if outcome.sent > 1 else ""
            seen = f"{outcome.sentence} `{outcome.error.__name__}`{tries}"
        rows.append(f"| {_cell(case.fault.wording)} | {_cell(seen)} | {stored(case).told} |")
    return "\n".join(rows)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def page(text: str) -> str:
    """The page with its table replaced."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
