"""The title of a paper, and which of its headings are headings."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher

from ingestion.blocks import PageBlocks
from ingestion.items import Item
from ingestion.paragraphs import is_finished
from ingestion.sections import heading_number, is_references, without_initials

_JOURNAL = re.compile(
    r"\b(?:journal|proceedings|transactions|letters|magazine|annals|conference|مجله|فصلنامه|نشریه)\b", re.I
)

_STEERS = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_LONGEST = 2000  # characters of one thing that a PDF states of itself


def one_line(text: str) -> str:
    """What a PDF or a file's name states, on one line, without what steers a terminal; the end of a long one is "…"."""
    words = " ".join(_STEERS.sub(" ", text).split())
    return words if len(words) <= _LONGEST else f"{words[: _LONGEST - 1]}…"


def choose_title(items: list[Item], pages: Sequence[PageBlocks], stated: str) -> list[Item]:
    """The title: what the model calls so on the first page, or a heading that fits better. stated: the PDF's own."""
    if not pages:
        return items
    first = [item for item in items if item.page.number == pages[0].number]
    titles = [item for item in first if item.kind == "title"]
    for item in items:
        if item.kind == "title" and item not in titles:
            item.kind = "heading"
    candidates = titles + [item for item in first if item.kind == "heading" and _could_be_title(item, items)]
    if not candidates:
        return items
    best = max(candidates, key=lambda item: _title_score(item, stated))
    if best not in titles:
        for item in titles:
            item.kind = "text"
        titles = [best]
        best.kind = "title"
    if len(titles) > 1:
        largest = max(item.block.size for item in titles)
        keep = [item for item in titles if item.block.size > largest - 0.6]
        for item in titles:
            if item not in keep:
                item.kind = "heading"
        head = keep[0]
        for item in keep[1:]:
            head.parts.append((item.page, item.block))
            items.remove(item)
    return items


def _could_be_title(item: Item, items: Sequence[Item]) -> bool:
    text = item.block.text
    return (
        item.block.bbox[1] < 0.5 * item.page.height
        and heading_number(text) is None
        and not is_references(text)
        and len(text) > 8
        and item.block.size > 1.15 * _body_size(items)
    )


def _title_score(item: Item, stated: str) -> float:
    """How much like the title: named so by the model or the PDF, large, of several words, no journal's name."""
    text = item.block.text.replace("\n", " ")
    words = text.split()
    score = item.block.size + (4 if item.kind == "title" else 0) + (6 if len(words) >= 4 else 0)
    if stated and SequenceMatcher(None, stated.lower(), text.lower()).ratio() > 0.7:
        score += 20
    if _JOURNAL.search(text) and len(words) < 7:
        score -= 15
    return score


def _body_size(items: Sequence[Item]) -> float:
    weight: dict[float, int] = {}
    for item in items:
        if item.kind == "text":
            weight[item.block.size] = weight.get(item.block.size, 0) + len(item.block.text)
    return max(weight, key=lambda s: weight[s]) if weight else 10.0


def metadata_title(metadata: Mapping[str, str]) -> str:
    """The PDF's own title, unless it is a file name or a template's."""
    title = metadata.get("title", "").strip()
    useless = title.lower().endswith((".dvi", ".doc", ".docx", ".pdf", ".tex")) or title.lower() in (
        "untitled",
        "title",
    )
    return "" if useless or len(title) < 6 else title


def settle_headings(items: list[Item]) -> list[Item]:
    """Headings that are none become text, bold numbered lines become headings."""
    initials = without_initials(item.block.text.replace("\n", " ") for item in items if item.kind == "heading")
    columns = _columns(items)
    for item in items:
        text = item.block.text.replace("\n", " ")
        if item.kind == "heading" and (text in initials or _in_margin(item, columns)):
            item.kind = "text"
            continue
        if item.kind == "heading":
            letters = sum(c.isalpha() for c in text)
            if letters < 2 or len(text) > 220 or (len(text) > 90 and is_finished(text)):
                item.kind = "text"
        elif item.kind in ("text", "list_item") and len(item.block.lines) == 1 and len(text) < 90:
            number = heading_number(text)
            if (item.block.lines[0].bold and number is not None and not is_finished(text)) or is_references(text):
                item.kind = "heading"
    return items


def _columns(items: Sequence[Item]) -> tuple[float, float]:
    """Left and right end of the text of the document, in points: where most of its lines lie."""
    lines = [line for item in items if item.kind == "text" for line in item.block.lines if len(line.text) > 30]
    if len(lines) < 20:
        return (0.0, math.inf)
    lefts, rights = sorted(line.bbox[0] for line in lines), sorted(line.bbox[2] for line in lines)
    return (lefts[len(lefts) // 20], rights[-1 - len(rights) // 20])


def _in_margin(item: Item, columns: tuple[float, float]) -> bool:
    """Whether it stands beside the text, as journals print notes on the first page."""
    return item.block.bbox[2] < columns[0] + 5 or item.block.bbox[0] > columns[1] - 5
