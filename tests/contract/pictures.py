"""Small pictures for tests, made on the spot."""

from __future__ import annotations

import base64
import io
from typing import Any

from PIL import Image, ImageDraw


def picture(colour: str = "red", size: tuple[int, int] = (96, 64), kind: str = "PNG", **save: Any) -> bytes:
    """A picture of one colour with a line across it."""
    image = Image.new("RGB", size, colour)
    ImageDraw.Draw(image).line((0, 0, *size), fill="white", width=3)
    held = io.BytesIO()
    image.save(held, kind, **save)
    return held.getvalue()


def encoded(image: bytes) -> str:
    """Standard base64, as Ollama takes it."""
    return base64.b64encode(image).decode()
