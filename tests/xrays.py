"""Drawings like chest X-rays, with a finding or none: what the tests of the medical assistant look at."""

from __future__ import annotations

import numpy as np
from PIL import Image

SIDE = 112
LABELS = ("normal", "nodule", "effusion", "cardiomegaly")
_Y, _X = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)


def xray(label: str, draw: np.random.Generator) -> Image.Image:
    """One drawing, 112 x 112 grey: two lungs, ribs and a heart, no two alike, with the finding of `label`."""
    image = np.full((SIDE, SIDE), 150 + draw.normal(0, 8), np.float32) * _ellipse(56, 60, 54, 60, soft=3) + 20
    shift = draw.normal(0, 2)
    lungs = []
    for side in (-1, 1):
        x, y = 56 + side * (24 + draw.normal(0, 1.5)) + shift, 54 + draw.normal(0, 2)
        width, height = 16 + draw.normal(0, 1.2), 36 + draw.normal(0, 2)
        lung = _ellipse(x, y, width, height)
        image -= lung * (85 + draw.normal(0, 6))
        lungs.append((x, y, width, height, lung))
    for rib in range(6):
        y = 22 + rib * 12 + draw.normal(0, 1)
        image += np.clip(2.2 - np.abs(_Y - (y + (_X - 56 - shift) ** 2 / 250)), 0, 1) * 14
    heart = (11 + draw.normal(0, 1)) * (1.75 if label == "cardiomegaly" else 1)
    image += _ellipse(56 + shift, 76, heart, heart * 1.1) * 60
    x, y, width, height, lung = lungs[draw.integers(2)]
    if label == "nodule":
        angle, far = draw.uniform(0, 2 * np.pi), draw.uniform(0, 0.55)
        radii = draw.uniform(4, 6, 2)
        place = (x + far * width * np.cos(angle), y + far * height * np.sin(angle))
        image += _ellipse(*place, *radii, soft=1.2) * draw.uniform(70, 95)
    if label == "effusion":
        level = y + height * draw.uniform(0.2, 0.5)
        image += lung / (1 + np.exp(-(_Y - level) / 2)) * draw.uniform(60, 85)
    image += draw.normal(0, 6, image.shape)
    return Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))


def other_scanner(image: Image.Image, draw: np.random.Generator) -> Image.Image:
    """The drawing as another scanner would give it: under-exposed, a little turned, noisier."""
    turned = image.rotate(draw.uniform(-6, 6), Image.Resampling.BILINEAR, fillcolor=20)
    values = np.asarray(turned, np.float32) * draw.uniform(0.38, 0.5) + draw.normal(0, 4, (SIDE, SIDE))
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def drawn(n: int, *, seed: int, scanner_b: bool = False) -> list[tuple[str, Image.Image]]:
    """n pairs (label, drawing), about half of them normal."""
    draw = np.random.default_rng(seed)
    made = []
    for _ in range(n):
        label = "normal" if draw.random() < 0.5 else LABELS[1 + int(draw.integers(3))]
        image = xray(label, draw)
        made.append((label, other_scanner(image, draw) if scanner_b else image))
    return made


def _ellipse(x: float, y: float, width: float, height: float, *, soft: float = 2) -> np.ndarray:
    """1 inside, 0 outside, over `soft` pixels."""
    distance = np.sqrt(((_X - x) / width) ** 2 + ((_Y - y) / height) ** 2)
    return 1 / (1 + np.exp((distance - 1) * min(width, height) / soft))
