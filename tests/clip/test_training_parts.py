"""Splitting pairs by group, and recall, by hand."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from adapters.training.pairs import Pair, digest, split_by_group
from adapters.training.recall import recall
from rag_app.errors import UsageError


def pairs_of(groups: dict[str, int]) -> list[Pair]:
    return [Pair(Path(f"{name}-{i}.png"), f"caption {i}", name) for name, count in groups.items() for i in range(count)]


@pytest.mark.parametrize("seed", range(5))
def test_no_group_is_in_two_parts_and_nothing_is_lost(seed: int) -> None:
    pairs = pairs_of({f"paper {n}": 1 + n % 7 for n in range(40)})
    split = split_by_group(pairs, validation=0.2, test=0.1, seed=seed)
    parts = (split.train, split.validation, split.test)
    assert sorted(map(str, (pair for part in parts for pair in part))) == sorted(map(str, pairs))
    seen = [{pair.group for pair in part} for part in parts]
    assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])
    assert 0.1 * len(pairs) <= len(split.test) <= 0.1 * len(pairs) + 7
    assert 0.2 * len(pairs) <= len(split.validation) <= 0.2 * len(pairs) + 7
    shuffled = list(pairs)
    random.Random(seed).shuffle(shuffled)
    assert split_by_group(shuffled, validation=0.2, test=0.1, seed=seed) == split
    assert split_by_group(pairs, validation=0.2, test=0.1, seed=seed + 100) != split
    assert digest(shuffled) == digest(pairs) != digest(pairs[1:])


def test_few_groups_each_part_gets_one() -> None:
    for sizes in ({"a": 50, "b": 1, "c": 1}, {"a": 1, "b": 1, "c": 1}, {"a": 1, "b": 50, "c": 50, "d": 1}):
        for seed in range(6):
            split = split_by_group(pairs_of(sizes), validation=0.4, test=0.4, seed=seed)
            assert split.train
            assert split.validation
            assert split.test
    with pytest.raises(UsageError, match="come from 2 groups"):
        split_by_group(pairs_of({"a": 9, "b": 9}), validation=0.1, test=0.1, seed=0)


def test_recall_by_hand() -> None:
    """Three pictures, three captions; the second caption belongs to the last two pictures."""
    images = np.eye(3)
    texts = np.array([[0.9, 0.1, 0.0], [0.5, 0.1, 0.4], [0.0, 0.8, 0.6]])
    found = recall(images, texts, [(0, 0), (1, 1), (2, 1), (2, 2)])
    # Captions: 0 finds picture 0; 1 has picture 0 (.5) ahead of picture 2 (.4); 2 has picture 1 (.8) ahead of 2 (.6).
    assert found.text_to_image_1 == pytest.approx(1 / 3)
    assert found.text_to_image_5 == 1
    # Pictures: 0 finds caption 0 (.9 to .5); 1 has caption 2 (.8) ahead of 1 (.1); 2 finds 2 (.6), which is right.
    assert found.image_to_text_1 == pytest.approx(2 / 3)
    assert found.mean_at_1 == pytest.approx(0.5)
    assert (found.pictures, found.captions) == (3, 3)


def test_a_model_for_which_all_is_alike_finds_nothing() -> None:
    same = np.ones((7, 2)) / np.sqrt(2)
    found = recall(same, same, [(i, i) for i in range(7)])
    assert (found.text_to_image_1, found.text_to_image_5, found.image_to_text_1) == (0, 0, 0)
