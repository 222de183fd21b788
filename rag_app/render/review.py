"""A generated question as the terminal shows it to the person who reviews it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rag_app.render.terminal import Screen, printable, shorten

if TYPE_CHECKING:
    from eval.generation.reviewing import Review
    from rag_app.evidence import Passage

_PASSAGE = 900  # characters shown of the passage
_ROWS = 20  # lines shown of a table


def review_text(review: Review, screen: Screen) -> str:
    """The current question with its answer, the words it rests on, and the passage they stand in."""
    question, passage = review.current, review.passage()
    place = f"{question.document}, page {', '.join(map(str, question.pages))}"
    rank = question.origin.found_at if question.origin else None
    found = f"its page is found at rank {rank}" if rank else "its page is not among the first ten found"
    if question.origin and question.origin.in_file == "differs":
        found += " · the PDF's own text differs from the quote"
    left = len(review.waiting)
    head = f"{left} to look at · {question.language} · {question.label or question.kind} · {place} · {found}"
    lines = ["", *screen.paragraph(head)]
    parts = [("Question", question.question), ("Answer", " | ".join(question.answers))]
    parts += [("Quote", quote) for quote in question.evidence]
    if passage is None or passage.kind != "table":
        parts.append(("Passage", _around(passage, question.evidence)))
    for name, text in parts:
        first = f"{name}: "
        lines += screen.paragraph(printable(text), first=first, indent=" " * len(first))
    if passage is not None and passage.kind == "table":
        rows = passage.text.splitlines()
        lines += [line for row in rows[:_ROWS] for line in screen.paragraph(row, indent="  ")]
        lines += [f"  … {len(rows) - _ROWS} more lines"] if len(rows) > _ROWS else []
    return "\n".join(lines)


def _around(passage: Passage | None, evidence: Sequence[str]) -> str:
    """The passage's text around the words it was quoted with."""
    if passage is None:
        return "not in this library any more"
    at = max(passage.text.find(evidence[0]), 0) if evidence else 0
    start = max(0, min(at - _PASSAGE // 3, len(passage.text) - _PASSAGE))
    return ("… " if start else "") + shorten(passage.text[start:], _PASSAGE)


def counts_text(review: Review) -> str:
    """What was said of the questions so far, in a line."""
    counts = ", ".join(f"{count} {name}" for name, count in review.counts().items())
    return f"{review.file.path}: {counts}."
