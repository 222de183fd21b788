"""Every kind of picture is embedded as it should look, or refused with a sentence while the others go on."""

from __future__ import annotations

import io
import itertools
import struct
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adapters.decoding import batches
from adapters.names import load_model, parse_model_name
from adapters.open_clip.embedding import OpenClipEmbedding
from adapters.pictures import open_picture, quiet
from rag_app.errors import CorruptPicture, InputError, TooLarge
from tests.clip.models import Made, write_pictures

ROTATED = 0x0112


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    random = np.random.default_rng(3)
    return Image.fromarray(random.integers(0, 256, (5, 7, 3), dtype=np.uint8)).resize(
        (140, 100), Image.Resampling.BICUBIC
    )


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A small PNG file that says it is that large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def difference(ours: Image.Image, wanted: Image.Image) -> float:
    assert ours.mode == wanted.mode == "RGB"
    assert ours.size == wanted.size
    return float(np.abs(np.asarray(ours, dtype=float) - np.asarray(wanted, dtype=float)).mean())


def test_an_ordinary_picture_keeps_every_pixel(photo: Image.Image) -> None:
    for kind in ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF"):
        data = encoded(photo, kind)
        assert difference(open_picture(data), Image.open(io.BytesIO(data)).convert("RGB")) == 0
        assert difference(open_picture(data, side=224), Image.open(io.BytesIO(data)).convert("RGB")) == 0


def test_turned_upright_as_its_exif_says(photo: Image.Image) -> None:
    exif = Image.Exif()
    for value, turn in (
        (3, Image.Transpose.ROTATE_180),
        (6, Image.Transpose.ROTATE_90),
        (2, Image.Transpose.FLIP_LEFT_RIGHT),
    ):
        exif[ROTATED] = value
        assert difference(open_picture(encoded(photo.transpose(turn), "PNG", exif=exif)), photo) == 0


def test_transparent_parts_are_white(photo: Image.Image) -> None:
    clear = photo.copy()
    clear.putalpha(0)
    assert np.asarray(open_picture(encoded(clear, "PNG"))).min() == 255
    palette = photo.convert("P", palette=Image.Palette.ADAPTIVE)
    seen = np.asarray(open_picture(encoded(palette, "GIF", transparency=palette.getpixel((0, 0)))))
    assert (seen[0, 0] == 255).all()


def test_cmyk_and_sixteen_bits_look_as_their_eight_bit_rgb(photo: Image.Image) -> None:
    assert difference(open_picture(encoded(photo.convert("CMYK"), "JPEG", quality=98)), photo) < 6
    gray = np.asarray(photo.convert("L"))
    wanted = Image.fromarray(gray).convert("RGB")
    assert difference(open_picture(encoded(Image.fromarray(gray.astype(np.uint16) * 257), "PNG")), wanted) <= 1
    stretched = ((gray - gray.min()) * (255.0 / (gray.max() - gray.min()))).round().astype(np.uint8)
    twelve = Image.fromarray(gray.astype(np.uint16) * 8)
    assert difference(open_picture(encoded(twelve, "PNG")), Image.fromarray(stretched).convert("RGB")) <= 1
    assert (
        difference(
            open_picture(encoded(Image.fromarray(gray.astype(np.float32)), "TIFF")),
            Image.fromarray(stretched).convert("RGB"),
        )
        <= 1
    )


def test_an_animation_is_its_first_frame_and_an_extension_means_nothing(photo: Image.Image, tmp_path: Path) -> None:
    second = photo.rotate(180)
    data = encoded(photo, "WEBP", save_all=True, append_images=[second], lossless=True, duration=100)
    assert difference(open_picture(data), photo) == 0
    wrong = tmp_path / "photo.jpg"
    wrong.write_bytes(encoded(photo, "PNG"))
    assert difference(open_picture(wrong), photo) == 0


def test_a_large_jpeg_is_decoded_at_a_fraction_and_looks_the_same(photo: Image.Image) -> None:
    data = encoded(photo.resize((2800, 2000), Image.Resampling.BICUBIC), "JPEG", quality=92)
    small, whole = open_picture(data, side=224), open_picture(data)
    assert small.size == (1400, 1000)
    assert whole.size == (2800, 2000)
    assert (
        difference(
            small.resize((224, 160), Image.Resampling.BICUBIC), whole.resize((224, 160), Image.Resampling.BICUBIC)
        )
        < 0.5
    )


