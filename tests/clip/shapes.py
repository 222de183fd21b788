"""A tiny CLIP of true open_clip architecture that a test trains itself on drawn shapes, captions in two languages.

36 classes: six colours by six shapes; place, size, turn and background vary and are not in the caption.
"""

# torch and open_clip come with the clip extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from tests.clip.models import write_tokenizer

SIDE = 64
COLOURS = {
    "red": ("قرمز", (215, 40, 40)),
    "green": ("سبز", (40, 165, 60)),
    "blue": ("آبی", (45, 75, 215)),
    "yellow": ("زرد", (225, 205, 40)),
    "purple": ("بنفش", (145, 50, 170)),
    "orange": ("نارنجی", (235, 130, 30)),
}
SHAPES = {"circle": "دایره", "square": "مربع", "triangle": "مثلث", "ring": "حلقه", "bar": "میله", "cross": "صلیب"}
CLASSES = tuple((colour, shape) for colour in COLOURS for shape in SHAPES)
ENGLISH = tuple(f"a picture of a {colour} {shape}" for colour, shape in CLASSES)
PERSIAN = tuple(f"تصویری از یک {SHAPES[shape]} {COLOURS[colour][0]}" for colour, shape in CLASSES)
CAPTIONS = {"en": ENGLISH, "fa": PERSIAN}


def draw(random: np.random.Generator, number: int) -> Image.Image:
    """One picture of class `number`, SIDE pixels a side."""
    colour, shape = CLASSES[number]
    ground = tuple(int(v) for v in random.integers(200, 256, 3))
    fill = tuple(int(np.clip(v + random.integers(-18, 19), 0, 255)) for v in COLOURS[colour][1])
    image = Image.new("RGB", (2 * SIDE, 2 * SIDE), ground)
    pen = ImageDraw.Draw(image)
    radius = int(random.integers(28, 46))
    x, y = (int(v) for v in random.integers(radius + 6, 2 * SIDE - radius - 6, 2))
    box = (x - radius, y - radius, x + radius, y + radius)
    if shape == "circle":
        pen.ellipse(box, fill=fill)
    elif shape == "ring":
        pen.ellipse(box, outline=fill, width=radius // 3)
    else:
        turn = random.uniform(-0.25, 0.25)
        for points in _outlines(shape, radius):
            turned = [
                (x + a * math.cos(turn) - b * math.sin(turn), y + a * math.sin(turn) + b * math.cos(turn))
                for a, b in points
            ]
            pen.polygon(turned, fill=fill)
    noisy = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR), dtype=float)
    return Image.fromarray(np.clip(noisy + random.normal(0, 5, noisy.shape), 0, 255).astype(np.uint8))


def _outlines(shape: str, r: int) -> list[list[tuple[float, float]]]:
    def rectangle(a: float, b: float) -> list[tuple[float, float]]:
        return [(-a, -b), (a, -b), (a, b), (-a, b)]

    return {
        "square": [rectangle(0.85 * r, 0.85 * r)],
        "triangle": [[(0, -r), (0.95 * r, 0.8 * r), (-0.95 * r, 0.8 * r)]],
        "bar": [rectangle(r, 0.28 * r)],
        "cross": [rectangle(r, 0.25 * r), rectangle(0.25 * r, r)],
    }[shape]


def write_drawings(folder: Path, *, each: int, seed: int, shifted: bool = False) -> tuple[list[Path], list[int]]:
    """`each` pictures of every class as PNG, and the class of each; `shifted` swaps the colour channels round."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    files, classes = [], []
    for number in range(len(CLASSES)):
        for copy in range(each):
            image = draw(random, number)
            if shifted:
                red, green, blue = image.split()
                image = Image.merge("RGB", (blue, red, green))
            files.append(folder / f"{number:02}-{copy:03}.png")
            image.save(files[-1])
            classes.append(number)
    return files, classes


@dataclass(frozen=True, slots=True)
class Trained:
    """The trained model's folder, and how long training took: on the clock, and of the processor."""

    folder: Path
    seconds: float
    cpu_seconds: float


def train(folder: Path, *, steps: int = 300, each: int = 60, seed: int = 0) -> Trained:
    """Train a ModifiedResNet CLIP (1.4 million parameters) on drawings, both languages in turn, and save it."""
    import time

    from adapters.torchvision_shim import ensure_torchvision

    ensure_torchvision()
    import torch
    import torch.nn.functional as F
    from open_clip.factory import create_model_and_transforms, get_tokenizer
    from safetensors.torch import save_file

    started, cpu = time.monotonic(), time.process_time()
    text = {
        "context_length": 20,
        "vocab_size": write_tokenizer(folder, [*ENGLISH, *PERSIAN]),
        "hf_tokenizer_name": "its own",
        "tokenizer_kwargs": {"clean": "whitespace"},
        "width": 64,
        "heads": 2,
        "layers": 1,
        "pool_type": "eos",
        "eos_id": 2,
    }
    vision = {"image_size": SIDE, "layers": [1, 1, 1, 1], "width": 16}
    config = {"model_cfg": {"embed_dim": 64, "vision_cfg": vision, "text_cfg": text}, "languages": ["en", "fa"]}
    (folder / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
    torch.manual_seed(seed)
    model, _, prepare = create_model_and_transforms(f"local-dir:{folder}", load_weights=False)
    tokenizer = get_tokenizer(f"local-dir:{folder}")
    tokens = [tokenizer(list(captions)) for captions in CAPTIONS.values()]
    random = np.random.default_rng(seed)
    count = len(CLASSES)
    pictures = torch.stack([prepare(draw(random, n)) for n in range(count) for _ in range(each)])
    pictures = pictures.view(count, each, 3, SIDE, SIDE)
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=0.05, betas=(0.9, 0.98))
    model.train()
    wanted = torch.arange(count)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * min(1, (step + 1) / 30) * (0.5 * (1 + math.cos(math.pi * step / steps)) + 0.02)
        images = model.encode_image(pictures[wanted, torch.randint(each, (count,))], normalize=True)
        texts = model.encode_text(tokens[step % 2], normalize=True)
        logits = model.logit_scale.exp() * images @ texts.T
        loss = F.cross_entropy(logits, wanted) + F.cross_entropy(logits.T, wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / "open_clip_model.safetensors")
    return Trained(folder, time.monotonic() - started, time.process_time() - cpu)
