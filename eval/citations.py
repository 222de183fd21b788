"""An independent check of citations: against the pages of the original PDF, not against what the library stored.

The citations module of the application checks quotes in its own nodes; a parser that invents text would pass there.
Here the words are taken from the PDF again, near the cited boxes.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from ingestion.elements import BBox
from ingestion.pdf import Word, page_words
from rag_app.errors import InputError

Verdict = Literal["verbatim", "by words", "a model's", "unchecked", "invented"]
VERDICTS: tuple[Verdict, ...] = ("verbatim", "by words", "a model's", "unchecked", "invented")
NEAR_POINTS = 12.0  # half a line around the cited box
NEEDED = 0.9  # share of the quote's letters whose words must stand there

_MARK = re.compile(r"\[(\d{1,3})\]")


class Cited(Protocol):
    """What is checked of a citation; places are (page, box) pairs."""

    @property
    def n(self) -> int: ...
    @property
    def document_id(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def places(self) -> Sequence[tuple[int, BBox]]: ...
    @property
    def quote(self) -> str: ...
    @property
    def read_by(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Checked:
    """Verdict on one citation or one [n] mark.

    verbatim   the quote, blanks and punctuation aside, stands near the cited boxes
    by words   nearly all its words do, in another order: tables, right-to-left lines; of a formula, whose text layer
               has no words, nearly all its letters and digits
    a model's  said to be what a model read in the picture, and not the paper's words: those are not looked for
    unchecked  the page has no text layer (a scan or a picture)
    invented   neither, or the mark has no citation
    """

    n: int
    verdict: Verdict
    reason: str = ""


def check_citations(answer: str, citations: Sequence[Cited], file_of: Callable[[str], Path]) -> tuple[Checked, ...]:
    """A verdict for each citation, and one for each [n] in the answer that has none.

    file_of: document id to the original file.
    """
    known = {citation.n for citation in citations}
    checked = [check_quote(citation, file_of(citation.document_id)) for citation in citations]
    for n in sorted({int(n) for n in _MARK.findall(unicodedata.normalize("NFKC", answer))} - known):
        checked.append(Checked(n, "invented", f"[{n}] has no citation"))
    return tuple(checked)


def check_quote(citation: Cited, file: Path) -> Checked:
    """Look for one quote near its boxes in the file itself."""
    if citation.read_by is not None:
        return Checked(citation.n, "a model's", f"read by {citation.read_by}")
    words: list[Word] = []
    empty = True
    try:
        for page in dict.fromkeys(page for page, _ in citation.places):
            on_page = page_words(file, page)
            empty = empty and not on_page
            boxes = [box for where, box in citation.places if where == page]
            words += [word for word in on_page if any(_near(word.bbox, box) for box in boxes)]
    except InputError as exc:
        return Checked(citation.n, "invented", str(exc))
    if empty:
        return Checked(citation.n, "unchecked", "no text layer on the page")
    return _verdict(citation.n, citation.quote, [word.text for word in words], by_letter=citation.kind == "formula")


def _verdict(n: int, quote: str, words: Sequence[str], *, by_letter: bool) -> Checked:
    wanted, there = squeeze(quote), squeeze("".join(words))
    if not wanted:
        return Checked(n, "invented", "the quote is empty")
    if wanted in there:
        return Checked(n, "verbatim")
    found = _letters_share(wanted, there) if by_letter else _share(quote, words)
    if found >= NEEDED:
        return Checked(n, "by words")
    return Checked(n, "invented", f"only {found:.0%} of the quote stands near the cited place: {quote[:80]!r}")


def _share(quote: str, words: Iterable[str]) -> float:
    """Share of the quote's letters in words that stand there; a word may be used as often as it occurs.

    A word that never stands alone there may also be part of one, or be cut in two by a line end or the text layer;
    not so a number, whose parts would prove nothing.
    """
    there = [squeeze(word) for word in words]
    stock, alone, joined = Counter(there), set(there), "".join(there)
    total = kept = 0
    for word in map(squeeze, re.split(r"[\s\u200c]+|(?<=\w)[-–/|](?=\w)", quote)):
        total += len(word)
        if stock[word] > 0:
            stock[word] -= 1
            kept += len(word)
        elif word not in alone and len(word) >= 3 and not word.isdecimal() and word in joined:
            kept += len(word)
    return kept / total if total else 0.0


def _letters_share(wanted: str, there: str) -> float:
    return (Counter(wanted) & Counter(there)).total() / len(wanted)


def squeeze(text: str) -> str:
    """Letters and digits alone, one case and one form: NFKC, Persian ye and kaf, ASCII digits, no marks.

    Lam-alef and alef-lam are one: text layers made of ligatures often hold the two letters the wrong way round
    («انقالب» for «انقلاب»), which a parser mends and the file does not.
    """
    apart = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text)).translate(_LETTERS).casefold()
    letters = "".join(
        str(unicodedata.decimal(c)) if c.isdecimal() else c
        for c in apart
        if c.isalnum() and not unicodedata.combining(c)
    )
    return letters.replace("لا", "ال")


_LETTERS = str.maketrans("يىكةە", "ییکهه")


def _near(word: BBox, box: BBox) -> bool:
    x, y = (word[0] + word[2]) / 2, (word[1] + word[3]) / 2
    return box[0] - NEAR_POINTS <= x <= box[2] + NEAR_POINTS and box[1] - NEAR_POINTS <= y <= box[3] + NEAR_POINTS
