"""Copies of an image are found however they were changed; other images of the same organ are not."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adapters.builtin.same_picture import likenesses, look
from eval.picture_changes import CHANGES, changed
from rag_app.medical.leaks import Leak, Pair, clusters, find_pairs, leaks_between
from tests.xrays import drawn, xray


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


ORIGINALS = [png(image) for _, image in drawn(12, seed=21)]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_changed_copies_are_the_same(change: str) -> None:
    for seed, original in enumerate(ORIGINALS[:4]):
        copy = look(changed(original, CHANGES[change], seed=seed))
        found, *others = likenesses(copy, [look(one) for one in (original, ORIGINALS[5], ORIGINALS[6])])
        assert found.same and found.mirrored == (change == "mirrored")
        assert not any(other.related for other in others)


def test_a_picture_without_anything_is_like_nothing() -> None:
    flat = look(png(Image.new("L", (80, 80), 90)))
    assert not likenesses(flat, [flat, look(ORIGINALS[0])])[0].related


def test_pairs_over_a_set(tmp_path: Path) -> None:
    files = []
    for i, original in enumerate(ORIGINALS):
        files.append(tmp_path / f"{i:02}.png")
        files[-1].write_bytes(original)
    for i, name in enumerate(("mirrored", "crop to 80 %, anywhere", "JPEG quality 30")):
        files.append(tmp_path / f"copy{i}.png")
        files[-1].write_bytes(changed(ORIGINALS[i], CHANGES[name], seed=i))
    seen: list[tuple[int, int]] = []
    pairs = find_pairs(files, on_progress=lambda done, total: seen.append((done, total)))
    assert [(pair.one, pair.other, pair.degree) for pair in pairs] == [
        (0, 12, "same"),
        (1, 13, "same"),
        (2, 14, "same"),
    ]
    assert seen[-1] == (15, 15) and [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert clusters(15, pairs) == [*range(12), 0, 1, 2]


def test_pairs_of_few_images(tmp_path: Path) -> None:
    assert find_pairs([]) == []
    (tmp_path / "a.png").write_bytes(ORIGINALS[0])
    assert find_pairs([tmp_path / "a.png"]) == []


def test_leaks_by_label() -> None:
    pairs = [Pair(0, 3, "related", 0.7, False), Pair(1, 3, "same", 0.95, True), Pair(3, 4, "same", 0.95, False)]
    parts = ["train", "validation", "train", "test", "test"]
    labels = ["x", "x", "y", "x", "x"]
    assert leaks_between(pairs, parts, labels) == [Leak("x", 1, 0, 2)], "within the test part nothing leaks"


def test_no_copy_among_many_of_one_kind() -> None:
    """False alarms: 30 drawings of one chest, all pairs."""
    draw = np.random.default_rng(2)
    looks = [look(png(xray("normal", draw))) for _ in range(30)]
    alike = [like for i, one in enumerate(looks[:-1]) for like in likenesses(one, looks[i + 1 : i + 8])]
    assert not any(like.same for like in alike)
    assert sum(like.related for like in alike) / len(alike) < 0.02
