"""Letters on pictures: each drawn with the first font on this machine that has it, Persian joined and in visual order.

Pillow's raqm would shape text itself, but is not in every Pillow; so letters are joined and ordered here, as for a
terminal, and drawn one after the other. Vowel marks, which only a shaping engine can place, are left out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import groupby

from PIL import ImageDraw, ImageFont

from rag_app.render.rtl import reads_right_to_left, visual_line
from rag_app.render.terminal import printable

Font = ImageFont.FreeTypeFont

# By file name, which Pillow looks for in the system's font folders; Latin first, then Arabic letters.
_REGULAR = (
    "NotoSans-Regular.ttf",
    "DejaVuSans.ttf",
    "LiberationSans-Regular.ttf",
    "Arial.ttf",
    "arial.ttf",
    "Vazirmatn-Regular.ttf",
    "NotoSansArabic-Regular.ttf",
    "NotoNaskhArabic-Regular.ttf",
    "Tahoma.ttf",
    "tahoma.ttf",
    "Arial Unicode.ttf",
    "GeezaPro.ttc",
)
_BOX = "\u25a1"  # what stands for a letter that no font has
_NOBODY_HAS = "\U0010fffe"  # a noncharacter: how a font draws what it lacks
_ELLIPSIS = "…"
# Arabic vowel marks, and what is not seen; the non-joiner stays, since it decides how letters join.
_UNPLACEABLE = re.compile("[\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u00ad\u200b\u200e\u200f\u2060\ufeff]")


class Lettering:
    """Text of one size; `height` of a line, both in pixels.

    `missing` collects the letters that no font has; boxes stand for them.
    """

    def __init__(self, size: int, *, fonts: tuple[str, ...] = _REGULAR) -> None:
        self._fonts = tuple(_installed(fonts, size))
        self.height = round(1.5 * size)
        self._baseline = round(1.1 * size)
        self.missing: set[str] = set()
        self._seen: dict[tuple[int, str], bool] = {}

    def draw(
        self,
        pen: ImageDraw.ImageDraw,
        left: int,
        top: int,
        text: str,
        *,
        width: int,
        fill: str,
        at_right: bool | None = None,
    ) -> None:
        """Draw one line `width` pixels wide at most; a right-to-left one, or one `at_right`, at its right edge."""
        line = self.fitted(text, width)
        runs = list(self._runs(line))
        taken = sum(font.getlength(part) for font, part in runs)
        x = left + (width - taken if (reads_right_to_left(text) if at_right is None else at_right) else 0)
        for font, part in runs:
            pen.text((x, top + self._baseline), part, font=font, fill=fill, anchor="ls")
            x += font.getlength(part)

    def fitted(self, text: str, width: int) -> str:
        """`text` on one line in the order of the eye, its end cut off where it is wider than `width` pixels."""
        flat = " ".join(printable(text).split())
        plain = _UNPLACEABLE.sub("", unicodedata.normalize("NFC", flat))
        rightwards = reads_right_to_left(plain)
        if self.width(visual_line(plain, right_to_left=rightwards)) <= width:
            return visual_line(plain, right_to_left=rightwards)
        shortest, longest = 0, len(plain)
        while shortest < longest:
            middle = (shortest + longest + 1) // 2
            cut = visual_line(plain[:middle].rstrip() + _ELLIPSIS, right_to_left=rightwards)
            shortest, longest = (middle, longest) if self.width(cut) <= width else (shortest, middle - 1)
        return visual_line(plain[:shortest].rstrip() + _ELLIPSIS, right_to_left=rightwards)

    def width(self, line: str) -> float:
        """Pixels that a line in visual order takes."""
        return sum(font.getlength(part) for font, part in self._runs(line))

    def missing_in(self, text: str) -> set[str]:
        """Letters of `text` that no font here has."""
        return {letter for letter in text if self._font_of(letter) is None}

    def _runs(self, line: str) -> Iterator[tuple[Font, str]]:
        """The line's parts, each with the font that draws it."""
        for place, letters in groupby(line, key=self._font_of):
            text = "".join(letters)
            if place is None:
                self.missing.update(text)
                box = self._font_of(_BOX)
                yield (self._fonts[-1], "?" * len(text)) if box is None else (self._fonts[box], _BOX * len(text))
            else:
                yield self._fonts[place], text

    def _font_of(self, letter: str) -> int | None:
        return next((i for i in range(len(self._fonts)) if letter.isspace() or self._has(i, letter)), None)

    def _has(self, place: int, letter: str) -> bool:
        """Whether a font draws this letter otherwise than one that no font has."""
        if (place, letter) not in self._seen:
            font = self._fonts[place]
            self._seen[place, letter] = _drawn(font, letter) != _drawn(font, _NOBODY_HAS)
        return self._seen[place, letter]


def _installed(names: tuple[str, ...], size: int) -> Iterator[Font]:
    """Those fonts that are there, Pillow's own last."""
    for name in names:
        try:
            yield ImageFont.truetype(name, size, layout_engine=ImageFont.Layout.BASIC)
        except OSError:  # not on this machine
            continue
    own = ImageFont.load_default(size)
    assert isinstance(own, Font)  # a bitmap only where Pillow was built without FreeType, which its wheels are not
    yield own


def _drawn(font: Font, letter: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(letter)
    return mask.size, bytes(mask)  # pyright: ignore[reportArgumentType]  # its C type is not declared to be a buffer
