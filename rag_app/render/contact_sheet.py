"""`search --contact-sheet`: the hits as one PNG, a grid of pictures with rank, score and place below each."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from rag_app.captioning.pictures import small_picture
from rag_app.errors import InputError
from rag_app.render.hit_words import HitWords
from rag_app.render.hits import Card, Hits, page_of
from rag_app.render.lettering import Lettering
from rag_app.render.self_contained import write_whole

MOST = 120  # hits on one sheet
_COLUMNS = 5
_CELL = 248  # pixels a side that a picture may take
_GAP, _EDGE, _AIR = 20, 28, 6  # pixels: between cells, around the sheet, between a picture and its lines
_LARGE, _SMALL = 19, 15  # pixels, of letters
_ASKED = 200  # pixels a side, of the picture searched with
_PAPER, _INK, _SOFT, _LINE, _MARK, _BAD = "#fbfaf7", "#23221f", "#6f6b63", "#e4e0d7", "#7a4b12", "#a3321f"


@dataclass(frozen=True, slots=True)
class Sheet:
    """What was written: pictures on the sheet, its size in bytes, and a sentence for each thing that is not on it."""

    shown: int
    size_bytes: int
    notes: tuple[str, ...] = ()


def write_contact_sheet(hits: Hits, path: Path) -> Sheet:
    """Draw the hits that have a picture, `MOST` at most, and write them to `path`; nothing where none has one.

    The file is PNG whatever it is called. Raises UsageError when it cannot be written.
    """
    cards = [card for card in hits.cards if card.picture]
    notes = [] if cards else ["No hit has a picture, so no contact sheet was written."]
    if not cards:
        return Sheet(0, 0, tuple(notes))
    if len(cards) > MOST:
        notes.append(f"The contact sheet shows the first {MOST} of {len(cards)} pictures; --html shows all.")
    drawn = _Drawing(hits, cards[:MOST])
    png = io.BytesIO()
    drawn.image.save(png, "PNG", optimize=True)
    if drawn.missing:
        letters = " ".join(sorted(drawn.missing)[:8])
        notes.append(
            f"No font on this machine has {letters}: the contact sheet shows boxes there. "
            "Install one that has, such as DejaVu Sans or Noto Sans Arabic, or use --html."
        )
    return Sheet(len(cards[:MOST]), write_whole(path, iter([png.getvalue()]), option="--contact-sheet"), tuple(notes))


class _Drawing:
    """The sheet as a picture; `missing`: letters for which boxes stand."""

    def __init__(self, hits: Hits, cards: list[Card]) -> None:
        self._large, self._small = Lettering(_LARGE), Lettering(_SMALL)
        self._words: HitWords = hits.words
        self._right_to_left = hits.language == "fa"
        columns = max(min(_COLUMNS, len(cards)), 3)
        rows = -(-len(cards) // columns)
        cell = _CELL + _AIR + self._large.height + 3 * self._small.height
        top = self._head_height(hits)
        width = 2 * _EDGE + columns * _CELL + (columns - 1) * _GAP
        self.image = Image.new("RGB", (width, top + rows * (cell + _GAP) + _EDGE - _GAP), _PAPER)
        self._pen = ImageDraw.Draw(self.image)
        self._head(hits, len(cards))
        for number, card in enumerate(cards):
            row, column = divmod(number, columns)
            column = columns - 1 - column if self._right_to_left else column
            self._card(card, _EDGE + column * (_CELL + _GAP), top + row * (cell + _GAP))
        self.missing = self._large.missing | self._small.missing

    def _head_height(self, hits: Hits) -> int:
        lines = self._large.height + self._small.height * (2 if hits.without else 1)
        return _EDGE + max(lines, _ASKED if hits.picture else 0) + _GAP

    def _head(self, hits: Hits, shown: int) -> None:
        left, width, top = _EDGE, self.image.width - 2 * _EDGE, _EDGE
        if hits.picture:
            at = self.image.width - _EDGE - _ASKED if self._right_to_left else _EDGE
            self._paste(hits.picture, at, top, _ASKED)
            width -= _ASKED + _GAP
            left += 0 if self._right_to_left else _ASKED + _GAP
        said = hits.query or (hits.picture.name if hits.picture else self._words.title)
        self._line(self._large, said, left, top, width=width, fill=_INK)
        top += self._large.height
        if hits.without:
            self._line(self._small, f"{self._words.without} {hits.without}", left, top, width=width, fill=_BAD)
            top += self._small.height
        counted = self._words.count(len(hits.cards))
        if shown < len(hits.cards):
            counted += f" · {self._words.shown.format(n=self._words.common.digits(shown))}"
        self._line(self._small, counted, left, top, width=width, fill=_SOFT)

    def _card(self, card: Card, left: int, top: int) -> None:
        assert card.picture is not None
        self._paste(card.picture, left, top, _CELL)
        if card.twins:
            self._badge(f"+{self._words.common.digits(len(card.twins))}", left + _CELL - 1, top + _CELL - 1)
        top += _CELL + _AIR
        digits = self._words.common.digits
        rank, score = str(digits(card.rank)), str(digits(f"{card.score:.3f}"))
        label = self._words.common.label(card.label) if card.label else ""
        ends = (rank, score) if not self._right_to_left else (score, rank)
        self._large.draw(self._pen, left, top, ends[0], width=_CELL, fill=_MARK if ends[0] == rank else _SOFT)
        self._large.draw(
            self._pen, left, top, ends[1], width=_CELL, fill=_MARK if ends[1] == rank else _SOFT, at_right=True
        )
        before, after = (int(self._large.width(end)) + 2 * _AIR for end in ends)
        self._line(self._large, label, left + before, top, width=_CELL - before - after, fill=_INK)
        top += self._large.height
        self._place(card, left, top)
        lines = ((card.caption or card.text, _SOFT), (self._words.found(card.found_by), _MARK))
        for text, fill in filter(lambda line: line[0], lines):
            top += self._small.height
            self._line(self._small, text, left, top, width=_CELL, fill=fill)

    def _place(self, card: Card, left: int, top: int) -> None:
        """The document, cut where it is long, and its page whole at the other end."""
        page = page_of(card, self._words)
        room = _CELL - (int(self._small.width(page)) + 2 * _AIR if page else 0)
        self._line(
            self._small, card.document, left + (_CELL - room if self._right_to_left else 0), top, width=room, fill=_INK
        )
        self._small.draw(self._pen, left, top, page, width=_CELL, fill=_INK, at_right=not self._right_to_left)

    def _badge(self, text: str, right: int, bottom: int) -> None:
        """How many near-duplicates stand behind a picture, in its corner."""
        left, top = right - int(self._small.width(text)) - 3 * _AIR, bottom - self._small.height
        self._pen.rectangle((left, top, right, bottom), fill=_MARK)
        self._small.draw(self._pen, left, top, text, width=right - left - int(1.5 * _AIR), fill="white", at_right=True)

    def _line(self, lettering: Lettering, text: str, left: int, top: int, *, width: int, fill: str) -> None:
        lettering.draw(
            self._pen, left, top, text, width=width, fill=fill, at_right=True if self._right_to_left else None
        )

    def _paste(self, picture: Path, left: int, top: int, side: int) -> None:
        """The picture in the middle of a white square, or why it cannot be shown."""
        self._pen.rectangle((left, top, left + side - 1, top + side - 1), fill="white", outline=_LINE)
        try:
            small = small_picture(picture, side=side - 2 * _AIR)
        except (InputError, OSError):
            self._line(
                self._small, self._words.no_picture, left + _AIR, top + side // 2, width=side - 2 * _AIR, fill=_SOFT
            )
            return
        self.image.paste(small, (left + (side - small.width) // 2, top + (side - small.height) // 2))
