"""Changes after which a picture should still be found: cropped, mirrored, resized, saved again, lighter, darker."""

from __future__ import annotations

import io
import random
from collections.abc import Callable

from PIL import Image, ImageEnhance, ImageOps

Change = Callable[[Image.Image, random.Random], Image.Image]


def crop(share: float, *, central: bool = False) -> Change:
    """That share of the area, in the picture's proportions: from the middle, or from anywhere."""

    def change(image: Image.Image, draw: random.Random) -> Image.Image:
        width, height = (max(1, round(side * share**0.5)) for side in image.size)
        spare_x, spare_y = image.width - width, image.height - height
        x, y = (spare_x // 2, spare_y // 2) if central else (draw.randint(0, spare_x), draw.randint(0, spare_y))
        return image.crop((x, y, x + width, y + height))

    return change


def rescale(factor: float) -> Change:
    """`factor` times as wide and high."""
    return lambda image, _: image.resize(tuple(max(1, round(side * factor)) for side in image.size))  # pyright: ignore[reportArgumentType]  # two sides


def jpeg(quality: int) -> Change:
    """Saved as JPEG at that quality and read again."""

    def change(image: Image.Image, _: random.Random) -> Image.Image:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality)
        return Image.open(buffer).convert("RGB")

    return change


def brightness(factor: float) -> Change:
    """Each pixel times `factor`, cut at white."""
    return lambda image, _: ImageEnhance.Brightness(image).enhance(factor)


CHANGES: dict[str, Change] = {
    "crop to 80 %, middle": crop(0.8, central=True),
    "crop to 80 %, anywhere": crop(0.8),
    "mirrored": lambda image, _: ImageOps.mirror(image),
    "half size": rescale(0.5),
    "double size": rescale(2.0),
    "JPEG quality 30": jpeg(30),
    "30 % lighter": brightness(1.3),
    "30 % darker": brightness(0.7),
}
HARDER: dict[str, Change] = {
    "crop to 60 %, anywhere": crop(0.6),
    "turned by 5 degrees": lambda image, _: image.rotate(5, Image.Resampling.BILINEAR),
    "grey": lambda image, _: image.convert("L").convert("RGB"),
    "crop, mirror, darker, JPEG": lambda image, draw: jpeg(30)(
        brightness(0.8)(ImageOps.mirror(crop(0.8)(image, draw)), draw), draw
    ),
}


def changed(data: bytes, change: Change, *, seed: int) -> bytes:
    """PNG of an encoded picture after the change; the same seed crops at the same place."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    buffer = io.BytesIO()
    change(image, random.Random(seed)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