BAD = {
    "empty": (b"", "is empty"),
    "text": (b"This is no picture at all, only words.", "no picture that can be read"),
    "bomb": (bomb(30_000, 30_000), "30000 x 30000|too many"),
    "just too large": (bomb(10_000, 9_000), "10000 x 9000"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "no picture that can be read"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no picture that can be read"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_picture_is_refused_with_a_sentence(what: str) -> None:
    data, said = BAD[what]
    with quiet(), pytest.raises(InputError, match=said) as told:
        open_picture(data)
    assert "\n" not in str(told.value)
    assert isinstance(told.value, TooLarge) == (what in ("bomb", "just too large"))


def test_a_truncated_picture_is_refused(photo: Image.Image) -> None:
    for kind in ("PNG", "JPEG", "WEBP", "TIFF", "BMP"):
        data = encoded(photo, kind)
        with pytest.raises(CorruptPicture):
            open_picture(data[: len(data) // 2])


def test_damaged_bytes_never_raise_anything_else(photo: Image.Image) -> None:
    random = np.random.default_rng(5)
    exif = Image.Exif()
    exif[ROTATED], exif[0x8298] = 6, "someone"
    for kind, number in itertools.product(("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP"), range(60)):
        data = bytearray(encoded(photo, kind, **({} if kind in ("GIF", "BMP") else {"exif": exif})))
        for place in random.integers(0, len(data) if number % 2 else min(400, len(data)), 6):
            data[place] = random.integers(256)
        with quiet():
            try:
                assert open_picture(bytes(data), side=32).mode == "RGB"
            except InputError as exc:
                assert str(exc)


def test_bad_pictures_among_good_ones(made: dict[str, Made], photo: Image.Image, tmp_path: Path) -> None:
    files: list[Path | bytes] = list(write_pictures(tmp_path, count=5))
    alone = vectors_of(made, files)
    mixed: list[Path | bytes] = [tmp_path / "gone.png"]
    good = []
    for file, (data, _) in itertools.zip_longest(files, BAD.values(), fillvalue=(b"", "")):
        if isinstance(file, Path):
            good.append(len(mixed))
            mixed.append(file)
        mixed.append(data)
    model = load(made)
    model.embed_batch_size = 2
    seen: list[int] = []
    found = model.embed_images(iter(mixed), on_progress=seen.append)
    assert sorted(found.problems) == [index for index in range(len(mixed)) if index not in good]
    assert "There is no file" in found.problems[0]
    assert np.isnan(found.vectors[sorted(found.problems)]).all()
    assert np.allclose(found.vectors[good], alone, atol=1e-6)
    assert seen == sorted(seen)
    assert seen[-1] == len(mixed)
    nothing = model.embed_images([b""])
    assert nothing.vectors.shape == (1, 32)
    assert model.embed_images([]).vectors.shape == (0, 32)


def load(made: dict[str, Made]) -> OpenClipEmbedding:
    return load_model("image_embedding", parse_model_name(f"openclip:{made['vit'].folder}"))


def vectors_of(made: dict[str, Made], files: list[Path | bytes]) -> np.ndarray:
    found = load(made).embed_images(files)
    assert not found.problems
    return found.vectors


def test_llama_index_gets_a_problem_as_an_error(made: dict[str, Made], photo: Image.Image, tmp_path: Path) -> None:
    import asyncio

    file = tmp_path / "photo.png"
    photo.save(file)
    model = load(made)
    wanted = model.embed_images([file]).vectors[0]
    assert np.allclose(model.get_image_embedding(str(file)), wanted)
    assert np.allclose(asyncio.run(model.aget_image_embedding_batch([str(file)]))[0], wanted)
    assert np.allclose(model.get_image_embedding(io.BytesIO(file.read_bytes())), wanted)
    with pytest.raises(CorruptPicture, match="is empty"):
        model.get_image_embedding(io.BytesIO(b""))


def test_no_more_than_two_batches_wait_however_many_there_are() -> None:
    """The input is drawn only as fast as batches are taken, so memory does not grow with it."""
    drawn = 0

    def endless() -> Iterator[bytes]:
        nonlocal drawn
        while True:
            drawn += 1
            yield b"x"

    taken = batches(endless(), lambda image: image, size=4, workers=2)
    for number in range(1, 20):
        assert len(next(taken).prepared) == 4
        assert drawn <= 4 * number + 2 * 4
    before = threading.active_count()
    taken.close()  # as when the user interrupts
    assert threading.active_count() < before


def test_an_error_that_is_not_the_pictures_ends_it() -> None:
    def broken(image: Path | bytes) -> bytes:
        raise MemoryError("no room")

    with pytest.raises(MemoryError):
        list(batches([b"x"], broken, size=2))


def test_memory_does_not_grow_with_the_number_of_pictures(made: dict[str, Made], photo: Image.Image) -> None:
    """Kept, the 600 pictures would be 430 MB unpacked."""
    import psutil

    data = encoded(photo.resize((600, 400)), "JPEG")
    model = load(made)
    model.embed_images(itertools.repeat(data, 60))
    process = psutil.Process()
    before = process.memory_info().rss
    highest = 0

    def look(done: int) -> None:
        nonlocal highest
        highest = max(highest, process.memory_info().rss)

    model.embed_images(itertools.repeat(data, 600), on_progress=look)
    assert highest - before < 100e6
