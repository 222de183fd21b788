"""Pictures with their captions, split so that no group (paper, patient) is in two parts."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rag_app.errors import UsageError


@dataclass(frozen=True, slots=True)
class Pair:
    """One picture with one of its captions. `group` is what must stay together: a paper's id, a patient's."""

    image: Path
    caption: str
    group: str


@dataclass(frozen=True, slots=True)
class Split:
    """Three parts with no group in two of them: to learn from, to stop by, to report on."""

    train: tuple[Pair, ...]
    validation: tuple[Pair, ...]
    test: tuple[Pair, ...]


def split_by_group(pairs: Sequence[Pair], *, validation: float, test: float, seed: int) -> Split:
    """Whole groups in seeded order: to test, then to validation, until each has its share of the pairs; then to train.

    The same pairs in another order give the same split. Raises UsageError where a part would stay empty.
    """
    by_group: dict[str, list[Pair]] = {}
    for pair in sorted(pairs, key=lambda one: (one.group, str(one.image), one.caption)):
        by_group.setdefault(pair.group, []).append(pair)
    groups = sorted(by_group)
    if len(groups) < 3:
        raise UsageError(
            f"The {len(pairs)} pairs come from {len(groups)} groups, and train, validation and test need one each: "
            f"give pairs of at least three papers."
        )
    random.Random(seed).shuffle(groups)
    parts: list[list[Pair]] = [[], []]
    for part, share in zip(parts, (test, validation), strict=True):
        # At least one group, and never the last two or one that the parts after it need.
        while groups and (not part or len(part) < share * len(pairs)) and len(groups) > (2 if part is parts[0] else 1):
            part.extend(by_group[groups.pop()])
    return Split(
        train=tuple(pair for group in groups for pair in by_group[group]),
        validation=tuple(parts[1]),
        test=tuple(parts[0]),
    )


def digest(pairs: Sequence[Pair]) -> str:
    """16 hex digits that tell these pairs, in any order, from others."""
    lines = sorted(f"{pair.group}\0{pair.image}\0{pair.caption}" for pair in pairs)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
