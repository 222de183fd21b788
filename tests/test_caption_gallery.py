"""The gallery page: self-contained, escaped, right to left where it must be, failures shown, small."""

from __future__ import annotations

import base64
import dataclasses
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from rag_app.captioning.checks import Check
from rag_app.captioning.pictures import THUMBNAIL_PIXELS
from rag_app.captioning.records import CaptionRow, Rejected, Tokens
from rag_app.errors import UsageError
from rag_app.render.gallery import write_gallery
from tests.caption_models import picture
from tests.caption_replies import ENGLISH, LOOP, PERSIAN


def row(image: str = "a.jpg", model: str = "ollama:one:7b", language: str = "en", **more: object) -> CaptionRow:
    short, detailed = PERSIAN if language == "fa" else ENGLISH
    made = CaptionRow(image, "0" * 64, model, language, "caption-1", None, short, detailed, 2.34, Tokens(900, 321), 1)
    return dataclasses.replace(made, **more)  # pyright: ignore[reportArgumentType]  # fields by name


FAILED = {
    "short": "",
    "detailed": "",
    "attempts": 3,
    "failed": "repetition",
    "error": "No caption could be kept in 3 attempts.",
    "checks": (Check("repetition", False, "a loop"),),
    "rejected": Rejected(*LOOP),
}


class Page(HTMLParser):
    """The elements of a page with their attributes, and all its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        return [a for name, a in self.found if name == tag and all(a.get(k) == v for k, v in wanted.items())]


def gallery(tmp_path: Path, rows: list[CaptionRow]) -> tuple[Page, str]:
    path = tmp_path / "gallery.html"
    size = write_gallery(rows, path, beside=tmp_path / "captions.jsonl")
    text = path.read_text(encoding="utf-8")
    assert size == path.stat().st_size == len(text.encode())
    return Page(text), text


def test_models_side_by_side_and_languages_as_lines(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    rows = [row(model=model, language=language) for model in ("ollama:one:7b", "two") for language in ("en", "fa")]
    page, text = gallery(tmp_path, rows)
    assert [a["class"] for a in page.all("div") if "line" in (a.get("class") or "").split()] == [
        "line in-en",
        "line in-fa",
    ]
    said = [(a["lang"], a["dir"]) for a in page.all("div", **{"class": "said"})]
    assert said == [("en", "ltr")] * 2 + [("fa", "rtl")] * 2
    assert page.text.count(PERSIAN[1]) == 2 and page.text.count(ENGLISH[0]) == 2
    assert "2.3 s · 321 tokens" in page.text
    models = re.findall(r'<p class="model">(.*?)</p>', text)
    assert models == ["one:7b", "two", "one:7b", "two"]  # columns keep their model in both languages


def test_nothing_comes_from_outside_and_no_script_runs(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    page, text = gallery(tmp_path, [row()])
    policy = page.all("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"] or ""
    assert "default-src 'none'" in policy and "script-src" not in policy
    assert not page.all("script") and not page.all("link") and not page.all("iframe")
    assert all((a["src"] or "").startswith("data:image/webp;base64,") for a in page.all("img"))
    assert not re.search(r"https?://|@import|url\(", text)


def test_everything_is_escaped(tmp_path: Path) -> None:
    evil = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
    rows = [
        row(f"{evil}.jpg", model=f"ollama:{evil}", short=evil, detailed=evil),
        row("b.jpg", **FAILED | {"error": evil, "rejected": Rejected(evil, evil)}),
    ]
    page, _ = gallery(tmp_path, rows)
    assert not page.all("script") and not page.all("img")
    assert not any(name.startswith("on") for _, attributes in page.found for name in attributes)
    assert page.text.count("<script>alert(1)</script>") >= 6


def test_languages_are_chosen_without_a_script(tmp_path: Path) -> None:
    page, text = gallery(tmp_path, [row(), row(language="fa")])
    assert [a["id"] for a in page.all("input", type="checkbox")] == ["show-en", "show-fa", "only-failed"]
    assert {a["for"] for a in page.all("label")} == {"show-en", "show-fa"}  # nothing failed
    assert "#show-fa:not(:checked) ~ main .in-fa { display: none; }" in text


def test_failures_are_shown_with_their_reason(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    page, text = gallery(tmp_path, [row(), row(model="two", **FAILED)])
    assert "1 failed" in page.text and "No caption could be kept in 3 attempts." in page.text
    assert 'class="shelf has-failed"' in text and page.all("label", **{"for": "only-failed"})
    assert "3 attempts" in page.text
    assert LOOP[1][:40] in page.text.split("What was refused")[1]


def test_a_picture_that_is_gone_or_broken_leaves_its_place(tmp_path: Path) -> None:
    (tmp_path / "b.jpg").write_text("no picture")
    page, _ = gallery(tmp_path, [row("gone.jpg"), row("b.jpg")])
    assert "no longer there" in page.text and "not a picture" in page.text
    assert not page.all("img")


def test_thumbnails_are_small_and_upright(tmp_path: Path) -> None:
    noise = Image.effect_noise((2400, 1600), 60).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6  # turned
    noise.save(tmp_path / "a.jpg", exif=exif)
    page, text = gallery(tmp_path, [row()])
    data = base64.b64decode((page.all("img")[0]["src"] or "").split(",")[1])
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "WEBP" and image.height == THUMBNAIL_PIXELS and image.width < image.height
    assert len(text) < 80_000  # noise is the worst there is


def test_the_last_good_row_is_the_one_shown(tmp_path: Path) -> None:
    page, _ = gallery(tmp_path, [row(short="The first."), row(short="The second."), row(**FAILED)])
    assert "The second." in page.text and "The first." not in page.text and "Failed." not in page.text


def test_a_page_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="--html"):
        write_gallery([row()], tmp_path / "file" / "g.html", beside=tmp_path / "c.jsonl")
    folder = tmp_path / "folder.html"
    folder.mkdir()
    with pytest.raises(UsageError, match="--html"):
        write_gallery([row()], folder, beside=tmp_path / "c.jsonl")
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".html"] == ["folder.html"]
