"""Captions against reference captions of the same picture: CIDEr and CIDEr-D (Vedantam et al. 2015).

Both say how many n-grams of 1 to 4 words a caption shares with what people wrote, words that stand under many pictures
counting less. BLEU and chrF of captions are those of `eval.metrics.texts`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from eval.metrics.texts import tokens

LONGEST = 4  # words in an n-gram
SIGMA = 6.0  # words: how far a caption's length may be off before CIDEr-D takes it amiss
Counts = Counter[tuple[str, ...]]


def cider(captions: Sequence[str], references: Sequence[Sequence[str]]) -> list[float]:
    """CIDEr of each caption, 0 to 1: mean cosine of the TF-IDF vectors of n-grams, over references and n (section 4).

    A document, for the IDF, is the references of one picture: of few pictures, or of one, the value says little; words
    that stand under all of them weigh nothing.

    Args:
        captions: one a picture. references: for each picture what people wrote, one or more.
    """
    return [sum(sizes) / LONGEST for sizes in _similarities(captions, references, clipped=False)]


def cider_d(captions: Sequence[str], references: Sequence[Sequence[str]]) -> list[float]:
    """CIDEr-D of each caption, 0 to 10: as `cider`, and not to be gained by repeating words or by length (section 4.2).

    Counts are cut to those of the reference, and a difference in length costs exp(-difference² / (2 · 6²)). Inputs as
    in `cider`.
    """
    return [10 * sum(sizes) / LONGEST for sizes in _similarities(captions, references, clipped=True)]


def _similarities(
    captions: Sequence[str], references: Sequence[Sequence[str]], *, clipped: bool
) -> list[tuple[float, ...]]:
    """For each caption its similarity in n-grams of 1, 2, ... words, the mean over its references."""
    held = [[_ngrams(text) for text in texts] for texts in references]
    document_frequency: Counter[tuple[str, ...]] = Counter()
    for of_picture in held:
        document_frequency.update({gram for counts in of_picture for gram in counts})
    found = []
    for caption, of_picture in zip(captions, held, strict=True):
        grams = _ngrams(caption)
        each = [_similarity(grams, other, document_frequency, len(held), clipped=clipped) for other in of_picture]
        found.append(tuple(sum(column) / len(each) for column in zip(*each, strict=True)))
    return found


def _ngrams(text: str) -> Counts:
    said = tokens(text)
    return Counter(tuple(said[i : i + n]) for n in range(1, LONGEST + 1) for i in range(len(said) - n + 1))


def _similarity(a: Counts, b: Counts, frequency: Counts, pictures: int, *, clipped: bool) -> tuple[float, ...]:
    x, y = (_weighted(counts, frequency, pictures) for counts in (a, b))
    found = []
    for n in range(1, LONGEST + 1):
        shared = [gram for gram in x if len(gram) == n and gram in y]
        dot = sum((min(x[gram], y[gram]) if clipped else x[gram]) * y[gram] for gram in shared)
        size = _length(x, n) * _length(y, n)
        found.append(dot / size if size else 0.0)
    if not clipped:
        return tuple(found)
    off = _words_in(a) - _words_in(b)
    return tuple(value * math.exp(-(off**2) / (2 * SIGMA**2)) for value in found)


def _weighted(counts: Counts, frequency: Counts, pictures: int) -> dict[tuple[str, ...], float]:
    """Count times IDF, ln(pictures / pictures whose references hold it); 1 / words would cancel in the cosine."""
    return {gram: count * math.log(pictures / max(1, frequency[gram])) for gram, count in counts.items()}


def _length(vector: dict[tuple[str, ...], float], n: int) -> float:
    return math.sqrt(sum(value**2 for gram, value in vector.items() if len(gram) == n))


def _words_in(counts: Counts) -> int:
    return sum(count for gram, count in counts.items() if len(gram) == 1)
