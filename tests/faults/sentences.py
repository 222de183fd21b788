"""The sentences that docs/troubleshooting.md promises for the mishaps of the machine."""

from __future__ import annotations

import re
from pathlib import Path


def told(mishap: str, error: object) -> None:
    """Fails unless docs/troubleshooting.md has a row for the mishap with the sentence that was really shown."""
    assert mishap in SENTENCES, f"docs/troubleshooting.md has no row {mishap!r}; the user sees: {error}"
    pattern = ".*".join(re.escape(part) for part in SENTENCES[mishap].split("…"))
    assert re.fullmatch(pattern, " ".join(str(error).split())), f"{mishap}: {SENTENCES[mishap]!r}, but: {error}"


def _sentences() -> dict[str, str]:
    """By mishap: the sentence that docs/troubleshooting.md promises, with … for what differs."""
    page = (Path(__file__).parent.parent.parent / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    part = page.partition("## Mishaps of the machine")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in part.splitlines() if line.startswith("| ")]
    return {cells[0]: cells[1].strip('"') for cells in rows[2:]}


SENTENCES = _sentences()
