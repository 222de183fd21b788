"""Pictures as a vision model gets them: upright RGB on white, of a bounded size, PNG or JPEG.

The server ignores EXIF orientation, drops alpha, fails on animated WebP and spends seconds on a bomb, so every picture
is decoded here first, under a limit of pixels.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

from PIL import Image, UnidentifiedImageError

from adapters.pictures import FORMATS, LONG_SIDE, MAX_PIXELS, SHORT_SIDE, plain, sized
from rag_app.errors import CorruptPicture, TooLarge, UsageError

_LOSSY = {"JPEG", "MPO"}
_JPEG_QUALITY = 92


def normalised(image: bytes) -> bytes:
    """The picture as it is sent: the same bytes for the same picture, and unchanged when already so.

    Upright as its EXIF data says, RGB on white, the first frame, at most LONG_SIDE pixels a side and at least
    SHORT_SIDE; a photo that came as JPEG stays JPEG, all else is PNG.

    Raises:
        CorruptPicture: it is no picture that can be read, or ends too early.
        TooLarge: more than MAX_PIXELS, known before it is unpacked.
    """
    try:
        with Image.open(io.BytesIO(image), formats=FORMATS) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise TooLarge(_too_large(f"{opened.width} x {opened.height} pixels"))
            lossy, normal = opened.format in _LOSSY, _is_normal(opened)
            if lossy:
                opened.draft("RGB", (LONG_SIDE, LONG_SIDE))  # a large photo is decoded at half size or less
            opened.load()
            if normal:
                return image
            sent = sized(plain(opened))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as exc:
        raise TooLarge(_too_large("too many pixels")) from exc
    except UnidentifiedImageError as exc:
        raise CorruptPicture(
            f"These {len(image):,} bytes are no picture that can be read; give PNG, JPEG or WebP."
        ) from exc
    except (OSError, SyntaxError, ValueError, EOFError, OverflowError) as exc:
        raise CorruptPicture(f"The picture is damaged ({exc}); copy or download it again.") from exc
    written = io.BytesIO()
    if lossy:
        sent.save(written, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    else:
        sent.save(written, "PNG", compress_level=1)
    return written.getvalue()


def normalised_all(images: Sequence[bytes]) -> tuple[bytes, ...]:
    """The pictures as they are sent; UsageError for what is not bytes, and as `normalised`."""
    for image in images:
        if not isinstance(image, (bytes, bytearray, memoryview)):
            raise UsageError(
                f"A picture is given as {type(image).__name__}; give its bytes, never a path or an address."
            )
    return tuple(normalised(bytes(image)) for image in images)


def tokens(image: bytes) -> int:
    """Context that a normalised picture may take, from above: a token for each 28 x 28 pixels, as Qwen-VL counts, and
    at least the 1024 that Ollama gives it; Gemma 3 takes 256, LLaVA 1.6 up to 2880."""
    with Image.open(io.BytesIO(image), formats=FORMATS) as opened:
        return max(1024, math.ceil(opened.width / 28) * math.ceil(opened.height / 28)) + 16


def _too_large(size: str) -> str:
    return f"The picture has {size}, the limit is {MAX_PIXELS / 1e6:.0f} million: make it smaller."


def _is_normal(image: Image.Image) -> bool:
    return (
        image.format in {"PNG", "JPEG"}
        and image.mode == "RGB"
        and getattr(image, "n_frames", 1) == 1
        and "transparency" not in image.info
        and not image.getexif()
        and max(image.size) <= LONG_SIDE
        and min(image.size) >= SHORT_SIDE
    )
