"""A citation's quote as people read it; the verbatim one is in --json."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rag_app.citations import Citation

_RULE = re.compile(r"[\s|:-]+")


def readable_quote(citation: Citation) -> str:
    """The quote; of a table its Markdown rows as cells with a dot between them, a row a line."""
    if citation.kind != "table":
        return citation.quote
    lines = []
    for line in citation.quote.splitlines():
        if line.startswith("|") and line.endswith("|"):
            if not _RULE.fullmatch(line):
                lines.append(" · ".join(cell.strip() or "–" for cell in row_cells(line)))
        else:
            lines.append(line)
    return "\n".join(lines)


def row_cells(line: str) -> list[str]:
    r"""The cells of one Markdown table row; `\|` inside a cell is a bar."""
    return [
        cell.replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip().removeprefix("|").removesuffix("|"))
    ]
