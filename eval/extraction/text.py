"""Where the true texts of a paper stand in a parser's Markdown, and how many letters differ there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from eval.citations import squeeze
from eval.comparing import kendall_tau
from eval.extraction.truths import TrueItem
from eval.page_checks import edit_distances

LONG_ENOUGH = 20  # letters and digits; a shorter text stands in too many places to tell the order by
SURE = 0.7  # least similarity of a text whose place counts for the order

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_TAG = re.compile(r"</?[A-Za-z][^<>]{0,200}>")


@dataclass(frozen=True, slots=True)
class Placed:
    """A true text as found. similarity: see `Stream.place`; at: where it begins; read: what stands there, squeezed."""

    item: TrueItem
    similarity: float
    at: int
    read: str


class Stream:
    """The pages of a parser's Markdown as one text of letters and digits (`eval.citations.squeeze`)."""

    def __init__(self, pages: Sequence[str]) -> None:
        self._starts: list[int] = []
        parts: list[str] = []
        at = 0
        for page in pages:
            self._starts.append(at)
            parts.append(squeeze(_TAG.sub("", _COMMENT.sub(" ", page))))
            at += len(parts[-1])
        self.text = "".join(parts)
        self._used: set[int] = set()

    def place(self, item: TrueItem) -> Placed:
        """The stretch of the text that is most like `item`, looked for on its pages where the truth tells them.

        Similarity is 1 - d / n: d the least edit distance of its n letters and digits to any stretch (Sellers 1980), so
        0 for what is not there. A text that comes twice takes the next place each time.
        """
        wanted = squeeze(item.text)
        if not wanted:
            return Placed(item, 1.0, -1, "")
        low, high = self._span(item.pages)
        at = self.text.find(wanted, low, high)
        while at >= 0 and at in self._used:
            at = self.text.find(wanted, at + 1, high)
        if at >= 0:
            self._used.add(at)
            return Placed(item, 1.0, at, wanted)
        if wanted in self.text[low:high]:  # all its places are taken: it stands there less often than it should
            return Placed(item, 0.0, -1, "")
        ends = edit_distances(wanted, self.text[low:high])
        end = int(ends.argmin())
        similarity = max(0.0, 1.0 - int(ends[end]) / len(wanted))
        begin = max(0, end - len(wanted))
        return Placed(item, similarity, low + begin, self.text[low + begin : low + end])

    def _span(self, pages: Sequence[int]) -> tuple[int, int]:
        if not pages or max(pages) > len(self._starts):
            return 0, len(self.text)
        ends = [*self._starts[1:], len(self.text)]
        return self._starts[min(pages) - 1], ends[max(pages) - 1]


def reading_order(placed: Sequence[Placed]) -> float | None:
    """Kendall's tau, -1 to 1, of the places of the texts that were found; None where fewer than two were."""
    at = [one.at for one in placed if one.similarity >= SURE and len(squeeze(one.item.text)) >= LONG_ENOUGH]
    return kendall_tau(at) if len(at) >= 2 else None
