"""The bibliography: blocks cut into entries."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ingestion.blocks import Block, Line
from ingestion.geometry import union

_MARKED = re.compile(r"^\s*(?:\[[\w+\-]{1,12}\]|\[?[\d۰-۹٠-٩]{1,3}(?:[.)\]]\s*|\s+(?=[A-Z]))\S)")


def entries(block: Block) -> list[Block]:
    """One block for each bibliography entry in `block`: by marks such as "[12]", else by hanging indents."""
    starts = _starts(block.lines)
    if len(starts) <= 1:
        return [block]
    out: list[Block] = []
    for begin, end in zip(starts, [*starts[1:], len(block.lines)], strict=True):
        lines = block.lines[begin:end]
        out.append(replace(block, lines=lines, bbox=union(line.bbox for line in lines)))
    return out


def opens_entry(block: Block, others: Sequence[Block]) -> bool:
    """Whether a block begins an entry; one that does not goes on with the entry before it.

    With marks in use, the mark decides; else a first line that hangs out of its column does.
    """
    if not block.lines:
        return False
    marked = sum(bool(_MARKED.match(o.lines[0].text)) for o in others if o.lines) > 0.6 * len(others)
    if marked or not others:
        return bool(_MARKED.match(block.lines[0].text))
    return not block.lines[0].text[:1].isdigit() and not block.lines[0].text[:1].islower()


def _starts(lines: Sequence[Line]) -> list[int]:
    marked = [i for i, line in enumerate(lines) if _MARKED.match(line.text)]
    if marked and marked[0] == 0 and len(marked) > 1:
        return sorted({0, *marked})
    if len(lines) < 3:
        return [0]
    left = min(line.bbox[0] for line in lines)
    inner = [line.bbox[0] - left for line in lines if line.bbox[0] - left > 4]
    if len(inner) < 0.3 * len(lines) or max(inner) - min(inner) > 6:
        return [0]
    return sorted({0, *(i for i, line in enumerate(lines) if line.bbox[0] - left <= 4)})
