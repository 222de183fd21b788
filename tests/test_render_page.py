"""The HTML page: self-contained, boxes in place, and nothing a paper says becomes markup."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pymupdf
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ingestion.elements import PageSize, Paper
from rag_app.answering.answer import Answer
from rag_app.citations import Reading
from rag_app.errors import LibraryDamaged
from rag_app.render.formulas import mathml
from rag_app.render.page import answer_html, cited_pages, raised, reading_html, render_page, write_page
from tests.answers import DOCUMENT_ID, english_answer, persian_answer

HOSTILE = (
    "<script>alert(1)</script> <img src=x onerror=alert(1)> {{ 7*7 }} {% raw %} &lt;b&gt; \"quoted' "
    "![x](http://203.0.113.9/x.png) [go](javascript:alert(1)) <http://203.0.113.9/> </style></title><b>bold</b> "
    "[1]: http://203.0.113.9/"
)


class Tags(HTMLParser):
    """Every tag with its attributes, and the visible text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, name: str) -> list[str]:
        return [value for _, attributes in self.tags for key, value in attributes.items() if key == name and value]


@dataclasses.dataclass
class Shelf:
    """A library's folder and one parsed paper."""

    path: Path

    def paper(self, document: str) -> Paper:
        size = PageSize(200, 100)
        return Paper(document, "paper.pdf", "A Paper", "en", (size, size), (), (), "by hand")


@pytest.fixture
def library(tmp_path: Path) -> Shelf:
    """A library folder with one stored paper of two 200 x 100 pt pages and one crop."""
    for name in ("files", "crops"):
        (tmp_path / name).mkdir()
    with pymupdf.open() as pdf:
        for _ in range(2):
            pdf.new_page(width=200, height=100)
        pdf.save(tmp_path / "files" / f"{DOCUMENT_ID}.pdf")
    Image.new("RGB", (20, 10), "white").save(tmp_path / "crops" / "table.png")
    return Shelf(tmp_path)


def hostile_answer() -> Answer:
    answer = english_answer()
    citation = dataclasses.replace(answer.citations[0], quote=HOSTILE, title=HOSTILE, document=HOSTILE, label=HOSTILE)
    evidence = dataclasses.replace(answer.evidence[0], text=HOSTILE, document=HOSTILE, kind=HOSTILE)
    return dataclasses.replace(
        answer, question=HOSTILE, answer=f"{HOSTILE} [1]", citations=(citation,), evidence=(evidence,), language=HOSTILE
    )


def test_the_page_is_self_contained(library: Shelf) -> None:
    for answer in (english_answer(), persian_answer(), hostile_answer()):
        page = Tags(render_page(answer, library=library))
        assert all(value.startswith("data:image/") for value in page.values("src"))
        assert all(value.startswith("#") for value in page.values("href"))
        assert not [tag for tag, _ in page.tags if tag in ("script", "link", "iframe", "object", "form", "base")]
        policy = page.values("content")
        assert any(value.startswith("default-src 'none'; img-src data:") for value in policy)


def test_a_paper_cannot_inject_markup(library: Shelf) -> None:
    ours = Tags(render_page(english_answer(), library=library))
    page = Tags(render_page(hostile_answer(), library=library))
    assert {tag for tag, _ in page.tags} <= {tag for tag, _ in ours.tags}
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert "<script>alert(1)</script>" in page.text  # shown as text, in the answer, the title and the quote
    assert "{{ 7*7 }}" in page.text and "49" not in page.text
    assert page.text.count("![x](http://203.0.113.9/x.png)") >= 3


def test_citations_lead_to_boxes_and_boxes_to_citations(library: Shelf) -> None:
    for answer in (english_answer(), persian_answer(), hostile_answer()):
        page = Tags(render_page(answer, library=library))
        ids = page.values("id")
        assert len(ids) == len(set(ids))
        assert {value[1:] for value in page.values("href")} <= set(ids)
        assert {"b1", "c1"} <= set(ids)


def test_boxes_stand_where_the_citation_says(library: Shelf) -> None:
    (page,) = cited_pages(english_answer().citations, library=library)
    (box,) = page.boxes
    # (10, 20, 110, 70) on a page of 200 x 100 pt, with 2 pt of air on each side
    assert (box.left, box.top, box.width, box.height) == (4, 18, 52, 54)


