"""The two raster pictures of the sample paper, drawn with Pillow; run by hand, the PNG files are under version control.

python data/source/pictures.py
"""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

HERE = Path(__file__).parent
RED, BLUE, GREEN, GREY = (196, 62, 48), (44, 92, 160), (66, 138, 72), (238, 238, 240)


def heat_map(values: list[list[float]], cell: int = 56) -> Image.Image:
    """A square of cells, blue for -1, white for 0, red for 1, with the numbers written in."""
    n = len(values)
    image = Image.new("RGB", (n * cell + 30, n * cell + 30), "white")
    draw = ImageDraw.Draw(image)
    font, axis = ImageFont.load_default(size=19), ImageFont.load_default(size=20)
    for r, row in enumerate(values):
        for c, v in enumerate(row):
            end = (178, 34, 40) if v > 0 else (38, 84, 160)
            colour = tuple(round(255 + (e - 255) * min(1.0, abs(v))) for e in end)
            x, y = 30 + c * cell, 30 + r * cell
            draw.rectangle((x, y, x + cell - 2, y + cell - 2), fill=colour)
            draw.text(
                (x + cell / 2, y + cell / 2),
                f"{v:.2f}",
                fill="white" if abs(v) > 0.55 else "black",
                font=font,
                anchor="mm",
            )
        draw.text((15, 30 + r * cell + cell / 2), str(r + 1), fill="black", font=axis, anchor="mm")
        draw.text((30 + r * cell + cell / 2, 15), str(r + 1), fill="black", font=axis, anchor="mm")
    return image


def shape(draw: ImageDraw.ImageDraw, kind: str, colour: tuple[int, int, int], *, x: float, y: float, r: float) -> None:
    if kind == "circle":
        draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)
    elif kind == "square":
        draw.rectangle((x - r, y - r, x + r, y + r), fill=colour)
    else:
        draw.polygon([(x, y - r), (x - r, y + r), (x + r, y + r)], fill=colour)


def scenes(size: int = 220, gap: int = 12) -> Image.Image:
    """Six synthetic scenes in two rows: each lower picture holds the things of the upper one, arranged differently."""
    image = Image.new("RGB", (3 * size + 2 * gap, 2 * size + gap), "white")
    draw = ImageDraw.Draw(image)
    left, right = 0.28, 0.72
    rows = [
        [("circle", RED, left, 0.5), ("square", BLUE, right, 0.5)],
        [("triangle", GREEN, 0.5, 0.27), ("square", RED, 0.5, 0.73)],
        [("circle", BLUE, left, 0.3), ("circle", BLUE, right, 0.3), ("triangle", RED, 0.5, 0.72)],
    ]
    swapped = [
        [("square", BLUE, left, 0.5), ("circle", RED, right, 0.5)],
        [("square", RED, 0.5, 0.27), ("triangle", GREEN, 0.5, 0.73)],
        [("triangle", RED, left, 0.3), ("circle", BLUE, right, 0.3), ("circle", BLUE, 0.5, 0.72)],
    ]
    for r, row in enumerate((rows, swapped)):
        for c, things in enumerate(row):
            x0, y0 = c * (size + gap), r * (size + gap)
            draw.rectangle((x0, y0, x0 + size, y0 + size), fill=GREY, outline=(120, 120, 120), width=2)
            for kind, colour, x, y in things:
                shape(draw, kind, colour, x=x0 + x * size, y=y0 + y * size, r=size * 0.15)
    return image


def main() -> None:
    folder = HERE / "pictures"
    folder.mkdir(exist_ok=True)
    similarity = json.loads((HERE / "simulation.json").read_text(encoding="utf-8"))["similarity"]
    heat_map([row[:10] for row in similarity[:10]]).save(folder / "similarity.png", optimize=True)
    scenes().quantize(64).save(folder / "scenes.png", optimize=True)


if __name__ == "__main__":
    main()
