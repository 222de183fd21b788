"""The contact sheet: a grid of the hits' pictures, and letters that are drawn as they must look."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from rag_app.errors import UsageError
from rag_app.render import contact_sheet
from rag_app.render.contact_sheet import write_contact_sheet
from rag_app.render.hits import image_hits
from rag_app.render.lettering import Lettering
from rag_app.render.rtl import visual_line
from tests.image_hits import PERSIAN, draw, hit, result, shelf, twin

PERSIAN_FONT = not Lettering(16).missing_in("چگ")
needs_persian = pytest.mark.skipif(not PERSIAN_FONT, reason="no font on this machine has Persian letters")


def test_a_grid_of_all_pictures_with_the_one_searched_with(tmp_path: Path) -> None:
    library = shelf(tmp_path, *(f"{i}.png" for i in range(7)))
    draw(tmp_path / "crops" / "0.png", colour="#0000ff")
    hits = image_hits(
        result(*(hit(image=f"{i}.png") for i in range(7))),
        library,
        picture=draw(tmp_path / "asked.jpg", colour="#00ff00"),
    )
    sheet = write_contact_sheet(hits, tmp_path / "sheet.png")
    assert sheet.shown == 7 and sheet.size_bytes == (tmp_path / "sheet.png").stat().st_size and not sheet.notes
    with Image.open(tmp_path / "sheet.png") as image:
        assert image.format == "PNG"
        pixels = np.asarray(image.convert("RGB")).astype(int)
    blue = np.argwhere((pixels == (0, 0, 255)).all(axis=2))
    green = np.argwhere((pixels[:, :, 1] > 200) & (pixels[:, :, 0] < 60) & (pixels[:, :, 2] < 60))
    red = np.argwhere((pixels[:, :, 0] > 180) & (pixels[:, :, 1] < 60))
    assert len(green) and green[:, 0].max() < blue[:, 0].min()  # the query above, then the best
    assert blue[:, 1].max() < red[:, 1].max() and len(blue) > 5000
    assert red[:, 0].max() > blue[:, 0].max() + 200  # seven pictures take two rows


@needs_persian
def test_a_persian_sheet_begins_at_the_right(tmp_path: Path) -> None:
    library = shelf(tmp_path, "0.png", "1.png", "2.png", "3.png")
    draw(tmp_path / "crops" / "0.png", colour="#0000ff")
    found = result(*(hit(image=f"{i}.png", caption=PERSIAN) for i in range(4)), text="نمودار میله‌ای")
    sheet = write_contact_sheet(image_hits(found, library), tmp_path / "sheet.png")
    assert not sheet.notes
    pixels = np.asarray(Image.open(tmp_path / "sheet.png").convert("RGB")).astype(int)
    blue = np.argwhere((pixels == (0, 0, 255)).all(axis=2))
    red = np.argwhere((pixels[:, :, 0] > 180) & (pixels[:, :, 1] < 60))
    assert blue[:, 1].min() > red[:, 1].max()


def test_a_badge_counts_the_near_duplicates(tmp_path: Path) -> None:
    library = shelf(tmp_path, "a.png", twins=(twin("t1", "copy.jpg", "b.png"),))
    drawn = []
    for duplicates in ((), ("t1",)):
        write_contact_sheet(image_hits(result(hit(duplicates=duplicates)), library), tmp_path / "sheet.png")
        drawn.append(np.asarray(Image.open(tmp_path / "sheet.png").convert("RGB")).astype(int))
    assert drawn[0].shape == drawn[1].shape
    changed = np.argwhere((drawn[0] != drawn[1]).any(axis=2))
    assert 200 < len(changed) < 4000  # a corner, and nothing else


def test_hits_without_a_picture_make_no_sheet(tmp_path: Path) -> None:
    sheet = write_contact_sheet(image_hits(result(hit(image=None)), shelf(tmp_path)), tmp_path / "sheet.png")
    assert sheet.shown == 0 and "no contact sheet was written" in sheet.notes[0]
    assert not (tmp_path / "sheet.png").exists()


def test_a_picture_that_is_gone_leaves_its_place(tmp_path: Path) -> None:
    sheet = write_contact_sheet(image_hits(result(hit(image="gone.png")), shelf(tmp_path)), tmp_path / "sheet.png")
    assert sheet.shown == 1 and (tmp_path / "sheet.png").exists()


def test_more_than_a_sheet_holds_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contact_sheet, "MOST", 2)
    library = shelf(tmp_path, "a.png")
    sheet = write_contact_sheet(image_hits(result(hit(), hit(), hit()), library), tmp_path / "sheet.png")
    assert sheet.shown == 2 and "the first 2 of 3 pictures" in sheet.notes[0]


def test_a_sheet_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UsageError, match="--contact-sheet"):
        write_contact_sheet(image_hits(result(hit()), shelf(tmp_path, "a.png")), tmp_path / "folder.png")


# --- letters --------------------------------------------------------------------------------------------------------


@needs_persian
def test_persian_is_joined_and_in_the_order_of_the_eye() -> None:
    lettering = Lettering(16)
    assert lettering.fitted("شکل ۳", 500) == visual_line("شکل ۳", right_to_left=True)
    assert lettering.fitted("شکل ۳", 500).endswith("ﻞﮑﺷ")  # joined; its first letter at the right
    assert "\u0650" not in lettering.fitted("کِتاب", 500)
    unjoined = visual_line("می‌خواهد", right_to_left=True)
    assert lettering.fitted("می‌خواهد", 500) == unjoined and unjoined.endswith("ﯽﻣ")  # ye does not join khe
    assert not lettering.missing


def test_a_line_is_cut_where_it_is_too_wide() -> None:
    lettering = Lettering(16)
    cut = lettering.fitted("a word " * 30, 120)
    assert cut.endswith("…") and lettering.width(cut) <= 120 < lettering.width(cut + "word")
    assert lettering.fitted("a word", 120) == "a word"
    assert lettering.width(lettering.fitted("anything", 3)) <= 20  # the ellipsis alone


@needs_persian
def test_a_persian_line_loses_its_end_at_the_left() -> None:
    cut = Lettering(16).fitted(PERSIAN, 100)
    assert cut.startswith("…") and cut[-3:] == visual_line(PERSIAN[:12], right_to_left=True)[-3:]


def test_a_letter_that_no_font_has_becomes_a_box_and_is_told(tmp_path: Path) -> None:
    lettering = Lettering(16, fonts=())  # Pillow's own font, which has Latin letters only
    image = Image.new("RGB", (200, 40), "white")
    lettering.draw(ImageDraw.Draw(image), 0, 0, "a چ", width=200, fill="black")
    assert lettering.missing and np.asarray(image).min() < 100


def test_control_characters_are_not_drawn() -> None:
    assert Lettering(16).fitted("a\x1b[2J\u202eb\u200b", 500) == "a[2Jb"


def test_missing_letters_are_told_with_what_helps(tmp_path: Path) -> None:
    hits = image_hits(result(hit(caption="\U00013000 bird")), shelf(tmp_path, "a.png"))
    notes = write_contact_sheet(dataclasses.replace(hits, query="x"), tmp_path / "sheet.png").notes
    has_it = not Lettering(16).missing_in("\U00013000")
    assert has_it or ("\U00013000" in notes[0] and "--html" in notes[0])
