"""An answer as text for a terminal or a pipe."""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from rag_app.render.quotes import readable_quote
from rag_app.render.rtl import is_right_to_left, reads_right_to_left, terminal_orders_itself, visual_line
from rag_app.settings import RightToLeft

if TYPE_CHECKING:
    from rag_app.answering.answer import Answer
    from rag_app.citations import Citation, Reading

_MAX_WIDTH = 100  # columns: longer lines are tiring to read
_QUOTE_LIMIT = 400  # characters of a quote shown; the whole one is in --json and --html
ARABIC = "\u061c"  # a mark without a shape that orders what is beside it as a letter of Persian does
_UNPRINTABLE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Screen:
    """Where text will be shown: its columns, and whether right-to-left lines must be put in visual order first."""

    width: int = 80
    reorder: bool = False

    @classmethod
    def detect(
        cls, right_to_left: RightToLeft, *, on_terminal: bool | None = None, columns: int | None = None
    ) -> Screen:
        """The screen stdout is. What is piped stays in logical order, as every other program expects it.

        on_terminal: whether the text will be read on a terminal; asked of stdout when None, which tells the truth only
        while stdout is not turned elsewhere. columns: of that terminal, where it may be another than stdout's.
        """
        width = min(columns or shutil.get_terminal_size().columns, _MAX_WIDTH)
        if on_terminal is None:
            on_terminal = sys.__stdout__ is not None and sys.__stdout__.isatty()
        unable = on_terminal and not terminal_orders_itself(os.environ)
        return cls(width=width, reorder=right_to_left == "reorder" or (right_to_left == "auto" and unable))

    def paragraph(self, text: str, *, indent: str = "", first: str | None = None) -> list[str]:
        """`text` wrapped to lines; a right-to-left paragraph stands at the right edge with its indent there."""
        first = indent if first is None else first
        room = max(self.width - max(len(indent), len(first)), 20)
        lines = textwrap.wrap(printable(text), room, break_long_words=False, break_on_hyphens=False) or [""]
        lines = [f"{first if i == 0 else indent}{line}" for i, line in enumerate(lines)]
        return self.lines(lines, right_to_left=reads_right_to_left(text)) if self.reorder else lines

    def lines(self, lines: Sequence[str], *, right_to_left: bool) -> list[str]:
        """Lines of one direction, whatever each begins with, as this screen shows them."""
        if not self.reorder:
            return list(lines)
        shown = [visual_line(line, right_to_left=right_to_left).replace(ARABIC, "") for line in lines]
        return [_padded(line, self.width, at_right=True) for line in shown] if right_to_left else shown

    @staticmethod
    def columns(text: str) -> int:
        """How many columns of a terminal the text takes."""
        return _columns(text)


def _padded(line: str, width: int, *, at_right: bool = False) -> str:
    """`line` filled with blanks to `width` columns of a terminal: vowel marks take none, some scripts two a letter."""
    blanks = " " * (width - _columns(line))
    return blanks + line if at_right else line + blanks


def _columns(text: str) -> int:
    from rich.cells import cell_len  # here, so that --help does not wait for rich

    return cell_len(text)


def printable(text: str) -> str:
    """`text` without what would steer a terminal: escape and other control characters, and direction overrides."""
    return _UNPRINTABLE.sub("", text.replace("\t", " "))


def draws(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether `stream` is a terminal that can move its cursor and erase, and so can be drawn on."""
    return stream.isatty() and environ.get("TERM", "") not in ("", "dumb", "unknown")


def colours(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether codes of colour and weight may be written: not where NO_COLOR is set (https://no-color.org)."""
    return draws(stream, environ) and not environ.get("NO_COLOR")


def answer_text(answer: Answer, screen: Screen, *, library: Path) -> str:
    """The answer, then its citations with place, quote and crop. `library` is the folder that holds the crops."""
    from rag_app.render.terminal_markdown import markdown_lines  # here, so that --help does not wait for rich

    return "\n".join([*markdown_lines(answer.answer, screen), *grounds(answer, screen, library)])


def grounds(answer: Answer, screen: Screen, library: Path) -> list[str]:
    """The lines below an answer: what was left out of it, and its citations."""
    lines: list[str] = []
    if answer.unsupported_numbers:
        numbers = ", ".join(answer.unsupported_numbers)
        lines += ["", *_styled(screen.paragraph(f"Numbers in none of the passages: {numbers}"), fg="yellow")]
    if answer.unsupported:
        lines += ["", *_styled(["Left out, because nothing that was found supports it:"], fg="yellow")]
        for text in answer.unsupported:
            lines += screen.paragraph(shorten(text, _QUOTE_LIMIT), first="- ", indent="  ")
    for citation in answer.citations:
        lines += ["", *_citation(citation, screen, library)]
    if answer.unread:
        passages = "passage" if answer.unread == 1 else "passages"
        lines += ["", *_styled([f"{answer.unread} {passages} did not fit before the model."], dim=True)]
    return lines


def _styled(lines: Sequence[str], *, fg: str | None = None, dim: bool | None = None) -> list[str]:
    return [click.style(line, fg=fg, dim=dim) for line in lines]


def shorten(text: str, limit: int) -> str:
    """`text` on one line, cut at a blank before `limit` characters."""
    flat = " ".join(text.split())
    if len(flat) <= limit:
        return flat
    return f"{flat[:limit].rsplit(' ', 1)[0]} …"


def place_of(citation: Citation) -> str:
    """Where a citation stands, in words: page, label or kind, and its box in points."""
    box = ", ".join(f"{value:.0f}" for value in citation.bbox)
    label = printable(" ".join((citation.label or "").split())) or (citation.kind if citation.kind != "text" else "")
    return ", ".join(part for part in (f"page {citation.page}", label, f"box {box}") if part)


def _citation(citation: Citation, screen: Screen, library: Path) -> list[str]:
    number = f"[{citation.n}] "
    indent = " " * len(number)
    title = f"{citation.title} · " if citation.title and citation.title != citation.document else ""
    head = screen.paragraph(f"{title}{citation.document}", first=number, indent=indent)
    lines = [click.style(line, bold=True) for line in head]
    lines.append(click.style(f"{indent}{place_of(citation)}", dim=True))
    if citation.quote:
        quote = shorten(readable_quote(citation), _QUOTE_LIMIT)
        lines += screen.paragraph(f"«{quote}»" if is_right_to_left(quote) else f"“{quote}”", indent=indent)
    if citation.read_by:
        lines.append(f"{indent}{_read_by(citation.read_by, verified=bool(citation.verified))}")
    if citation.image:
        lines.append(f"{indent}crop: {library / 'crops' / citation.image}")
    if citation.reading:
        lines += _reading(citation.reading, screen, indent)
    return lines


def _read_by(model: str, *, verified: bool) -> str:
    return click.style(
        f"read by {printable(model)}, {'verified' if verified else 'unverified'}", fg=None if verified else "yellow"
    )


def _reading(reading: Reading, screen: Screen, indent: str) -> list[str]:
    """What a model read in a formula or table; of a figure the one line."""
    from rag_app.render.terminal_markdown import markdown_lines

    lines = [f"{indent}{_read_by(reading.model, verified=reading.verified)}:"]
    narrower = replace(screen, width=max(screen.width - len(indent), 20))
    if reading.kind == "table":
        return [*lines, *(f"{indent}{line}" for line in markdown_lines(reading.text, narrower))]
    text = reading.text if reading.kind == "formula" else reading.summary or shorten(reading.text, _QUOTE_LIMIT)
    return [*lines, *screen.paragraph(text, indent=indent)]
