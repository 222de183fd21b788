"""Lines joined to paragraphs: hyphens at line ends, parts over columns and pages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ingestion.blocks import Block, Line

_WORD = re.compile(r"[^\W\d_]+(?:[-‐][^\W\d_]+)*")
_TAIL = re.compile(r"([^\W\d_]+(?:[-‐][^\W\d_]+)*)[-‐]$")
_HEAD = re.compile(r"^([^\W\d_]+)")
_URL = re.compile(r"(?:https?://|www\.|doi\.org)\S*$")
_ENDS = re.compile(r"[.!?:;؟۔؛]['\"”’»)\]]*(?:\^?[\d,*†‡]+)?$")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Words of the document as they stand inside lines: plain ones and those with a hyphen, lower case, counted."""

    words: Counter[str]

    @classmethod
    def of(cls, lines: Iterable[Line]) -> Vocabulary:
        words: Counter[str] = Counter()
        for line in lines:
            found = _WORD.findall(line.text.lower())
            if found and line.text.endswith(("-", "‐")):
                found.pop()
            words.update(found)
        return cls(words)

    def keeps_hyphen(self, before: str, after: str) -> bool:
        """True when before-after is a compound: the document writes it so more often than in one word.

        For words the document has in neither form: a hyphen after another hyphen ("state-of-" + "the"), before a
        capital, or between two longer words of the document is the word's own; elsewhere the line break made it.
        """
        before, low = before.lower(), after.lower()
        whole, split = self.words[before.rsplit("-", 1)[-1] + low], self.words[f"{before}-{low}"]
        if whole or split:
            return split > whole
        if before in ("mc", "mac") or not after[:1].islower():
            return before not in ("mc", "mac")
        own = min(self.words[before], self.words[low])
        return "-" in before or (own > 1 and min(len(before), len(low)) > 3)


def join_lines(lines: Sequence[str], vocabulary: Vocabulary) -> str:
    """One text from lines: a blank between them, hyphens at line ends mended."""
    text = ""
    for line in lines:
        text = join(text, line, vocabulary)
    return text


def join(text: str, line: str, vocabulary: Vocabulary) -> str:
    """`text` continued by `line`."""
    if not text:
        return line
    if not line:
        return text
    tail, head = _TAIL.search(text), _HEAD.match(line)
    if tail and head and not _URL.search(text):
        if vocabulary.keeps_hyphen(tail[1], head[1]):
            return text + line
        return text[:-1] + line
    if (
        _URL.search(text)
        and not line[:1].isspace()
        and re.match(r"^[\w\-./?=&%#~]+(?:\s|$)", line)
        and text[-1] in "/-_.=?&"
    ):
        return text + line
    if text.endswith(("-", "–", "/")) and line[:1].isalnum() and text[-2:-1].isalnum():
        return text + line
    return f"{text} {line}"


def is_finished(text: str) -> bool:
    """True when the text ends like a sentence."""
    return bool(_ENDS.search(text.rstrip()))


def continues(before: Block, after: Block, *, new_column: bool, rtl: bool) -> bool:
    """Whether `after` goes on with the paragraph of `before`.

    new_column: it stands in another column or on another page, or a float lies between.
    """
    if not before.lines or not after.lines or abs(before.size - after.size) > 1.1:
        return False
    last, first = before.lines[-1], after.lines[0]
    if before.lines[0].bold != first.bold and len(after.lines) == 1:
        return False
    if last.text.endswith(("-", "‐")) and first.text[:1].islower():
        return True
    if not new_column or is_finished(last.text):
        return False
    start = first.text.lstrip("“\"'«(")[:1]
    if rtl:
        reach = last.bbox[0] - before.bbox[0] < 0.08 * (before.bbox[2] - before.bbox[0])
        return reach and not re.match(r"^[\d۰-۹]+[.\-)]", first.text)
    full = before.bbox[2] - last.bbox[2] < 0.12 * (before.bbox[2] - before.bbox[0])
    return start.islower() or (full and len(before.lines) > 1 and not _opens_item(first.text))


def _opens_item(text: str) -> bool:
    return bool(re.match(r"^(?:[•·▪–\-]|\(?[\da-z]{1,2}[.)]|\[\d+\])\s", text))
