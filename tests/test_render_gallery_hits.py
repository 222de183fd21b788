"""The page of search hits: self-contained, escaped, near-duplicates folded, right to left where it must be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rag_app.errors import UsageError
from rag_app.imaging.records import ImageResult
from rag_app.render.hits import Pictures, image_hits, passage_hits
from rag_app.render.hits_page import write_hits_page
from rag_app.reports import SearchHit, SearchResult
from tests.image_hits import ENGLISH, PERSIAN, draw, hit, result, shelf, twin
from tests.test_caption_gallery import Page


def written(tmp_path: Path, found: ImageResult, library: Pictures, *, picture: Path | None = None) -> tuple[Page, str]:
    path = tmp_path / "hits.html"
    size = write_hits_page(image_hits(found, library, picture=picture), path)
    text = path.read_text(encoding="utf-8")
    assert size == path.stat().st_size
    return Page(text), text


def test_a_card_says_what_it_is_where_it_is_and_why_it_was_found(tmp_path: Path) -> None:
    page, _ = written(tmp_path, result(hit(), without="pie"), shelf(tmp_path, "a.png"))
    said = " ".join(page.text.split())
    for words in ("Figure 3", "paper.pdf, page 4", ENGLISH, "score 100 80 60", "its picture, a caption", "0.831"):
        assert words in said, words
    assert "without pie" in said and "1 hit · 0.12 s · openclip:ViT-B-32/x" in said
    reasons = re.findall(
        r"(its picture and the words|meaning of its texts|what is not wanted|words of its texts)", said
    )
    assert reasons == ["its picture and the words", "meaning of its texts", "what is not wanted"]  # 0.001 says nothing
    assert said.count(ENGLISH) == 1  # the text of the figure begins with its caption
    assert len(page.all("img")) == 1


def test_nothing_comes_from_outside_and_no_script_runs(tmp_path: Path) -> None:
    page, text = written(tmp_path, result(hit()), shelf(tmp_path, "a.png"), picture=draw(tmp_path / "asked.png"))
    policy = page.all("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"] or ""
    assert "default-src 'none'" in policy and "script-src" not in policy
    assert not page.all("script") and not page.all("link") and not page.all("iframe")
    assert len(page.all("img")) == 2 and all(
        (a["src"] or "").startswith("data:image/webp;base64,") for a in page.all("img")
    )
    assert not re.search(r"https?://|@import|url\(", text)


def test_everything_is_escaped(tmp_path: Path) -> None:
    evil = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
    one = hit(document=evil, label=evil, caption=evil, text=evil * 2, found_by=(evil,), parts={evil: 0.5}, image=None)
    page, _ = written(tmp_path, result(one, text=evil, without=evil, note=evil), shelf(tmp_path))
    assert not page.all("script") and not page.all("img")
    assert not any(name.startswith("on") for _, attributes in page.found for name in attributes)
    assert page.text.count("<script>alert(1)</script>") >= 8


def test_near_duplicates_are_folded_under_the_best(tmp_path: Path) -> None:
    library = shelf(tmp_path, "a.png", twins=(twin("t1", "copy.jpg", "b.png"), twin("t2", "talk.pdf", "c.png", page=7)))
    page, text = written(tmp_path, result(hit(duplicates=("t1", "t2", "gone"))), library)
    said = " ".join(page.text.split())
    assert "and 2 near-duplicates copy.jpg talk.pdf, page 7" in said  # one page of a picture file is not counted
    assert "copy.jpg, page" not in said
    assert text.count("<details>") == 1 and len(page.all("li", **{"class": "hit"})) == 1
    assert len(page.all("img")) == 3


def test_a_persian_query_makes_a_persian_page(tmp_path: Path) -> None:
    found = result(hit(caption=PERSIAN, text=PERSIAN, duplicates=("t1",)), text="نمودار میله‌ای", without="دایره")
    page, text = written(tmp_path, found, shelf(tmp_path, "a.png", twins=(twin("t1", "copy.jpg", "b.png"),)))
    assert '<html lang="fa" dir="rtl">' in text
    said = " ".join(page.text.split())
    for words in (
        "شکل ۳",
        "paper.pdf، صفحهٔ ۴",
        "خود تصویر، شرح تصویر",
        "بدون دایره",
        "۰٫۸۳۱",
        "و ۱ تصویر تقریباً یکسان",
    ):
        assert words in said, words
    assert [a["dir"] for a in page.all("p", **{"class": "caption"})] == ["auto"]
    assert '<bdi dir="ltr">-۰٫۱۲</bdi>' in text  # else the minus would stand behind


def test_an_english_page_shows_a_persian_caption_from_right_to_left(tmp_path: Path) -> None:
    page, text = written(tmp_path, result(hit(caption=PERSIAN, text=PERSIAN)), shelf(tmp_path, "a.png"))
    assert '<html lang="en" dir="ltr">' in text and page.all("p", **{"class": "caption", "dir": "auto"})


def test_a_picture_that_is_gone_leaves_its_place(tmp_path: Path) -> None:
    page, _ = written(tmp_path, result(hit(image="gone.png")), shelf(tmp_path))
    assert "no longer there" in page.text and not page.all("img")


def test_the_note_and_nothing_found(tmp_path: Path) -> None:
    page, _ = written(tmp_path, result(note="No model takes these words."), shelf(tmp_path))
    assert "Nothing was found." in page.text and "No model takes these words." in page.text


def test_hits_without_a_picture_are_cards_of_text(tmp_path: Path) -> None:
    found = SearchHit(
        "n1", "paper.pdf", "d1", "A Paper", 2, (0, 0, 1, 1), "text", None, "", 0.5, ("lexical", "dense"), "Words.",
        None, (2,), {},
    )  # fmt: skip
    path = tmp_path / "hits.html"
    write_hits_page(passage_hits(SearchResult("words", (found,), {"total": 0.1}), shelf(tmp_path)), path)
    page = Page(path.read_text(encoding="utf-8"))
    assert page.all("li", **{"class": "hit passage"}) and not page.all("img")
    assert "its words, its meaning" in page.text and "Words." in page.text


def test_a_page_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="--html"):
        write_hits_page(image_hits(result(hit()), shelf(tmp_path, "a.png")), tmp_path / "file" / "x.html")
