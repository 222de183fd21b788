"""A split into training, validation and test in which no patient and no cluster of near-duplicates comes apart."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence

from rag_app.disjoint import DisjointSets
from rag_app.errors import InputError
from rag_app.medical.records import SPLITS, Split

Shares = Mapping[Split, float]


def joined(clusters: Sequence[int], patients: Sequence[str | None]) -> list[int]:
    """The group of each image that must stay together: its cluster, all clusters of its patient, and so on."""
    sets = DisjointSets(len(clusters))
    first: dict[tuple[str, int | str], int] = {}
    for i, (cluster, patient) in enumerate(zip(clusters, patients, strict=True)):
        sets.join(first.setdefault(("cluster", cluster), i), i)
        if patient is not None:
            sets.join(first.setdefault(("patient", patient), i), i)
    return sets.roots()


def split(groups: Sequence[int], labels: Sequence[str], shares: Shares, *, seed: int) -> list[Split]:
    """The part of each image: whole groups, each label's images as near to `shares` as they allow.

    Groups are placed largest first, equal ones in an order drawn by `seed`, each where its labels are most wanting; the
    same input gives the same split. shares: above 0 or 0, together 1.

    Raises InputError when a label has too few groups to be in every part that has a share, with the numbers.
    """
    members: dict[int, list[int]] = {}
    for i, group in enumerate(groups):
        members.setdefault(group, []).append(i)
    used: list[Split] = [part for part in SPLITS if shares.get(part, 0) > 0]
    apart = {label: len({groups[i] for i, own in enumerate(labels) if own == label}) for label in dict.fromkeys(labels)}
    scarce = [f"{label} has {n}" for label, n in apart.items() if n < len(used)]
    if scarce:
        raise InputError(
            f"Each label needs images of {len(used)} patients or clusters, one for each part: {', '.join(scarce)}. "
            "Add images, drop the label, or leave out a part with --validation 0."
        )
    totals = Counter(labels)
    wanted = {(part, label): shares[part] * totals[label] for part in used for label in totals}
    order = sorted(members)
    random.Random(seed).shuffle(order)
    order.sort(key=lambda group: -len(members[group]))
    parts: list[Split] = [used[0]] * len(groups)
    left = dict(wanted)
    for group in order:
        counts = Counter(labels[i] for i in members[group])

        def wants(part: Split, counts: Counter[str] = counts) -> float:
            return sum(n * left[part, label] / wanted[part, label] for label, n in counts.items())

        best = max(used, key=wants)
        for i in members[group]:
            parts[i] = best
        for label, n in counts.items():
            left[best, label] -= n
    _fill_empty(parts, members, labels, used)
    return parts


def _fill_empty(
    parts: list[Split], members: Mapping[int, Sequence[int]], labels: Sequence[str], used: Sequence[Split]
) -> None:
    """Move the smallest group that a part can spare to each part that a label is missing from."""
    for label in dict.fromkeys(labels):
        having = [group for group, images in members.items() if any(labels[i] == label for i in images)]
        holding = {part: [group for group in having if parts[members[group][0]] == part] for part in used}
        for part in used:
            if not holding[part]:
                richest = max(used, key=lambda other: len(holding[other]))
                moved = min(holding[richest], key=lambda g: (len(members[g]), g))
                for i in members[moved]:
                    parts[i] = part
                holding[richest].remove(moved)
                holding[part].append(moved)
