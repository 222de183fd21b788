"""Pages as pictures and words."""

from __future__ import annotations

import io
from pathlib import Path

import pymupdf
import pytest
from PIL import Image, ImageChops, ImageStat

from ingestion.pdf import page_words, render_page, render_region
from rag_app.errors import EncryptedPdf, InputError
from tests.conftest import SAMPLE_PAPERS
from tests.made_pdfs import document, save

SAMPLE = SAMPLE_PAPERS / "vision_language_models.pdf"


def test_a_page_is_drawn_at_its_resolution(tmp_path: Path):
    path = save(document(2), tmp_path / "a.pdf")
    assert Image.open(io.BytesIO(render_page(path, 2, dpi=144))).size == (1190, 1684)
    with pytest.raises(InputError, match=r"a\.pdf has pages 1 to 2, not 3"):
        render_page(path, 3)
    with pytest.raises(InputError, match="not 0"):
        page_words(path, 0)


def test_a_poster_is_drawn_smaller(tmp_path: Path):
    doc = pymupdf.open()
    doc.new_page(width=7000, height=7000)
    image = Image.open(io.BytesIO(render_page(save(doc, tmp_path / "poster.pdf"), 1, dpi=300)))
    assert image.width == image.height == pytest.approx(30_000_000**0.5, abs=2)


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_words_stand_where_they_are_shown(tmp_path: Path, turn: int):
    doc = document(1)
    doc[0].set_rotation(turn)
    path = save(doc, tmp_path / "a.pdf")
    words = page_words(path, 1)
    assert [word.text for word in words[:3]] == ["1", "Section", "number"]
    image = Image.open(io.BytesIO(render_page(path, 1, dpi=72))).convert("L")
    for word in words[:40]:
        x0, y0, x1, y1 = (round(v) for v in word.bbox)
        assert 0 <= x0 < x1 <= image.width and 0 <= y0 < y1 <= image.height
        assert image.crop((x0, y0, x1, y1)).getextrema()[0] < 150, "there is ink in its box"


def test_a_password_is_needed_here_too(tmp_path: Path):
    path = save(document(1), tmp_path / "a.pdf", encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="open", owner_pw="o")
    with pytest.raises(EncryptedPdf):
        page_words(path, 1)
    assert page_words(path, 1, password="open")


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_region_is_that_part_of_the_page_as_shown(tmp_path: Path, turn: int) -> None:
    with pymupdf.open(SAMPLE) as pdf:
        page = pdf[1]
        page.set_cropbox(pymupdf.Rect(50, 40, 500, 700))
        page.set_rotation(turn)
        pdf.save(tmp_path / "turned.pdf")
    whole = picture(render_page(tmp_path / "turned.pdf", 2, dpi=72))
    part = picture(render_region(tmp_path / "turned.pdf", 2, (100, 120, 260, 200), dpi=72, margin=0))
    assert part.size == (160, 80)
    # A letter is drawn a little otherwise in a part, and much otherwise when it is another part.
    here, beside = (whole.crop((100 + by, 120, 260 + by, 200)) for by in (0, 2))
    assert 3 * difference(part, here) < difference(part, beside)
    corner = picture(render_region(tmp_path / "turned.pdf", 2, (0, 0, 20, 10), dpi=144, margin=5))
    assert corner.size == (50, 30)  # the margin ends at the page's edge


def test_a_region_of_a_picture_and_of_nothing(tmp_path: Path) -> None:
    Image.linear_gradient("L").save(tmp_path / "a.png")
    part = picture(render_region(tmp_path / "a.png", 1, (10, 20, 40, 60), margin=0))
    assert part.size == (30, 40) and part.convert("L").getpixel((0, 0)) == 20
    for path in (tmp_path / "a.png", SAMPLE):
        with pytest.raises(InputError, match="is not on"):
            render_region(path, 1, (9000, 9000, 9100, 9100))


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean over the pixels, 0 to 255."""
    return ImageStat.Stat(ImageChops.difference(one, other).convert("L")).mean[0]


def picture(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png)).convert("RGB")
