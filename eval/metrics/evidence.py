"""Does an answer rest on evidence, on the right one, and does it say nothing where there is none?

What is counted over many answers (a precision, a recall) is one 0 or 1 an answer here, or None where the answer is
not among those counted; the mean over the others is the precision or recall.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set

from rag_app.answering.numbers import claimed, unsupported

Page = tuple[str, int]
"""A document's file name and a page, 1-based."""


def citation_precision(cited: Sequence[Set[Page]], gold: Set[Page]) -> float | None:
    """Share of the citations that lead to a gold page. cited: the pages of each; None without citation or gold page."""
    if not cited or not gold:
        return None
    return sum(bool(pages & gold) for pages in cited) / len(cited)


def citation_recall(cited: Sequence[Set[Page]], gold: Set[Page]) -> float | None:
    """Share of the gold pages that a citation leads to; None without gold pages."""
    if not gold:
        return None
    return len(frozenset().union(*cited) & gold) / len(gold)


def refusal_precision(*, refused: bool, answerable: bool) -> float | None:
    """Of what was refused: 1 when there is no answer, else 0."""
    return float(not answerable) if refused else None


def refusal_recall(*, refused: bool, answerable: bool) -> float | None:
    """Of what has no answer: 1 when it was refused, else 0."""
    return None if answerable else float(refused)


def unsupported_number_rate(text: str, sources: Iterable[str]) -> float | None:
    """Share of the numbers that `text` states which no source holds, 0 to 1, lower is better; None without numbers.

    Each number counts once. A number is held as `rag_app.answering.numbers` says: the same value, in any script or
    scale, or rightly rounded.
    """
    stated = {number.written for number in claimed(text)}
    return len(unsupported(text, sources)) / len(stated) if stated else None
