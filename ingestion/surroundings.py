"""The sentences around an element: they help to find it and are never quoted as its own."""

from __future__ import annotations

import re

from ingestion.elements import Paper
from rag_app.sentences import sentences

FLOWING_KINDS = frozenset({"text", "list_item", "code", "title"})  # what makes up running text
MOST_CHARACTERS = 600


def surroundings(paper: Paper) -> dict[str, str]:
    """By element id: the sentences that introduce and follow a formula, or that mention a labelled element."""
    by_label = {element.label: element.id for element in paper.elements if element.label}
    found: dict[str, list[str]] = {}
    flow = [e for e in paper.elements if e.kind in FLOWING_KINDS or e.kind == "formula"]
    for i, element in enumerate(flow):
        if element.kind == "formula":
            before = flow[i - 1].text if i and flow[i - 1].kind != "formula" else ""
            after = flow[i + 1].text if i + 1 < len(flow) and flow[i + 1].kind != "formula" else ""
            found.setdefault(element.id, []).extend(
                part for part in (last_sentence(before), first_sentence(after)) if part
            )
            continue
        for label in element.mentions:
            target = by_label.get(label)
            if target:
                number = label.split()[-1]
                found.setdefault(target, []).extend(_mentioning(element.text, number))
    return {id_: " ".join(dict.fromkeys(parts))[:MOST_CHARACTERS] for id_, parts in found.items()}


_PERSIAN_DIGITS = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")


def _mentioning(text: str, number: str) -> list[str]:
    wanted = re.compile(
        rf"(?<![\w.]){re.escape(number)}(?![\w]|\.\d)|(?<!\w){re.escape(number.translate(_PERSIAN_DIGITS))}(?!\w)"
    )
    word = re.compile(r"fig|tab|eq|sec|formula|شکل|جدول|رابطه|معادله|فرمول|نمودار", re.IGNORECASE)
    return [s.text for s in sentences(text) if wanted.search(s.text) and word.search(s.text)]


def last_sentence(text: str) -> str:
    """The last sentence of `text`, or ""."""
    found = sentences(text)
    return found[-1].text if found else ""


def first_sentence(text: str) -> str:
    """The first sentence of `text`, or ""."""
    found = sentences(text)
    return found[0].text if found else ""
