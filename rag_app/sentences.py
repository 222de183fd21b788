"""Sentences of a paper's text, with their places in it: what answers quote and citations check."""

from __future__ import annotations

import re
from dataclasses import dataclass

# After these a full stop does not end a sentence.
_ABBREVIATIONS = frozenset(
    """e.g i.e cf vs et al etc fig figs eq eqs tab sec secs ref refs no nos vol pp p approx resp dr prof mr
    ms st inc ed eds ch chap thm def prop lem cor app viz ca""".split()
)
_END = re.compile(r"[.!?؟。…]+[)\]\"'”’»]*(?=\s|$)|\n{2,}")
_LONGER_THAN_ANY = 20  # characters: no abbreviation has as many; looking further back would cost its square
_WORD_BEFORE = re.compile(r"[\w.]+$")
_FOLLOWING = re.compile(r"\s*[(\[\"'“‘«$]*(.?)", re.DOTALL)  # its first character, after what opens a quote


@dataclass(frozen=True, slots=True)
class Sentence:
    """`text` equals the source[start:end]."""

    text: str
    start: int
    end: int


def sentences(text: str) -> list[Sentence]:
    """The sentences of English or Persian `text`, in order; blank ones left out.

    A full stop ends a sentence unless it follows a usual abbreviation ("Fig. 3") or an initial ("J."), or a small
    letter follows. A blank line always ends one.
    """
    found: list[Sentence] = []
    start = 0
    for match in _END.finditer(text):
        if match.group().startswith("\n") or _ends(text, match):
            _keep(found, text, start, match.end())
            start = match.end()
    _keep(found, text, start, len(text))
    return found


def _keep(found: list[Sentence], text: str, start: int, end: int) -> None:
    piece = text[start:end]
    stripped = piece.strip()
    if stripped:
        begin = start + piece.index(stripped)
        found.append(Sentence(stripped, begin, begin + len(stripped)))


def _ends(text: str, match: re.Match[str]) -> bool:
    if match.group()[0] != ".":
        return True
    before = _WORD_BEFORE.search(text[max(0, match.start() - _LONGER_THAN_ANY) : match.start()])
    word = before.group() if before else ""
    if word.lower() in _ABBREVIATIONS or (len(word) == 1 and word.isascii() and word.isupper()):
        return False
    following = _FOLLOWING.match(text, match.end())
    first = following[1] if following else ""
    return not (first.islower() and first.isascii())
