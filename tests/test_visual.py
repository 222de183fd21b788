"""The builtin space of pictures: a changed picture is still the nearest one, and bad ones are told and passed over."""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from adapters.builtin import visual_features
from adapters.builtin.visual import VisualEmbedding
from adapters.names import load_model, parse_model_name
from eval.picture_changes import CHANGES, HARDER, changed
from rag_app.errors import ModelUnsuitable, UnknownName

COUNT = 60


def scene(seed: int, size: tuple[int, int] = (240, 180)) -> Image.Image:
    """A picture of its own: a sky, a ground, and things of random shape, colour and place, with some texture."""
    draw = np.random.default_rng(seed)
    image = Image.new("RGB", size, tuple(draw.integers(60, 220, 3).tolist()))
    pen = ImageDraw.Draw(image)
    ground = int(size[1] * draw.uniform(0.3, 0.8))
    pen.rectangle((0, ground, *size), fill=tuple(draw.integers(20, 180, 3).tolist()))
    for _ in range(draw.integers(4, 12)):
        x, y, w, h = draw.uniform(0, 1, 4) * (size[0], size[1], size[0] / 2, size[1] / 2)
        shape = (x, y, x + w + 8, y + h + 8)
        fill = tuple(draw.integers(0, 230, 3).tolist())
        (pen.ellipse if draw.random() < 0.5 else pen.rectangle)(shape, fill=fill)
    noise = draw.normal(0, 25, (size[1] // 4, size[0] // 4)).astype(np.float32)
    grain = np.asarray(Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC))[..., None]
    pixels = np.clip(np.asarray(image.filter(ImageFilter.GaussianBlur(1))) + grain, 0, 255)
    return Image.fromarray(pixels.astype(np.uint8))


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def likeness(one: bytes | Path, other: bytes | Path) -> float:
    made = VisualEmbedding().embed_images([one, other])
    assert not made.problems
    return float(made.vectors[0] @ made.vectors[1])


@pytest.fixture(scope="module")
def originals() -> list[bytes]:
    return [encoded(scene(seed)) for seed in range(COUNT)]


@pytest.fixture(scope="module")
def index(originals: list[bytes]) -> np.ndarray:
    return VisualEmbedding().embed_images(originals).vectors


@pytest.mark.parametrize("name", [*CHANGES, *HARDER])
def test_a_changed_picture_finds_its_original(name: str, originals: list[bytes], index: np.ndarray) -> None:
    change = (CHANGES | HARDER)[name]
    new = VisualEmbedding().embed_images([changed(data, change, seed=i) for i, data in enumerate(originals)])
    first = (new.vectors @ index.T).argmax(axis=1) == np.arange(COUNT)
    assert first.mean() >= (0.95 if name in CHANGES else 0.80)


def test_vectors_are_of_length_one_and_one_dimension(index: np.ndarray) -> None:
    embedding = VisualEmbedding()
    assert index.shape == (COUNT, embedding.dimensions)
    assert index.dtype == np.float32
    assert np.allclose(np.linalg.norm(index, axis=1), 1, atol=1e-5)


def test_the_same_pictures_give_the_same_vectors_on_any_number_of_threads(
    originals: list[bytes], index: np.ndarray
) -> None:
    assert np.array_equal(VisualEmbedding(workers=1).embed_images(originals).vectors, index)
    assert np.array_equal(VisualEmbedding(workers=4).embed_images(iter(originals)).vectors, index)


def test_each_part_tells_what_it_is_named_after() -> None:
    def part(name: str, one: Image.Image, other: Image.Image) -> float:
        first, second = (visual_features.parts(np.asarray(image.convert("RGB"))) for image in (one, other))
        return float(first[name] @ second[name])

    red, blue = Image.new("RGB", (64, 64), (200, 40, 40)), Image.new("RGB", (64, 64), (40, 40, 200))
    assert part("colour", red, red.resize((90, 30))) > 0.99
    assert part("colour", red, blue) < 0.5

    rows, columns = np.mgrid[0:128, 0:128]
    upright = Image.fromarray((np.sin(columns / 2) * 90 + 128).astype(np.uint8))
    level = Image.fromarray((np.sin(rows / 2) * 90 + 128).astype(np.uint8))
    for name in ("edges", "texture"):
        assert part(name, upright, upright.resize((256, 256))) > 0.9
        assert part(name, upright, level) < 0.3

    top = Image.fromarray(np.where(rows < 64, 220, 30).astype(np.uint8))
    bottom = Image.fromarray(np.where(rows < 64, 30, 220).astype(np.uint8))
    assert part("layout", top, top) == pytest.approx(1, abs=1e-5)
    assert part("layout", top, bottom) < 0


def test_a_mirrored_picture_is_the_same_and_an_upturned_one_is_not() -> None:
    picture = scene(3)
    mirrored = encoded(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    upturned = encoded(picture.transpose(Image.Transpose.FLIP_TOP_BOTTOM))
    assert likeness(encoded(picture), mirrored) > 0.98
    assert likeness(encoded(picture), upturned) < 0.95


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (120, 130, 140)])
def test_a_plain_picture_has_a_vector(colour: tuple[int, int, int]) -> None:
    made = VisualEmbedding().embed_images([encoded(Image.new("RGB", (50, 50), colour)), encoded(scene(1))])
    assert np.isfinite(made.vectors).all()
    assert np.linalg.norm(made.vectors[0]) == pytest.approx(1, abs=1e-5)
    assert made.vectors[0] @ made.vectors[1] < 0.9


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (2000, 2)])
def test_odd_sizes_have_vectors(size: tuple[int, int]) -> None:
    assert np.isfinite(VisualEmbedding().embed_images([encoded(Image.new("RGB", size, "green"))]).vectors).all()


