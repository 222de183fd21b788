"""Page furniture: running heads, page numbers, stamps and watermarks, which belong to no element."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from ingestion.blocks import Block, PageBlocks

_EDGE = 0.1  # share of the page height at top and bottom where furniture stands
_NUMBER = re.compile(
    r"^[\W_]*(?:page\s*)?(?:[\d۰-۹٠-٩]{1,4}|[ivxlc]{1,6}|[a-zآ-ی]{1,2}[\d۰-۹]{0,3})"
    r"(?:\s*(?:/|of|از)\s*[\d۰-۹]{1,4})?[\W_]*$",
    re.I,
)
_STAMP = re.compile(
    r"^(?:arxiv:\d{4}\.\d{4,5}|downloaded (?:from|by|on)\b|authorized licensed use"
    r"|this article is protected by copyright|copyrighted material|provided by\b"
    r"|\S+ on \w+ \d{1,2}, \d{4} - published by)",
    re.I,
)
# A running head with its page number: "400 BRITISH HUSBANDRY. [Ch. XIX."
RUNNING_HEAD = re.compile(r"^(?:\d{1,4}\s+[^a-z]{6,}|[^a-z]{6,}\s+\d{1,4})\W*(?:\[?Ch\. ?[IVXL]+\.?\]?)?$")
_DIGITS = re.compile(r"[\d۰-۹٠-٩]+|\b[ivxlc]+\b")
_FOOTNOTE = re.compile(r"^(?:[*∗†‡§¶]|\^?[\d۰-۹]{1,2}\s?[A-Zا-ی])")


def furniture(pages: Sequence[PageBlocks]) -> set[tuple[int, int]]:
    """(page index, block index) of every block that is furniture.

    What the layout model calls header or footer, unless it stands well inside the page or is a long note; lone page
    numbers at the edges; texts that come back at one height on several pages; stamps such as "Downloaded from".
    """
    found: set[tuple[int, int]] = set()
    seen: dict[tuple[str, int], set[int]] = defaultdict(set)
    edge_blocks: list[tuple[int, int, tuple[str, int]]] = []
    for p, page in enumerate(pages):
        for i, block in enumerate(page.blocks):
            if block.kind == "margin" or _is_stamp(block):
                found.add((p, i))
            elif block.kind in ("header", "footer"):
                if not _is_content(block, page):
                    found.add((p, i))
            elif block.kind not in ("figure", "table", "formula") and len(block.lines) <= 3 and _at_edge(block, page):
                if _is_page_number(block) or (len(block.lines) == 1 and RUNNING_HEAD.match(block.text.strip())):
                    found.add((p, i))
                else:
                    key = (_DIGITS.sub("#", block.text.lower()), round(block.bbox[1] / 8))
                    edge_blocks.append((p, i, key))
            if block.kind not in ("figure", "table", "formula") and _at_edge(block, page):
                seen[(_DIGITS.sub("#", block.text.lower()), round(block.bbox[1] / 8))].add(p)
    need = 2 if len(pages) <= 4 else 3
    found |= {(p, i) for p, i, key in edge_blocks if len(seen[key]) >= need}
    return found


def _at_edge(block: Block, page: PageBlocks) -> bool:
    middle = (block.bbox[1] + block.bbox[3]) / 2
    return middle < _EDGE * page.height or middle > (1 - _EDGE) * page.height


def _is_page_number(block: Block) -> bool:
    return len(block.lines) == 1 and bool(_NUMBER.match(block.text.strip()))


def _is_stamp(block: Block) -> bool:
    return (
        len(block.lines) <= 3
        and block.kind not in ("reference", "footnote", "list_item")
        and bool(_STAMP.match(block.text.strip()))
    )


def _is_content(block: Block, page: PageBlocks) -> bool:
    """A header or footer by class that is something else by its place or text."""
    top, bottom = block.bbox[1] / page.height, block.bbox[3] / page.height
    if block.kind == "header":
        return top > 0.2
    return bottom < 0.8 or (len(block.text) > 80 and bool(_FOOTNOTE.match(block.text)))


def as_content(block: Block) -> str:
    """The kind of a header or footer that was kept."""
    return "footnote" if block.kind == "footer" and _FOOTNOTE.match(block.text) else "text"