def test_numbers_at_one_corner_stand_below_each_other(library: Shelf) -> None:
    citation = english_answer().citations[0]
    again = dataclasses.replace(citation, n=2)
    (page,) = cited_pages([citation, again], library=library)
    assert [(box.n, box.rank, box.same) for box in page.boxes] == [(1, 0, False), (2, 1, True)]
    answer = dataclasses.replace(english_answer(), citations=(citation, again))
    assert render_page(answer, library=library).count("data:image/png") == 1  # the shared crop stands once


def test_a_box_at_the_edge_stays_on_the_page(library: Shelf) -> None:
    citation = dataclasses.replace(english_answer().citations[0], places=((1, (-5, 0, 500, 100)),))
    (box,) = cited_pages([citation], library=library)[0].boxes
    assert (box.left, box.top) == (0, 0)
    assert box.left + box.width <= 100 and box.top + box.height <= 100


def test_a_citation_over_two_pages_shows_both(library: Shelf) -> None:
    pages = cited_pages(persian_answer().citations, library=library)
    assert [page.page for page in pages] == [1, 2]
    assert [box.first for page in pages for box in page.boxes] == [True, False]


def test_persian_runs_from_right_to_left_with_its_digits(library: Shelf) -> None:
    html = render_page(persian_answer(), library=library)
    assert re.search(r'<html lang="fa" dir="rtl">', html)
    table = dataclasses.replace(persian_answer(), citations=(dataclasses.replace(english_answer().citations[0]),))
    assert "جدول ۲" in render_page(table, library=library)
    page = Tags(html)
    assert "منابع" in page.text and "صفحهٔ ۱" in page.text and "Sources" not in page.text


def test_an_english_page_runs_from_left_to_right(library: Shelf) -> None:
    assert re.search(r'<html lang="en" dir="ltr">', render_page(english_answer(), library=library))


def test_answer_markdown() -> None:
    html = answer_html("*dk* and **big**\n\n| a | b |\n|---|---|\n| 1 | 2 [1] |\n\nsee [1] and [7]", shown={1: "1"})
    assert "<em>dk</em>" in html and "<strong>big</strong>" in html
    assert html.count('<a class="cite" href="#b1">1</a>') == 2
    assert "∑<sub>i=1</sub><sup>N</sup>(a<sub>b</sub>) _c_" in answer_html("∑_{i=1}^{N}(a_b) _c_", shown={})
    assert "<code>a_b</code>" in answer_html("`a_b`", shown={})
    assert "[7]" in html  # not a citation of this answer: left as it is


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("β_1 = 0.9, 10^{−9}", "β<sub>1</sub> = 0.9, 10<sup>−9</sup>"),
        ("p_{i_{j}}^2", "p<sub>i<sub>j</sub></sub>^2"),
        ("10^5 steps of step_num in file_name", "10<sup>5</sup> steps of step_num in file_name"),
        ("a_<b>", "a_&lt;b&gt;"),
        ("x_{<script>}", "x<sub>&lt;script&gt;</sub>"),
        ("_{unclosed", "_{unclosed"),
    ],
)
def test_scripts_are_raised_and_lowered(text: str, html: str) -> None:
    assert raised(text) == html


def test_an_encrypted_paper_leaves_a_note(library: Shelf) -> None:
    path = library.path / "files" / f"{DOCUMENT_ID}.pdf"
    with pymupdf.open(path) as pdf:  # 5 is AES-256
        locked = pdf.tobytes(encryption=5, user_pw="secret", owner_pw="owner")
    path.write_bytes(locked)
    page = Tags(render_page(english_answer(), library=library))
    assert "This paper is encrypted" in page.text
    assert {value[1:] for value in page.values("href")} <= set(page.values("id"))


def test_a_lost_file_is_said(library: Shelf) -> None:
    (library.path / "crops" / "table.png").unlink()
    with pytest.raises(LibraryDamaged, match=r"table\.png is gone.*Ingest that paper again"):
        render_page(english_answer(), library=library)
    (library.path / "files" / f"{DOCUMENT_ID}.pdf").unlink()
    with pytest.raises(LibraryDamaged, match="stored copy"):
        render_page(english_answer(), library=library)


def test_writing_replaces_the_file_whole(library: Shelf, tmp_path: Path) -> None:
    target = tmp_path / "pages" / "answer.html"
    write_page(english_answer(), target, library=library)
    write_page(persian_answer(), target, library=library)
    assert "منابع" in target.read_text(encoding="utf-8")
    assert [path.name for path in target.parent.iterdir()] == ["answer.html"]


def test_a_persian_paragraph_that_begins_with_a_name_runs_right_to_left() -> None:
    html = answer_html("CLIP یک *مدل* است. [1]\n\nAn English one.", shown={1: "۱"})
    assert html.count('<p dir="rtl">') == 1 and html.count('<p dir="auto">') == 1
    assert html.index("rtl") < html.index("auto")


