"""Which caption is asked with and which are stored: each caption of an image in turn, the others being stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Round:
    """One state of the index and what is asked of it.

    asked   (image, index of its caption), each held out of what is stored
    stored  for each image the indices of its stored captions
    """

    asked: tuple[tuple[int, int], ...]
    stored: tuple[tuple[int, ...], ...]


def rounds(counts: Sequence[int], *, stored: int | None = None) -> Iterator[Round]:
    """Rounds in which every caption is asked with once.

    In round r each image is asked for with its caption r, and the captions that follow it, in a circle, are stored. An
    image with fewer captions is not asked for again, and holds one out as all others do.

    Args:
        counts: captions of each image.
        stored: of each image at most so many; all others when None.
    """
    for number in range(max(counts, default=0)):
        yield Round(
            tuple((image, number) for image, count in enumerate(counts) if number < count),
            tuple(_others(number, count, stored) for count in counts),
        )


def _others(held_out: int, count: int, most: int | None) -> tuple[int, ...]:
    kept = count - 1 if most is None else min(most, count - 1)
    return tuple((held_out + 1 + step) % count for step in range(kept))
