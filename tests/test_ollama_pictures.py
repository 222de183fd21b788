"""Pictures as a vision model gets them."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from adapters.ollama.pictures import LONG_SIDE, MAX_PIXELS, SHORT_SIDE, normalised, tokens
from rag_app.errors import CorruptPicture, InputError, TooLarge


def encoded(image: Image.Image, kind: str = "PNG", **more: object) -> bytes:
    held = io.BytesIO()
    image.save(held, kind, **more)
    return held.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def striped(size: tuple[int, int] = (300, 200)) -> Image.Image:
    """Red above, blue below."""
    image = Image.new("RGB", size, "red")
    image.paste("blue", (0, size[1] // 2, size[0], size[1]))
    return image


def test_a_normal_picture_is_left_as_it_is() -> None:
    for data in (encoded(striped()), encoded(striped(), "JPEG")):
        assert normalised(data) is data


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_every_kind_becomes_png_or_jpeg_once_and_for_all(kind: str) -> None:
    sent = normalised(encoded(striped((2000, 1000)), kind))
    image = opened(sent)
    assert (image.format, image.mode) == ("JPEG" if kind == "JPEG" else "PNG", "RGB")
    assert max(image.size) == LONG_SIDE and image.size[0] == 2 * image.size[1]
    assert normalised(sent) == sent
    red, green, blue = image.getpixel((10, 10))  # pyright: ignore[reportGeneralTypeIssues]
    assert red > 240 and green < 15 and blue < 15


def test_it_is_turned_as_its_exif_data_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    image = opened(normalised(encoded(striped(), "JPEG", exif=exif, quality=95)))
    red, _, blue = image.getpixel((150, 20))  # pyright: ignore[reportGeneralTypeIssues]
    assert blue > 200 and red < 60
    exif[0x0112] = 6  # on its side
    assert opened(normalised(encoded(striped(), "PNG", exif=exif))).size == (200, 300)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_clear_is_white(mode: str) -> None:
    clear = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    data = encoded(clear.convert(mode), transparency=0) if mode == "P" else encoded(clear.convert(mode))
    assert opened(normalised(data)).getpixel((5, 5)) == (255, 255, 255)


def test_sixteen_bits_keep_their_contrast() -> None:
    values = np.full((64, 64), 1000, dtype=np.uint16)
    values[:32] = 3000
    image = opened(normalised(encoded(Image.fromarray(values))))
    assert image.getpixel((5, 5)) == (255, 255, 255)
    assert image.getpixel((5, 60)) == (0, 0, 0)


def test_cmyk_and_one_bit_are_read() -> None:
    assert opened(normalised(encoded(striped().convert("CMYK"), "JPEG"))).mode == "RGB"
    assert opened(normalised(encoded(Image.new("1", (64, 64), 1)))).getpixel((3, 3)) == (255, 255, 255)


def test_of_an_animation_the_first_frame_counts() -> None:
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    for kind in ("GIF", "WEBP", "PNG"):
        image = opened(normalised(encoded(frames[0], kind, save_all=True, append_images=frames[1:])))
        assert getattr(image, "n_frames", 1) == 1
        red, _, blue = image.getpixel((9, 9))  # pyright: ignore[reportGeneralTypeIssues]
        assert red > 240 and blue < 15


def test_a_thin_picture_is_padded() -> None:
    for size in ((1, 1), (2000, 1), (3, 500)):
        image = opened(normalised(encoded(Image.new("RGB", size, "black"))))
        assert min(image.size) == SHORT_SIDE and max(image.size) <= LONG_SIDE
        assert image.getpixel((0, 0)) == (255, 255, 255)


def bomb(width: int, height: int) -> bytes:
    """A small PNG that says it is huge."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(30_000, 30_000), (12_000, 9_000), (MAX_PIXELS // 9000 + 1, 9000)])
def test_a_bomb_is_refused_unopened(size: tuple[int, int]) -> None:
    with pytest.raises(TooLarge, match="89 million"):
        normalised(bomb(*size))


def test_what_is_no_picture_or_broken_is_told() -> None:
    for junk in (b"", b"junk", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%!PS-Adobe-3.0 EPSF-3.0\n"):
        with pytest.raises(CorruptPicture, match="no picture that can be read"):
            normalised(junk)
    for kind in ("PNG", "JPEG"):
        whole = encoded(Image.effect_noise((200, 200), 90).convert("RGB"), kind)
        with pytest.raises(CorruptPicture, match="damaged"):
            normalised(whole[: len(whole) // 2])


@given(st.binary(max_size=200), st.sampled_from(["PNG", "GIF", "JPEG", "WEBP", "TIFF"]), st.integers(0, 300))
@settings(max_examples=60, deadline=None)
def test_any_bytes_give_a_picture_or_one_of_our_errors(tail: bytes, kind: str, kept: int) -> None:
    try:
        sent = normalised(encoded(striped((40, 30)), kind)[:kept] + tail)
    except InputError:
        return
    assert opened(sent).mode == "RGB"


def test_tokens_are_counted_by_patches() -> None:
    assert tokens(encoded(Image.new("RGB", (28, 28)))) == 1040
    assert tokens(encoded(Image.new("RGB", (1568, 1568)))) == 56 * 56 + 16
