"""What is to be learned, looked at before a training starts."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from adapters.huggingface.naming import Source
from adapters.pictures import LONG_SIDE, open_picture
from adapters.training.supervised.collating import Item
from rag_app.errors import InputError, ModelUnsuitable


def largest_item(items: Sequence[Item]) -> Item:
    """The largest picture with the longest question and answer: no item takes more memory."""
    longest = max(items, key=lambda item: len((item.question + item.answer).encode()))  # nearer to tokens than letters
    return dataclasses.replace(longest, image=max({item.image for item in items}, key=_area))


def _area(image: Path) -> float:
    """Pixels of the picture once it is no longer than a model gets it. Raises InputError where it cannot be read."""
    try:
        with Image.open(image) as opened:  # reads no more than its header
            size = opened.size
    except (OSError, Image.DecompressionBombError):
        size = open_picture(image).size  # says what is wrong with it
    scale = min(1.0, LONG_SIDE / max(size))
    return size[0] * size[1] * scale * scale


def check_length(tokens: int, context: int, source: Source) -> None:
    """Raises ModelUnsuitable where the largest item has more tokens than the model reads in all."""
    if tokens > context:
        raise ModelUnsuitable(
            f"With the largest picture the longest question and answer have {tokens:,} tokens, but {source.name} reads "
            f"{context:,} in all; leave out captions with --questions, or show smaller pictures with --max-pixels."
        )


def check_items(train: Sequence[Item], validation: Sequence[Item]) -> None:
    """Raises InputError for a part without items, or pictures that are not there."""
    for part, items in (("train", train), ("validation", validation)):
        if not items:
            raise InputError(f"The {part} part has no question to learn from; prepare the dataset with one.")
    missing = sorted({item.image for item in (*train, *validation) if not item.image.is_file()})
    if missing:
        raise InputError(f"{len(missing)} pictures are not there, {missing[0]} first; prepare the dataset again.")
