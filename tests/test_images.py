"""Picture files: each frame becomes a figure with its crop and its text; what is no whole picture is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from ingestion.elements import Paper
from ingestion.images import read_picture
from ingestion.limits import Limits
from ingestion.ocr import available
from ingestion.pdf import render_page
from ingestion.reading import read_paper, read_papers
from rag_app.errors import CorruptPicture, InputError, NotAPaper, TooLarge

with_engine = pytest.mark.skipif(not available().ready, reason=available().message)
RED, WHITE = (200, 30, 30), (255, 255, 255)


@pytest.fixture(autouse=True)
def no_engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """OCR only where a test is about it: the others are about the picture."""
    if "text" not in request.node.name:
        monkeypatch.setenv("TESSDATA_PREFIX", str(tmp_path / "none"))


def read(path: Path, limits: Limits | None = None) -> tuple[Paper, Image.Image]:
    """The Paper and the crop of its first figure."""
    paper = read_picture(path, "0" * 64, crops=path.parent / "crops", limits=limits or Limits(), parser="p")
    assert paper.elements[0].image
    return paper, Image.open(path.parent / "crops" / paper.elements[0].image)


def flag(mode: str = "RGB", size: tuple[int, int] = (60, 40)) -> Image.Image:
    """Red on the left, white on the right."""
    image = Image.new("RGB", size, WHITE)
    image.paste(RED, (0, 0, size[0] // 2, size[1]))
    return image.convert(mode)


def close(pixel: object, wanted: tuple[int, int, int]) -> bool:
    assert isinstance(pixel, tuple)
    return all(abs(a - b) < 12 for a, b in zip(pixel, wanted, strict=True))


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("a.png", "RGB"),
        ("a.png", "P"),
        ("a.jpg", "RGB"),
        ("a.jpeg", "CMYK"),
        ("a.webp", "RGB"),
        ("a.tif", "RGB"),
        ("a.tiff", "CMYK"),
    ],
)
def test_formats_and_colours(tmp_path: Path, name: str, mode: str):
    (flag().quantize() if mode == "P" else flag(mode)).save(tmp_path / name)
    paper, crop = read(tmp_path / name)
    assert (paper.name, paper.title, len(paper.pages)) == (name, "a", 1)
    (figure,) = paper.elements
    assert (figure.kind, figure.caption, figure.bbox, figure.page) == ("figure", None, (0, 0, 60, 40), 1)
    assert (paper.pages[0].width, paper.pages[0].height) == (60, 40)
    assert crop.mode == "RGB" and crop.size == (60, 40)
    assert close(crop.getpixel((10, 20)), RED) and close(crop.getpixel((50, 20)), WHITE)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16"])
def test_grey_pictures(tmp_path: Path, mode: str):
    if mode == "I;16":
        values = np.zeros((40, 60), dtype=np.uint16)
        values[:, 30:] = 3000  # of 65535: a picture of 12 bits
        image = Image.fromarray(values)
    else:
        image = Image.new("L", (60, 40), 0)
        image.paste(255, (30, 0, 60, 40))
        image = image.convert(mode)
    image.save(tmp_path / "a.png")
    _, crop = read(tmp_path / "a.png")
    assert close(crop.getpixel((10, 20)), (0, 0, 0)) and close(crop.getpixel((50, 20)), WHITE)


def test_what_is_transparent_is_white(tmp_path: Path):
    image = Image.new("RGBA", (60, 40), (0, 0, 0, 0))
    image.paste((*RED, 255), (0, 0, 30, 40))
    image.save(tmp_path / "a.png")
    _, crop = read(tmp_path / "a.png")
    assert close(crop.getpixel((10, 20)), RED) and close(crop.getpixel((50, 20)), WHITE)


def test_it_is_turned_as_its_exif_data_says(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    flag().save(tmp_path / "a.jpg", exif=exif)
    paper, crop = read(tmp_path / "a.jpg")
    assert crop.size == (40, 60)
    assert paper.elements[0].bbox == (0, 0, 40, 60)
    assert close(crop.getpixel((20, 10)), RED)


def test_each_frame_of_a_tiff_is_a_page(tmp_path: Path):
    frames = [flag(size=(60 + n, 40)) for n in range(3)]
    frames[0].save(tmp_path / "a.tif", save_all=True, append_images=frames[1:])
    paper, _ = read(tmp_path / "a.tif")
    assert [size.width for size in paper.pages] == [60, 61, 62]
    assert [(e.id, e.page, e.bbox[2]) for e in paper.elements] == [("e0000", 1, 60), ("e0001", 2, 61), ("e0002", 3, 62)]
    cut, _ = read(tmp_path / "a.tif", Limits(picture_frames=2))
    assert len(cut.pages) == 2
    assert cut.problems[0].message == "Of its 3 frames the first 2 are kept."


def test_of_an_animation_the_first_frame_counts(tmp_path: Path):
    flag().save(
        tmp_path / "a.webp", save_all=True, append_images=[Image.new("RGB", (60, 40), c) for c in ("blue", "green")]
    )
    paper, crop = read(tmp_path / "a.webp")
    assert len(paper.pages) == 1
    assert close(crop.getpixel((10, 20)), RED)
    assert paper.problems[0].message == "Of its 3 frames the first 1 is kept."


def test_the_crop_is_bounded_and_the_box_is_not(tmp_path: Path):
    flag(size=(3000, 1500)).save(tmp_path / "a.png")
    paper, crop = read(tmp_path / "a.png", Limits(crop_pixels=500))
    assert crop.size == (500, 250)
    assert paper.elements[0].bbox == (0, 0, 3000, 1500)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path):
    Image.new("1", (20000, 20000)).save(tmp_path / "bomb.png")
    assert (tmp_path / "bomb.png").stat().st_size < 100_000
    with pytest.raises(TooLarge, match=r"bomb\.png has more than the 100 million pixels allowed: make it smaller"):
        read(tmp_path / "bomb.png")
    flag(size=(200, 100)).save(tmp_path / "wide.png")
    with pytest.raises(TooLarge, match=r"wide\.png measures 200 x 100 pixels, the limit is 0 million"):
        read(tmp_path / "wide.png", Limits(picture_pixels=10_000))


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.tif"])
def test_damaged_pictures(tmp_path: Path, name: str):
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 255, (80, 80, 3), dtype=np.uint8))
    noise.save(tmp_path / name)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(CorruptPicture, match=rf"{name} is a damaged picture"):
        read(tmp_path / name)


def test_without_an_engine_it_is_said(tmp_path: Path):
    flag().save(tmp_path / "a.png")
    paper, _ = read(tmp_path / "a.png")
    (problem,) = paper.problems
    assert (problem.stage, problem.page) == ("ocr", 1)
    assert "apt install tesseract-ocr" in problem.message


def test_pictures_and_folders_go_through_the_workers(tmp_path: Path):
    flag().save(tmp_path / "good.png")
    (tmp_path / "words.png").write_bytes(b"only text " * 30)
    (tmp_path / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut")
    seen: list[tuple[str, int, int]] = []
    paths = [tmp_path / name for name in ("good.png", "words.png", "cut.jpg")]
    results = {
        result.path.name: result
        for result in read_papers(
            paths, crops=tmp_path / "crops", on_pages=lambda path, done, total: seen.append((path.name, done, total))
        )
    }
    assert results["good.png"].paper is not None
    assert type(results["words.png"].error) is NotAPaper
    assert type(results["cut.jpg"].error) is CorruptPicture
    assert seen[-1] == ("good.png", 1, 1)


def test_a_picture_is_shown_in_the_size_of_its_boxes(tmp_path: Path):
    flag(size=(600, 400)).save(tmp_path / "a.png", dpi=(300, 300))
    shown = tmp_path / "shown.png"
    shown.write_bytes(render_page(tmp_path / "a.png", 1, dpi=72))
    assert Image.open(shown).size == (600, 400), "a pixel is a point, whatever the file says of its resolution"
    with pytest.raises(InputError, match="has pages 1 to 1, not 2"):
        render_page(tmp_path / "a.png", 2)


@with_engine
def test_the_text_in_a_picture_is_read(tmp_path: Path):
    image = Image.new("RGB", (700, 200), "white")
    font = ImageFont.load_default(28)
    ImageDraw.Draw(image).text((30, 30), "Accuracy of the baseline model\nin the validation set", "black", font=font)
    image.save(tmp_path / "a.png")
    paper = read_paper(tmp_path / "a.png", crops=tmp_path / "crops")
    assert paper.elements[0].ocr
    assert paper.elements[0].text == "Accuracy of the baseline model\nin the validation set"
    assert paper.problems == ()
