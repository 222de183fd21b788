"""A whole conversation as one self-contained page, as Markdown, or as JSON Lines.

On the page and in Markdown the citations of all answers are numbered on, so that each number leads to one box and a
page that several answers cite is shown once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from rag_app.citations import MARK
from rag_app.medical import DISCLAIMER
from rag_app.render.page import (
    Shelf,
    answer_html,
    box_on_this_page,
    cited_pages,
    crops_of,
    direction,
    raised,
    reading_html,
)
from rag_app.render.quotes import readable_quote
from rag_app.render.self_contained import data_uri, environment
from rag_app.render.terminal import printable
from rag_app.render.words import WORDS, Words

if TYPE_CHECKING:
    from markupsafe import Markup

    from rag_app.answering.answer import Answer
    from rag_app.citations import Citation


class Asked(Protocol):
    """A question of a conversation with its answer, as rag_app.answering.turns.Turn."""

    @property
    def typed(self) -> str: ...
    @property
    def answer(self) -> Answer: ...
    @property
    def picture(self) -> str | None: ...
    @property
    def thumbnail(self) -> bytes | None: ...
    @property
    def medical(self) -> bool: ...
    @property
    def rewritten(self) -> bool: ...
    def to_dict(self) -> dict[str, Any]: ...  # Any: JSON


@dataclass(frozen=True, slots=True)
class Said:
    """A turn with its citations numbered on; body: its answer as safe HTML; words: of its language."""

    turn: Asked
    answer: Answer
    body: Markup
    words: Words


def conversation_html(turns: Sequence[Asked], *, library: Shelf) -> str:
    """The conversation as one page; no script, no network, everything from papers and models escaped.

    Raises LibraryDamaged when a cited paper's stored copy or crop is gone.
    """
    answers = numbered_on(turns)
    citations = [citation for answer in answers for citation in answer.citations]
    said = [_said(turn, answer) for turn, answer in zip(turns, answers, strict=True)]
    words = said[0].words if said else WORDS["en"]
    filters = {"raised": raised, "readable": readable_quote, "reading": reading_html, "digits": words.digits}
    return (
        environment({**filters, "label": words.label})
        .get_template("conversation.html.j2")
        .render(
            said=said,
            title=turns[0].typed if turns else "",
            language=answers[0].language if answers else "en",
            pages=cited_pages(citations, library=library),
            crops=crops_of(citations, library=library),
            address=box_on_this_page,
            direction=direction,
            words=words,
            shown=shown_picture,
            disclaimer=DISCLAIMER,
        )
    )


def shown_picture(turn: Asked) -> str | None:
    """The picture that was asked about as an address that holds it; None where there is none."""
    return data_uri(turn.thumbnail, "image/webp") if turn.thumbnail else None


def conversation_markdown(turns: Sequence[Asked]) -> str:
    """The conversation as Markdown: questions as headings, answers, and below each its numbered sources."""
    blocks = []
    for turn, answer in zip(turns, numbered_on(turns), strict=True):
        heading = _plain(turn.typed)
        blocks.append(f"## {heading}")
        if turn.rewritten:
            blocks.append(f"*→ {_plain(answer.question)}*")
        blocks.append(printable(answer.answer))
        blocks += [_source(citation) for citation in answer.citations]
        by = answer.models.get("answer") or answer.models.get("vision", "")
        checked = f" · about the picture {_plain(turn.picture)}, checked against nothing" if turn.picture else ""
        blocks.append(f"*{by} · {answer.seconds.get('total', 0.0):.2f} s{checked}*")
        blocks += [f"*{_disclaimer(answer)}*"] if turn.medical else []
    return "\n\n".join(blocks) + "\n"


def conversation_jsonl(turns: Iterable[Asked]) -> str:
    """The conversation as JSON Lines: the `to_dict()` of each turn, citations as they were numbered; for an answer by a
    model tuned on medical images also what it is not for."""
    lines = [turn.to_dict() | ({"disclaimer": _disclaimer(turn.answer)} if turn.medical else {}) for turn in turns]
    return "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)


def _disclaimer(answer: Answer) -> str:
    return DISCLAIMER["fa" if answer.language == "fa" else "en"]


def numbered_on(turns: Iterable[Asked]) -> list[Answer]:
    """The answers, the citations of each numbered on from those before."""
    answers = []
    last = 0
    for turn in turns:
        numbers = {citation.n: last + i for i, citation in enumerate(turn.answer.citations, start=1)}
        last += len(numbers)

        def renumbered(match: re.Match[str], numbers: dict[int, int] = numbers) -> str:
            return f"[{numbers.get(int(match[1]), match[1])}]"

        answers.append(
            replace(
                turn.answer,
                answer=MARK.sub(renumbered, turn.answer.answer),
                citations=tuple(replace(c, n=numbers[c.n]) for c in turn.answer.citations),
            )
        )
    return answers


def _said(turn: Asked, answer: Answer) -> Said:
    words = WORDS.get(answer.language, WORDS["en"])
    shown = {citation.n: words.digits(citation.n) for citation in answer.citations}
    return Said(turn, answer, answer_html(answer.answer, shown=shown), words)


def _source(citation: Citation) -> str:
    what = f", {citation.label or citation.kind}" if citation.label or citation.kind != "text" else ""
    title = f"{citation.title}. " if citation.title and citation.title != citation.document else ""
    quote = "\n".join(f"> {line}" for line in printable(readable_quote(citation)).splitlines())
    read_by = f"\n>\n> (read by {citation.read_by})" if citation.read_by else ""
    return f"[{citation.n}] {_plain(title + citation.document)}, page {citation.page}{what}\n\n{quote}{read_by}"


def _plain(text: str) -> str:
    """Text for one line of Markdown."""
    return " ".join(printable(text).split())