# --- what models said -----------------------------------------------------------------------------------------------

READING = Reading(
    "ollama:qwen2.5vl:7b", "formula", "The loss.", r"L = \frac{1}{N} \sum_i \text{<script>alert(1)</script>}", False
)


def read_answer(**changes: object) -> Answer:
    """The English answer on what a model read in a formula, with things left out and flagged."""
    answer = english_answer()
    citation = dataclasses.replace(
        answer.citations[0], kind="formula", read_by=READING.model, verified=False, reading=READING
    )
    fields: dict = {
        "citations": (citation,), "unsupported": (HOSTILE, "Nothing says so."), "unsupported_numbers": ("93", "۷٫۵"),
        "confidence": None, "tokens": {"prompt": 900, "reply": 60}, "models": {"answer": "ollama:<b>"},
        "unread": 1, "evidence": (dataclasses.replace(answer.evidence[0], read=False),),
    }  # fmt: skip
    return dataclasses.replace(answer, **{**fields, **changes})


def test_what_a_model_read_is_marked_as_the_models(library: Shelf) -> None:
    html = render_page(read_answer(), library=library)
    text = " ".join(Tags(html).text.split())
    assert "read by ollama:qwen2.5vl:7b, unverified" in text
    assert "In none of the passages looked at: 93, ۷٫۵" in text
    assert "Left out: nothing that was found supports it (2)" in text and "Nothing says so." in text
    assert "did not fit before the model" in text and "960 tokens" in text and "confidence" not in text
    verified = dataclasses.replace(READING, verified=True)
    citation = dataclasses.replace(read_answer().citations[0], verified=True, reading=verified)
    text = " ".join(Tags(render_page(read_answer(citations=(citation,)), library=library)).text.split())
    assert "read by ollama:qwen2.5vl:7b, verified" in text and ", unverified" not in text
    assert "تأییدنشده" in render_page(read_answer(language="fa"), library=library)


def test_what_a_model_said_becomes_no_markup(library: Shelf) -> None:
    page = Tags(render_page(read_answer(), library=library))
    assert {"script", "img onerror"} & {tag for tag, _ in page.tags} == set()
    assert "math" in {tag for tag, _ in page.tags} and "mfrac" in {tag for tag, _ in page.tags}
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    for kind in ("table", "figure"):
        hostile = dataclasses.replace(READING, kind=kind, text=HOSTILE, summary=HOSTILE, model=HOSTILE)
        citation = dataclasses.replace(read_answer().citations[0], read_by=HOSTILE, reading=hostile, kind=kind)
        page = Tags(render_page(read_answer(citations=(citation,)), library=library))
        assert "script" not in {tag for tag, _ in page.tags}
        assert all(source.startswith("data:") for source in page.values("src"))
        assert all(target.startswith("#") for target in page.values("href"))


@pytest.mark.parametrize(
    "latex",
    [
        r"\text{<script>alert(1)</script>} a & b < c", r"\href{javascript:alert(1)}{x}", r"\style{color:red}{x}",
        r"\class{a}{x}", r"\text{&lt;script&gt;}", "$$x^2$$", r"\[ x \]", r"\foo x",
        r"\begin{matrix}a&b\\c&d\end{matrix}",
    ],
)  # fmt: skip
def test_latex_becomes_mathml_and_nothing_else(latex: str) -> None:
    written = mathml(latex)
    assert written is not None
    tags = Tags(written).tags
    assert tags[0][0] == "math" and all(tag.startswith("m") for tag, _ in tags)
    assert not {"href", "style", "class", "onclick"} & {name for _, attributes in tags for name in attributes}
    assert "$" not in written and r"\[" not in written
    ElementTree.fromstring(written)


def test_latex_that_cannot_be_read_is_shown_as_it_is() -> None:
    for latex in ("{", r"\frac", "", "x" * 5000, "{" * 200 + "x" + "}" * 200, r"\left( x"):
        assert mathml(latex) is None
    shown = reading_html(dataclasses.replace(READING, text=r"\left( <b>"))
    assert shown == r"<code dir=ltr>\left( &lt;b&gt;</code>"


@given(st.text(alphabet="\\{}^_&<>$ abfrac123[]()\"'", max_size=40))
def test_any_latex_is_mathml_or_none(latex: str) -> None:
    written = mathml(latex)
    assert written is None or ElementTree.fromstring(written).tag == "math"
