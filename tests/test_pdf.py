"""Pages as pictures and words."""

from __future__ import annotations

import io
from pathlib import Path

import pymupdf
import pytest
from PIL import Image

from ingestion.pdf import page_words, render_page
from rag_app.errors import EncryptedPdf, InputError
from tests.made_pdfs import document, save


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
