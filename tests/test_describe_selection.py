"""Which elements a model is asked about: figures with a caption or a mention always, decoration never."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from ingestion.describe.selection import describable, skipped
from ingestion.elements import BBox, Element, PageSize, Paper, Place

PAGE = PageSize(600.0, 800.0)


def figure(number: int, box: BBox, *, page: int = 1, **more: Any) -> Element:  # Any: fields of Element
    given = {"image": f"{number}.png", **more}
    return Element(id=f"e{number:04}", order=number, kind="figure", places=(Place(page, box),), **given)


def paper(*elements: Element, pages: int = 6) -> Paper:
    return Paper("0" * 64, "p.pdf", "P", "en", (PAGE,) * pages, elements, (), "test")


def reasons(*elements: Element, crops: Path | None = None) -> dict[str, str]:
    return {element.id: reason for element, reason in skipped(paper(*elements), crops=crops)}


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ((0, 0, 30, 30), "small (30 x 30 points)"),
        ((0, 0, 39, 500), "small"),
        ((0, 0, 60, 60), "small"),
        ((0, 0, 590, 60), "long and thin"),
        ((0, 0, 45, 400), "long and thin"),
        ((100, 100, 300, 300), None),
        ((0, 0, 75, 75), None),
    ],
)
def test_size_and_shape(box: BBox, reason: str | None) -> None:
    found = reasons(figure(1, box)).get("e0001")
    assert (found is None) == (reason is None)
    assert reason is None or reason in str(found)


def test_a_caption_or_a_mention_outweighs_size() -> None:
    small = (0.0, 0.0, 30.0, 30.0)
    text = Element(id="e0009", order=9, kind="text", places=(Place(1, (0, 0, 9, 9)),), mentions=("Figure 2",))
    captioned = figure(1, small, caption="Figure 1: A dot.")
    mentioned = figure(2, small, label="Figure 2")
    unmentioned = figure(3, small, label="Figure 3")
    made = paper(captioned, mentioned, unmentioned, text)
    assert [e.id for e in describable(made)] == ["e0001", "e0002"]


def test_a_logo_on_every_page_is_left_out() -> None:
    logos = [figure(n, (500.0, 20.0 + n / 2, 590.0, 110.0 + n / 2), page=n) for n in range(1, 5)]
    own = figure(9, (100.0, 300.0, 400.0, 500.0), page=2)
    assert set(reasons(*logos, own)) == {logo.id for logo in logos}
    assert "4 pages like a logo" in reasons(*logos)["e0001"]
    assert not reasons(*logos[:2]), "twice is no logo"


def test_the_same_picture_in_many_places_is_a_logo() -> None:
    places = [(10.0 * n, 30.0 * n, 10.0 * n + 90, 30.0 * n + 90) for n in range(1, 4)]
    assert len(reasons(*(figure(n, box, page=n, image="same.png") for n, box in enumerate(places, 1)))) == 3


def test_a_picture_file_is_looked_at_however_small() -> None:
    icon = Paper("0" * 64, "i.png", "I", "und", (PageSize(32, 32),), (figure(1, (0, 0, 32, 32)),), (), "test")
    assert describable(icon)


def test_blank_pictures(tmp_path: Path) -> None:
    Image.new("RGB", (300, 300), "white").save(tmp_path / "1.png")
    drawn = Image.new("RGB", (300, 300), "white")
    ImageDraw.Draw(drawn).line((20, 20, 280, 280), fill="black")
    drawn.save(tmp_path / "2.png")
    (tmp_path / "3.png").write_bytes(b"damaged")
    box = (0.0, 0.0, 200.0, 200.0)
    elements = [figure(n, box, page=n, caption=f"Figure {n}: x") for n in range(1, 5)]
    assert reasons(*elements, crops=tmp_path) == {"e0001": "Its picture is blank."}
    assert reasons(*elements) == {}


def test_without_a_picture_nothing_is_asked() -> None:
    assert reasons(figure(1, (0, 0, 200, 200), image=None)) == {"e0001": "It has no picture to look at."}


def test_kinds_and_the_sample_paper() -> None:
    table = Element(id="e0002", order=2, kind="table", places=(Place(1, (0, 0, 20, 20)),), image="t.png")
    made = paper(figure(1, (0, 0, 200, 200)), table)
    assert [e.id for e in describable(made, ("table",))] == ["e0002"]
    assert skipped(made, ("table",)) == []
    everything = {e.id for e in describable(made)} | {e.id for e, _ in skipped(made)}
    assert everything == {"e0001", "e0002"}
