"""A picture file as a model should see it: upright RGB on white, or a sentence that says why not.

Where nothing is to be put right the pixels are exactly those of `Image.open(file).convert("RGB")`, which open_clip's
own examples use; only large JPEGs may be decoded at a half, a quarter or an eighth of their size (see DRAFT).
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from rag_app.errors import CorruptPicture, EmptyFile, InputError, TooLarge

LONG_SIDE = 1568  # pixels; for a model that writes, larger pictures are scaled down: more costs tokens and time
SHORT_SIDE = 28  # pixels; a thinner picture is padded with white: Qwen-VL's patches are that large
MAX_PIXELS = 89_000_000  # just under where Pillow itself warns of a bomb; 270 MB unpacked
# A JPEG is decoded at the smallest size that still has this many times the pixels a side that the model wants.
# Measured on 24 scientific pages and crops of 1800 to 3080 pixels (ViT-B-32 and RN50, random weights): cosine to the
# full decoding >= 0.999993 at 3, 0.999992 at 2, 0.99981 at 1; 1.8 times as many pictures a second at 3.
DRAFT = 3
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000")  # none that runs a program
_TWELVE_BITS = 4096


def open_picture(image: Path | bytes, *, side: int = 0) -> Image.Image:
    """The picture as RGB: upright as its EXIF data says, transparent parts white, an animation's first frame.

    Args:
        image: a file, or an encoded picture; its content decides the format, not its name.
        side: pixels a side the model wants; a JPEG much larger than that is decoded at a fraction. 0: never.

    Raises:
        EmptyFile, CorruptPicture: nothing that can be read, or it ends too early.
        TooLarge: more than MAX_PIXELS, known before it is unpacked.
    """
    name = image.name if isinstance(image, Path) else f"the picture ({len(image):,} bytes)"
    try:
        data = image.read_bytes() if isinstance(image, Path) else image
        if not data:
            raise EmptyFile(f"{name} is empty: download or copy it again.")
        with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise TooLarge(_too_large(name, f"{opened.width} x {opened.height}"))
            if side and opened.format == "JPEG" and opened.mode in ("RGB", "L"):
                scale = side * DRAFT / min(opened.size)
                if scale < 1:
                    opened.draft(opened.mode, (int(opened.width * scale) + 1, int(opened.height * scale) + 1))
            opened.load()
            return plain(opened)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as exc:
        raise TooLarge(_too_large(name, "too many")) from exc
    except UnidentifiedImageError as exc:
        raise CorruptPicture(f"{name} is no picture that can be read; give PNG, JPEG, WebP or TIFF.") from exc
    except FileNotFoundError as exc:
        raise InputError(f"There is no file {image}.") from exc
    except (OSError, SyntaxError, ValueError, EOFError, OverflowError) as exc:
        raise CorruptPicture(f"{name} is a damaged picture ({exc}): download or copy it again.") from exc


@contextmanager
def quiet() -> Iterator[None]:
    """Pillow's warnings about large pictures and odd metadata stay silent inside: what matters is raised here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
        yield


def _too_large(name: str, size: str) -> str:
    return f"{name} has {size} pixels, the limit is {MAX_PIXELS / 1e6:.0f} million: make it smaller."


def plain(image: Image.Image) -> Image.Image:
    """An opened picture as RGB: upright as its EXIF data says, on white, 8 bits."""
    turned = ImageOps.exif_transpose(image) if image.getexif().get(0x0112, 1) != 1 else image
    if turned.mode.startswith("I") or turned.mode == "F":
        turned = _eight_bits(turned)
    if turned.mode in {"RGBA", "LA", "PA", "RGBa", "La"} or "transparency" in turned.info:
        layered = turned.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered).convert("RGB")
    return turned.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """16 bits as 8: their upper half where the range is used; of 12 bits or fewer, or no 16-bit at all, stretched."""
    low, high = image.getextrema()
    assert isinstance(low, (int, float)) and isinstance(high, (int, float))  # one band
    if image.mode.startswith("I") and low >= 0 and _TWELVE_BITS <= high <= 0xFFFF:
        low, high = 0, 0xFFFF
    scale = 255.0 / max(high - low, 1e-9)
    return image.convert("F").point(lambda value: value * scale - low * scale + 0.5).convert("L")


def sized(image: Image.Image) -> Image.Image:
    """The picture as a model that writes gets it: at most LONG_SIDE pixels a side and at least SHORT_SIDE."""
    image.thumbnail((LONG_SIDE, LONG_SIDE), Image.Resampling.LANCZOS)
    if min(image.size) >= SHORT_SIDE:
        return image
    padded = Image.new("RGB", (max(image.width, SHORT_SIDE), max(image.height, SHORT_SIDE)), "white")
    padded.paste(image, ((padded.width - image.width) // 2, (padded.height - image.height) // 2))
    return padded
