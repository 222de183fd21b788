"""Folders of drawn pictures for tests of image search."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path

from PIL import Image, ImageDraw

from tests.colour_embedding import COLOURS

# name -> ground, shape on it
DRAWN = {
    "warm/red.png": ("red", None),
    "warm/red_on_white.png": ("white", "red"),
    "warm/yellow.png": ("yellow", "black"),
    "cold/blue.png": ("blue", None),
    "cold/blue_on_white.png": ("white", "blue"),
    "cold/green.png": ("green", "black"),
}


def draw(ground: str, shape: str | None, *, seed: int, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """A ground with soft spots of its colour, and rectangles of another on it."""
    pen_of = random.Random(seed)
    image = Image.new("RGB", size, COLOURS[ground])
    pen = ImageDraw.Draw(image)
    for _ in range(12):
        x, y, radius = pen_of.randrange(size[0]), pen_of.randrange(size[1]), pen_of.randrange(4, 14)
        shade = tuple(max(0, min(255, value + pen_of.randrange(-14, 15))) for value in COLOURS[ground])
        pen.ellipse((x, y, x + radius, y + radius), fill=shade)
    for _ in range(5 if shape else 0):
        x, y = pen_of.randrange(size[0] - 50), pen_of.randrange(size[1] - 40)
        pen.rectangle((x, y, x + pen_of.randrange(30, 50), y + pen_of.randrange(25, 40)), fill=COLOURS[shape or ground])
    return image


def write_pictures(folder: Path) -> None:
    for number, (name, (ground, shape)) in enumerate(DRAWN.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        draw(ground, shape, seed=number).save(path)


def write_captions(path: Path, captions: Mapping[str, object]) -> Path:
    """Lines of picture and captions, as `add_captions` reads them."""
    lines = [json.dumps({"image": name, "captions": texts}, ensure_ascii=False) for name, texts in captions.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
