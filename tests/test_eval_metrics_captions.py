"""CIDEr and CIDEr-D: by hand, and equal to the formulas of the paper written out over random captions."""

from __future__ import annotations

import math
import random
from collections import Counter
from functools import cache

import pytest

from eval.metrics.captions import cider, cider_d

WORDS = "a the red blue cat dog sits runs on in mat grass green and small big گربه سگ روی چمن سبز".split()


def test_by_hand() -> None:
    """Of two pictures, one under which "cat" and one under which "dog" stands: ln 2 for each, "the" weighs nothing."""
    references = [["the cat"], ["the dog"]]
    # of one word: the vector is (cat); of two words: (the cat); of three and four there is nothing
    assert cider(["the cat", "the dog"], references) == pytest.approx([0.5, 0.5])
    assert cider_d(["the cat", "the cat"], references) == pytest.approx([5.0, 0.0])
    # "cat" alone: one word is right, no two are; a word less costs exp(-1/72)
    assert cider_d(["cat", "the dog"], references)[0] == pytest.approx(10 / 4 * math.exp(-1 / 72))
    # said three times the cosine stays 1; clipped to once it is 1/3, and the length differs by one word
    assert cider(["cat cat cat", "x"], references)[0] == pytest.approx(1 / 4)
    assert cider_d(["cat cat cat", "x"], references)[0] == pytest.approx(10 / 4 / 3 * math.exp(-1 / 72))


def test_one_picture_has_no_rare_words() -> None:
    assert cider_d(["a cat"], [["a cat"]]) == [0.0]


def test_every_caption_needs_its_references() -> None:
    with pytest.raises(ValueError, match="shorter"):
        cider(["a cat", "a dog"], [["a cat"]])


def test_equal_to_the_formulas_of_the_paper() -> None:
    """300 captions of 60 pictures by 5 people, written out over dense vectors, with the paper's own term frequency."""
    rng = random.Random(20260115)
    people = [[" ".join(rng.choices(WORDS, k=rng.randint(2, 12))) for _ in range(5)] for _ in range(60)]
    held_by: Counter[str] = Counter()
    for of in people:
        held_by.update({gram for text in of for n in (1, 2, 3, 4) for gram in grams(text, n)})
    for _ in range(5):
        captions = [" ".join(rng.choices(WORDS, k=3) + rng.choice(of).split()[: rng.randint(1, 8)]) for of in people]
        for i, (plain, cut) in enumerate(zip(cider(captions, people), cider_d(captions, people), strict=True)):
            expected = [written_out(captions[i], people[i], held_by, len(people), cut=which) for which in (False, True)]
            assert [plain, cut] == pytest.approx(expected, abs=1e-6)


def written_out(caption: str, references: list[str], held_by: Counter[str], pictures: int, *, cut: bool) -> float:
    """Equations 1 to 3 (CIDEr), and 4 and 5 (CIDEr-D). held_by: by n-gram, the pictures under which it stands."""
    total = 0.0
    for n in (1, 2, 3, 4):
        every = sorted({gram for text in [caption, *references] for gram in grams(text, n)})
        idf = [math.log(pictures / max(1, held_by[gram])) for gram in every]
        x = weighted(grams(caption, n), every, idf, share=not cut)
        for reference in references:
            y = weighted(grams(reference, n), every, idf, share=not cut)
            dot = sum((min(a, b) if cut else a) * b for a, b in zip(x, y, strict=True))
            size = math.hypot(*x) * math.hypot(*y)
            off = len(caption.split()) - len(reference.split())
            penalty = 10 * math.exp(-(off**2) / (2 * 6**2)) if cut else 1.0
            total += penalty * dot / size / len(references) if size else 0.0
    return total / 4


@cache
def grams(text: str, n: int) -> list[str]:
    words = text.split()
    return [" ".join(words[i : i + n]) for i in range(len(words) - n + 1)]


def weighted(held: list[str], every: list[str], idf: list[float], *, share: bool) -> list[float]:
    size = len(held) or 1 if share else 1
    return [held.count(gram) / size * weight for gram, weight in zip(every, idf, strict=True)]
