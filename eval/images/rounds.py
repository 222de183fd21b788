"""Which caption is asked with and which are stored: each caption of an image in turn, the others being stored."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HoldOut:
    """stored: captions stored of each image; all but the one asked with when None. asked: captions of each image asked
    with, from the first on; all when None."""

    stored: int | None = None
    asked: int | None = None

    @property
    def sentence(self) -> str:
        """What is done, in a sentence."""
        which = "Each caption is asked with once"
        if self.asked is not None:
            which = "The first " + (f"{self.asked} captions are" if self.asked > 1 else "caption is") + " asked with"
        kept = "all others" if self.stored is None else f"{self.stored} other{'' if self.stored == 1 else 's'}"
        return f"{which}, {kept} of its image being stored, itself never."


@dataclass(frozen=True, slots=True)
class Round:
    """One state of the index and what is asked of it.

    asked   (image, index of its caption), each held out of what is stored
    stored  for each image the indices of its stored captions
    """

    asked: tuple[tuple[int, int], ...]
    stored: tuple[tuple[int, ...], ...]


def rounds(counts: Sequence[int], hold_out: HoldOut) -> Iterator[Round]:
    """Rounds in which every caption is asked with once; see HoldOut.

    In round r each image is asked for with its caption r, and the captions that follow it, in a circle, are stored. An
    image with fewer captions is not asked for again, and holds one out as all others do.

    Args:
        counts: captions of each image.
    """
    for number in range(min(max(counts, default=0), hold_out.asked or sys.maxsize)):
        yield Round(
            tuple((image, number) for image, count in enumerate(counts) if number < count),
            tuple(_others(number, count, hold_out.stored) for count in counts),
        )


def _others(held_out: int, count: int, most: int | None) -> tuple[int, ...]:
    kept = count - 1 if most is None else min(most, count - 1)
    return tuple((held_out + 1 + step) % count for step in range(kept))
