"""Inline markup (see blocks.py) to typst code and to plain text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from source.blocks import Document, Numbers

_TOKEN = re.compile(
    r"\$(?P<math>[^$|]+)\|(?P<plain>[^$]+)\$|\[@(?P<cite>[\w,]+)\]|@(?P<kind>fig|tab|eq|sec):(?P<target>\w+)"
    r"|\^(?P<note>\w+)\^|_(?P<emph>[^_$]+)_"
)
_ZWNJ_WORD = re.compile(r"\w*(?:\u200c\w*)+")


@dataclass(frozen=True)
class Inline:
    """Turns inline markup of one document into typst or plain text."""

    document: Document
    numbers: Numbers

    def typst(self, text: str) -> str:
        return "".join(self._typst(piece) for piece in self._pieces(text))

    def plain(self, text: str) -> str:
        """What a careful reader would copy: no markup; a footnote mark is left out."""
        return "".join(self._plain(piece) for piece in self._pieces(text))

    def _pieces(self, text: str) -> Iterator[str | re.Match[str]]:
        at = 0
        for match in _TOKEN.finditer(text):
            if match.start() > at:
                yield text[at : match.start()]
            yield match
            at = match.end()
        if at < len(text):
            yield text[at:]

    def _typst(self, piece: str | re.Match[str]) -> str:
        if isinstance(piece, str):
            return typst_text(piece)
        if piece["math"]:
            return f"${piece['math']}$"
        if piece["emph"]:
            return f"#emph[{self.typst(piece['emph'])}]"
        if piece["note"]:
            return f'#note("{piece["note"]}")[{self.typst(self.document.footnotes[piece["note"]])}]'
        return typst_text(self._plain(piece))

    def _plain(self, piece: str | re.Match[str]) -> str:
        words, numbers = self.document.words, self.numbers
        if isinstance(piece, str):
            return piece
        if piece["math"]:
            return piece["plain"]
        if piece["emph"]:
            return self.plain(piece["emph"])
        if piece["note"]:
            return ""
        if piece["cite"]:
            return "[" + ", ".join(words.number(numbers.reference[key]) for key in piece["cite"].split(",")) + "]"
        target = piece["target"]
        if piece["kind"] == "fig":
            return f"{words.figure} {words.number(numbers.figure[target])}"
        if piece["kind"] == "tab":
            return f"{words.table} {words.number(numbers.table[target])}"
        if piece["kind"] == "eq":
            return f"{words.equation} ({words.number(numbers.formula[target])})"
        return f"{words.section} {words.number(numbers.heading[target])}"


def typst_text(text: str) -> str:
    """A typst expression that shows `text` literally.

    A zero-width non-joiner is set as a change of style, not as a character: the shaper then ends the letter form as it
    should, and the text layer keeps its letters in order. Written as U+200C, typst 0.15 maps two glyphs to one cluster
    and PDF readers hand out the letters of the word in the wrong order.
    """

    def split(word: re.Match[str]) -> str:
        parts = word.group().split("\u200c")
        return "".join(f"\x00{part}\x01" if i % 2 else part for i, part in enumerate(parts))

    out = []
    for piece in re.split(r"(\x00[^\x01]*\x01)", _ZWNJ_WORD.sub(split, text)):
        if piece.startswith("\x00"):
            out.append(f"#apart({json.dumps(piece[1:-1], ensure_ascii=False)});")
        elif piece:
            out.append(f"#{json.dumps(piece, ensure_ascii=False)};")
    return "".join(out)