def test_kinds_of_picture_files_are_read_as_they_look(tmp_path: Path) -> None:
    picture = scene(7)
    turned = picture.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to look at it
    grey = picture.convert("L")
    clear = picture.convert("RGBA")
    clear.putalpha(Image.fromarray(np.where(np.arange(240)[None] < 120, 255, 0).repeat(180, 0).astype(np.uint8)))
    on_white = picture.copy()
    on_white.paste((255, 255, 255), (120, 0, 240, 180))
    wrong = tmp_path / "photo.png"
    wrong.write_bytes(encoded(picture, "JPEG", quality=95))
    deep = Image.fromarray(np.asarray(grey, dtype=np.uint16) * 257)
    same = {
        "CMYK": (encoded(picture.convert("CMYK"), "JPEG", quality=95), encoded(picture)),
        "16 bit": (encoded(deep), encoded(grey)),
        "animated": (encoded(picture, "GIF", save_all=True, append_images=[scene(8), scene(9)]), encoded(picture)),
        "wrong ending": (wrong, encoded(picture)),
        "turned by EXIF": (encoded(turned, "JPEG", quality=95, exif=exif), encoded(picture)),
        "alpha": (encoded(clear), encoded(on_white)),
        "palette": (encoded(picture.quantize(256)), encoded(picture)),
    }
    for name, (one, other) in same.items():
        assert likeness(one, other) > 0.97, name
    assert likeness(encoded(turned), encoded(picture)) < 0.9  # without the EXIF data it would be another picture


def bomb(side: int = 30_000) -> bytes:
    """A PNG of side x side pixels, one byte each, without the pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4)

    header = side.to_bytes(4) + side.to_bytes(4) + bytes([8, 0, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def test_bad_pictures_are_problems_and_the_others_go_on(tmp_path: Path) -> None:
    whole = encoded(scene(1), "JPEG")
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(whole[: len(whole) // 2])
    notes = tmp_path / "notes.jpg"
    notes.write_text("no picture")
    done: list[int] = []
    pictures = [whole, cut, b"", bomb(), notes, tmp_path / "gone.png", tmp_path, whole]
    made = VisualEmbedding(workers=2).embed_images(pictures, on_progress=done.append)
    assert sorted(made.problems) == [1, 2, 3, 4, 5, 6]
    assert np.isnan(made.vectors[1:7]).all()
    assert np.array_equal(made.vectors[0], made.vectors[7])
    assert done[-1] == len(pictures)
    for index, word in {1: "cut.jpg", 2: "empty", 3: "million", 4: "notes.jpg", 5: "gone.png"}.items():
        assert word in made.problems[index]
        assert made.problems[index].endswith(".")


def test_no_pictures_give_no_rows() -> None:
    embedding = VisualEmbedding()
    assert embedding.embed_images([]).vectors.shape == (0, embedding.dimensions)
    problems = embedding.embed_images([b"", b""])
    assert problems.vectors.shape == (2, embedding.dimensions)
    assert len(problems.problems) == 2


def test_pictures_are_taken_as_they_are_needed() -> None:
    """Memory stays flat: of a long stream only a few pictures are held while the first are being described."""
    taken: list[int] = []
    ahead: list[int] = []

    def stream():
        small = encoded(scene(2, (64, 48)))
        for i in range(400):
            taken.append(i)
            yield small

    VisualEmbedding(workers=2).embed_images(stream(), on_progress=lambda done: ahead.append(len(taken) - done))
    assert len(taken) == 400
    assert max(ahead) <= 100


def test_it_takes_no_words_and_says_what_to_do() -> None:
    embedding = VisualEmbedding()
    assert embedding.languages == frozenset()
    with pytest.raises(ModelUnsuitable, match=r"takes no words.*captions.*models\.image_embedding"):
        embedding.embed_texts(["a bar chart"])


def test_it_is_loaded_by_name() -> None:
    embedding = load_model("image_embedding", parse_model_name("builtin"))
    assert embedding.model_name == "builtin-visual"
    assert embedding.dimensions == visual_features.dimensions()
    with pytest.raises(UnknownName, match="called builtin"):
        load_model("image_embedding", parse_model_name("builtin:clip"))
