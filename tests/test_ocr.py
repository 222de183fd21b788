"""Scanned pages are read with Tesseract where its language files are, and said to be unread where they are not."""

from __future__ import annotations

import re
from pathlib import Path

import pymupdf
import pytest

from ingestion.limits import Limits
from ingestion.ocr import available, needs_ocr, ocr_page
from ingestion.reading import read_paper
from tests.made_pdfs import as_scan, document, prose, save

ENGINE = available()
with_engine = pytest.mark.skipif(not ENGINE.ready, reason=ENGINE.message)
with_persian = pytest.mark.skipif("fas" not in ENGINE.languages, reason=f"no Persian: {ENGINE.message}")
SAMPLE = Path(__file__).parent.parent / "data" / "papers"


def words_of(text: str) -> set[str]:
    return set(re.findall(r"[a-z]{3,}|[\u0600-\u06ff]{3,}", text.lower().replace("ي", "ی").replace("ك", "ک")))


def recall(found: str, truth: str) -> float:
    return len(words_of(found) & words_of(truth)) / len(words_of(truth))


def test_without_language_files_the_status_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TESSDATA_PREFIX", str(tmp_path))
    status = available()
    assert not status.ready and status.tessdata is None
    assert "apt install tesseract-ocr tesseract-ocr-fas" in status.message


def test_the_folder_named_by_the_environment_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "tessdata").mkdir()
    for language in ("eng", "ara", "deu", "osd"):
        (tmp_path / "tessdata" / f"{language}.traineddata").touch()
    monkeypatch.setenv("TESSDATA_PREFIX", str(tmp_path))
    assert available().tessdata == tmp_path / "tessdata"
    assert available().languages == ("eng", "ara")
    (tmp_path / "tessdata" / "fas.traineddata").touch()
    assert available().languages == ("eng", "fas")


def test_which_pages_need_it():
    text = document(1)
    assert not needs_ocr(text[0])
    assert needs_ocr(as_scan(text)[0])
    assert not needs_ocr(pymupdf.open().new_page()), "a blank page"
    numbered = as_scan(text)
    numbered[0].insert_text((290, 820), "12")
    assert needs_ocr(numbered[0]), "a scan with a page number stamped on it"
    figure = pymupdf.open()
    page = figure.new_page()
    page.insert_text((72, 72), prose(1, 20), fontsize=8)
    page.insert_image(pymupdf.Rect(0, 100, 595, 842), pixmap=text[0].get_pixmap(dpi=50), keep_proportion=False)
    assert not needs_ocr(page), "a large figure with text beside it"


def test_letters_without_meaning_count_as_a_scan():
    doc = pymupdf.open()
    page = doc.new_page()
    font = pymupdf.Font("cjk")
    writer = pymupdf.TextWriter(page.rect)
    writer.append((72, 72), "\ue001\ue002\ue003\ue004" * 10, font=font)
    writer.write_text(page)
    assert needs_ocr(page)


@with_engine
def test_a_scanned_page_is_read(tmp_path: Path):
    source = document(2)
    truth = str(source[1].get_text())
    path = save(as_scan(source, [1]), tmp_path / "scan.pdf")
    paper = read_paper(path, crops=tmp_path / "crops")
    assert paper.problems == ()
    read = [element for element in paper.elements if element.page == 2]
    assert read and all(element.ocr for element in read)
    assert not any(element.ocr for element in paper.elements if element.page == 1)
    assert recall(" ".join(element.text for element in read), truth) > 0.95
    assert (paper.pages[1].width, paper.pages[1].height) == pytest.approx((595, 842), abs=0.5)
    first_box = read[0].bbox
    assert first_box[1] == pytest.approx(source[1].get_text("blocks")[0][1], abs=12)


@with_engine
def test_a_picture_without_text_is_reported(tmp_path: Path):
    doc = pymupdf.open()
    page = doc.new_page()
    pixmap = pymupdf.Pixmap(pymupdf.csRGB, pymupdf.IRect(0, 0, 300, 400))
    pixmap.set_rect(pixmap.irect, (90, 120, 160))
    pixmap.set_rect(pymupdf.IRect(50, 50, 200, 200), (200, 180, 40))
    page.insert_image(page.rect, pixmap=pixmap, keep_proportion=False)
    paper = read_paper(save(doc, tmp_path / "photo.pdf"), crops=tmp_path / "crops")
    assert [p.message for p in paper.problems] == ["Page 1 is a picture in which OCR found no text."]


@with_engine
def test_the_picture_handed_to_it_is_bounded():
    doc = pymupdf.open()
    page = doc.new_page(width=3000, height=3000)
    page.insert_text((300, 1500), "A poster with large letters", fontsize=150)
    with ocr_page(page, ENGINE, limits=Limits(ocr_pixels=1_000_000)) as read:
        assert read[0].rect.width == pytest.approx(3000, rel=0.02)
        assert recall(str(read[0].get_text()), "poster with large letters") == 1


@with_persian
def test_a_persian_scan_is_read(tmp_path: Path):
    (source,) = SAMPLE.glob("*fa*.pdf")
    paper = read_paper(source, crops=tmp_path / "crops")
    truth = " ".join(element.text for element in paper.elements if element.page == 1)
    first = pymupdf.open(source)
    first.select([0])
    scan = read_paper(save(as_scan(first, dpi=300), tmp_path / "scan.pdf"), crops=tmp_path / "crops")
    assert scan.language == "fa"
    found = " ".join(element.text for element in scan.elements if element.page == 1)
    assert recall(found, truth) > 0.7


@with_persian
def test_an_english_scan_gets_no_persian_letters(tmp_path: Path):
    source = document(1)
    with ocr_page(as_scan(source)[0], ENGINE, limits=Limits()) as read:
        assert not re.search("[\u0600-\u06ff]", str(read[0].get_text()))
