"""The Markdown of answers as lines of a terminal: emphasis and code styled, lists hanging, table columns aligned.

Lines are wrapped before they are put in the order of the eye, and styles go along with their letters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING

from rich.color import ColorSystem
from rich.console import Console
from rich.text import Text

from rag_app.render.markdown import hidden, reader, seen
from rag_app.render.rtl import has_right_to_left, joined_letters, reads_right_to_left, reordered, visual_line
from rag_app.render.terminal import Screen, printable

if TYPE_CHECKING:
    from markdown_it.token import Token

_STYLES = {"strong": "bold", "em": "italic"}
_CODE, _MARK, _HEAD = "cyan", "cyan", "bold"
_CITED = re.compile(r"\[[\d۰-۹]+\]")
_LEAST = 20  # columns that text is wrapped to, however deep it stands


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a block stands: what is before its first line, and before the others."""

    first: str = ""
    indent: str = ""

    def item(self, mark: str) -> _Place:
        return _Place(self.first + mark, self.indent + " " * len(mark))

    def after(self) -> _Place:
        return _Place(self.indent, self.indent)


def markdown_lines(markdown: str, screen: Screen) -> Iterator[str]:
    """The lines as characters of a terminal, the codes of their styles among them."""
    for line in markdown_texts(markdown, screen):
        yield "".join(
            segment.style.render(segment.text, color_system=ColorSystem.STANDARD) if segment.style else segment.text
            for segment in line.render(_console())
        )


def markdown_texts(markdown: str, screen: Screen) -> list[Text]:
    """The lines with their styles."""
    tokens = reader().parse(hidden(printable(markdown)))
    lines = list(_blocks(tokens, screen, _Place()))
    while lines and not lines[-1].plain.strip():
        lines.pop()
    return lines


def _blocks(tokens: Sequence[Token], screen: Screen, place: _Place) -> Iterator[Text]:
    """The lines of blocks that stand one below the other, a blank line between them but for a list's short items."""
    at = 0
    blank = False
    while at < len(tokens):
        end = _end(tokens, at)
        token, inner = tokens[at], tokens[at + 1 : end]
        if blank:
            yield Text()
        yield from _block(token, inner, screen, place)
        blank, place = not token.hidden, place.after()
        at = end + 1


def _block(token: Token, inner: Sequence[Token], screen: Screen, place: _Place) -> Iterator[Text]:
    match token.type:
        case "bullet_list_open" | "ordered_list_open":
            yield from _items(token, inner, screen, place)
        case "table_open":
            yield from _table(inner, screen, place)
        case "blockquote_open":
            yield from _blocks(inner, screen, _Place(f"{place.first}│ ", f"{place.indent}│ "))
        case "fence":
            for n, line in enumerate(seen(token.content).splitlines()):  # code is never wrapped nor reordered
                yield Text((place.indent if n else place.first) + line, style=_CODE)
        case "hr":
            yield Text(place.first + "─" * max(screen.width - len(place.first), _LEAST))
        case _:
            text = _spans(inner[0].children or []) if inner else Text(seen(token.content))
            for line in text.split("\n", allow_blank=True):
                yield from _paragraph(line, screen, place)
                place = place.after()


def _items(opening: Token, inner: Sequence[Token], screen: Screen, place: _Place) -> Iterator[Text]:
    at, number = 0, int(opening.attrGet("start") or 1)
    while at < len(inner):
        end = _end(inner, at)
        mark = "• " if opening.type.startswith("bullet") else f"{number}{inner[at].markup} "
        blocks = inner[at + 1 : end]
        if at and any(not block.hidden for block in blocks if block.type == "paragraph_open"):
            yield Text()  # the list was written with blank lines between its items
        yield from _blocks(blocks, screen, place.item(mark)) if blocks else (Text(place.first + mark),)
        at, number, place = end + 1, number + 1, place.after()


def _end(tokens: Sequence[Token], at: int) -> int:
    """The index of the token that closes the one at `at`; its own where it opens nothing."""
    depth = 0
    for index in range(at, len(tokens)):
        depth += tokens[index].nesting
        if depth <= 0:
            return index
    return len(tokens) - 1


def _spans(children: Sequence[Token]) -> Text:
    """A paragraph's text with its styles, its own line breaks kept."""
    text = Text()
    open_: list[str] = []
    for child in children:
        name = child.type.partition("_")[0]
        if name in _STYLES:
            open_.append(_STYLES[name]) if child.nesting == 1 else open_.pop()
        elif child.type in ("softbreak", "hardbreak"):
            text.append("\n")
        else:
            style = [*open_, _CODE] if child.type == "code_inline" else open_
            text.append(seen(child.content), " ".join(style))
    text.highlight_regex(_CITED, _MARK)
    return text


def _paragraph(text: Text, screen: Screen, place: _Place) -> Iterator[Text]:
    """`text` wrapped; a right-to-left paragraph stands at the right edge with its indent there."""
    right_to_left = screen.reorder and reads_right_to_left(text.plain)
    room = max(screen.width - max(len(place.first), len(place.indent)), _LEAST)
    lines = text.wrap(_console(), room, overflow="fold")
    for n, line in enumerate(lines or [Text()]):
        line.rstrip()
        before = place.indent if n else place.first
        whole = Text(before).append_text(line)
        if screen.reorder:
            whole = _visual(whole, right_to_left=right_to_left)
            if right_to_left:
                whole.pad_left(max(screen.width - whole.cell_len, 0))
        yield whole


def _visual(line: Text, *, right_to_left: bool) -> Text:
    """The line in the order of the eye, each letter with its own styles."""
    if not has_right_to_left(line.plain):
        return line
    kept = [i for i, character in enumerate(line.plain) if character not in "\u200c\u200d"]
    shapes = joined_letters(line.plain)
    shown, order = reordered(shapes, right_to_left=right_to_left)
    if len(shapes) != len(kept) or len(order) != len(kept):  # letters became one: no style has a place of its own
        return Text(visual_line(line.plain, right_to_left=right_to_left))
    styles = [" ".join(str(s.style) for s in line.spans if s.start <= kept[i] < s.end) for i in order]
    runs = groupby(zip(shown, styles, strict=True), key=lambda letter: letter[1])
    return Text.assemble(*(("".join(character for character, _ in run), style) for style, run in runs))


def _table(inner: Sequence[Token], screen: Screen, place: _Place) -> Iterator[Text]:
    rows: list[list[Text]] = []
    for token in inner:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            rows[-1].append(_spans(token.children or []))
    widths = [max((cell.cell_len for cell in column), default=1) for column in zip(*rows, strict=True)]
    if len(place.first) + sum(widths) + 3 * len(widths) > screen.width:  # too wide to align: a row a paragraph
        for row in rows:
            filled = (cell for cell in row if cell.plain.strip())
            yield from _paragraph(Text(" | ").join(filled), screen, replace(place, first=f"{place.first}  "))
            place = place.after()
        return
    for n, row in enumerate(rows):
        cells = [_visual(cell, right_to_left=False) if screen.reorder else cell.copy() for cell in row]
        for cell, width in zip(cells, widths, strict=True):
            cell.pad_right(width - cell.cell_len)
            if n == 0:
                cell.stylize(_HEAD)
        line = Text(place.indent if n else place.first).append_text(Text("  ").join(cells))
        line.rstrip()
        yield line
        if n == 0:
            yield Text(place.indent + "  ".join("─" * max(width, 1) for width in widths))


@cache
def _console() -> Console:
    return Console(width=80, color_system="standard", force_terminal=True)  # wraps and styles; it writes nothing
