"""What a user's turn holds: text, and pictures as data URIs."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

Part = dict[str, Any]  # Any: JSON


def content(prompt: str, images: Sequence[bytes]) -> str | list[Part]:
    """The pictures, then the text that speaks of them."""
    return [*map(picture_part, images), text_part(prompt)] if images else prompt


def text_part(text: str) -> Part:
    return {"type": "text", "text": text}


def picture_part(picture: bytes) -> Part:
    """A picture, PNG or JPEG."""
    kind = "jpeg" if picture[:2] == b"\xff\xd8" else "png"
    data = base64.b64encode(picture).decode("ascii")
    return {"type": "image_url", "image_url": {"url": f"data:image/{kind};base64,{data}"}}
