"""Near-duplicate pictures: one picture saved in several ways is a group, pictures that are only alike are none."""

from __future__ import annotations

import numpy as np
import pytest

from adapters.builtin.near_duplicates import BITS, NEAR_BITS, Fingerprints, fingerprints, groups
from eval.picture_changes import brightness, changed, jpeg, rescale
from tests.test_visual import encoded, scene

SAME = [jpeg(30), rescale(0.5), rescale(2.0), brightness(0.7)]


def differing(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.unpackbits(np.asarray(one ^ other, dtype=np.uint8)).sum())


def flipped(bits: np.ndarray, *where: int) -> np.ndarray:
    mask = np.zeros(BITS, dtype=np.uint8)
    mask[list(where)] = 1
    return bits ^ np.packbits(mask)


def test_one_picture_saved_in_several_ways_is_one_group() -> None:
    pictures = [encoded(scene(seed)) for seed in range(20)]
    copies = [changed(pictures[4], change, seed=0) for change in SAME] + [changed(pictures[9], jpeg(30), seed=0)]
    found = fingerprints(pictures + copies)
    assert not found.problems
    assert groups(found) == [[4, 20, 21, 22, 23], [9, 24]]


def test_distinct_pictures_are_far_apart() -> None:
    found = fingerprints([encoded(scene(seed)) for seed in range(40)]).bits
    fewest = min(differing(found[i], found[j]) for i in range(40) for j in range(i))
    assert fewest > NEAR_BITS


def test_a_bad_picture_joins_no_group() -> None:
    picture = encoded(scene(1))
    found = fingerprints([b"", picture, b"none", b"", picture])
    assert sorted(found.problems) == [0, 2, 3]
    assert groups(found) == [[1, 4]]


def test_the_limit_is_inclusive_and_neighbours_of_neighbours_belong_together() -> None:
    start = np.random.default_rng(0).integers(0, 256, BITS // 8, dtype=np.uint8)
    ten, twenty, other = flipped(start, *range(10)), flipped(start, *range(20)), flipped(start, *range(100, 231))
    found = Fingerprints(np.stack([start, other, twenty, ten]))
    assert groups(found, limit_bits=10) == [[0, 2, 3]]  # 20 bits between the ends
    assert groups(found, limit_bits=9) == []
    assert groups(found, limit_bits=20) == [[0, 2, 3]]


def test_groups_are_those_of_comparing_each_pair() -> None:
    draw = np.random.default_rng(1)
    bits = np.repeat(draw.integers(0, 256, (30, BITS // 8), dtype=np.uint8), 3, axis=0)
    for row in bits:
        row ^= np.packbits((draw.random(BITS) < 0.04).astype(np.uint8))
    wanted = {frozenset([i]) for i in range(len(bits))}
    for i in range(len(bits)):
        for j in range(i):
            if differing(bits[i], bits[j]) <= NEAR_BITS:
                merged = frozenset().union(*(group for group in wanted if group & {i, j}))
                wanted = {group for group in wanted if not group & merged} | {merged}
    assert {frozenset(group) for group in groups(Fingerprints(bits))} == {group for group in wanted if len(group) > 1}


def test_many_copies_of_one_picture_are_grouped_at_once() -> None:
    bits = np.random.default_rng(0).integers(0, 256, (2, BITS // 8), dtype=np.uint8)
    assert groups(Fingerprints(np.repeat(bits, 5000, axis=0))) == [list(range(5000)), list(range(5000, 10_000))]


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_pictures_are_no_group(count: int) -> None:
    assert groups(fingerprints([encoded(scene(1))] * count)) == []
