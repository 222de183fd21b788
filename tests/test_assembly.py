"""Pages to a paper: sections, paragraphs over columns, references, furniture, mentions."""

from __future__ import annotations

import json

import pytest

from ingestion.assembly import assemble
from ingestion.blocks import Block, Line, PageBlocks
from ingestion.elements import BBox, Paper
from ingestion.mentions import mentions_in
from ingestion.paragraphs import Vocabulary, join_lines
from ingestion.sections import heading_number, is_references


def block(kind: str, text: str, box: BBox = (50, 100, 290, 110), *, size: float = 10, bold: bool = False) -> Block:
    parts = text.split("\n")
    height = (box[3] - box[1]) / len(parts)
    lines = tuple(
        Line(part, (box[0], box[1] + i * height, box[2], box[1] + (i + 1) * height), size, bold)
        for i, part in enumerate(parts)
    )
    return Block(kind, box, lines)  # pyright: ignore[reportArgumentType]


def page(number: int, *blocks: Block) -> PageBlocks:
    return PageBlocks(number, 595, 842, blocks)


def paper(*pages: PageBlocks, **metadata: str) -> Paper:
    return assemble(pages, sha256="0" * 64, name="a.pdf", problems=(), parser="test", pdf_metadata=metadata)


def test_a_paragraph_runs_over_column_and_page_around_a_figure() -> None:
    left = block("text", "We select papers by mini-\nmising the number of", (50, 700, 290, 720))
    right = block("text", "sources, and more text to the\nvery end of the column and", (305, 60, 545, 80))
    figure = Block("figure", (305, 90, 545, 300), image="x.png")
    over = block("text", "on the next page.", (50, 60, 290, 70))
    result = paper(page(1, left, right, figure), page(2, over))
    text = result.elements[0]
    assert text.text == (
        "We select papers by minimising the number of sources, "
        "and more text to the very end of the column and on the next page."
    )
    assert [place.page for place in text.places] == [1, 1, 2]
    assert [text.text[place.start :].split()[0] for place in text.places] == ["We", "sources,", "on"]


def test_sections_and_their_path() -> None:
    result = paper(
        page(
            1,
            block("title", "A Paper About Something", size=17),
            block("heading", "1 Introduction", size=12),
            block("text", "First of all."),
            block("heading", "1.1 Aims", size=11),
            block("text", "See Figs. 2 and 3 and Eq. (5)."),
            block("heading", "2 Method", size=12),
        )
    )
    assert result.title == "A Paper About Something"
    assert [(e.text, e.level, e.label) for e in result.elements if e.kind == "heading"] == [
        ("1 Introduction", 1, "Section 1"),
        ("1.1 Aims", 2, "Section 1.1"),
        ("2 Method", 1, "Section 2"),
    ]
    texts = [e for e in result.elements if e.kind == "text"]
    assert texts[1].section == ("1 Introduction", "1.1 Aims")
    assert texts[1].mentions == ("Figure 2", "Figure 3", "Equation 5")


def test_references_become_entries_and_an_appendix_ends_them() -> None:
    result = paper(
        page(
            1,
            block("heading", "References", size=12),
            block(
                "list_item", "[1] A. Author. One title.\nIn a journal.\n[2] B. Author. Another.", (50, 100, 290, 130)
            ),
            block("heading", "A Proofs", size=12),
            block("text", "Body again."),
        )
    )
    assert [e.text for e in result.elements if e.kind == "reference"] == [
        "[1] A. Author. One title. In a journal.",
        "[2] B. Author. Another.",
    ]
    assert result.elements[-1].kind == "text"


def test_running_heads_page_numbers_and_stamps_are_dropped() -> None:
    pages = [
        page(
            n,
            block("text", "A Short Running Title", (50, 30, 290, 40)),
            block("text", f"Text number {n} is here."),
            block("heading", str(n), (290, 800, 300, 810)),
            block("margin", "arXiv:1706.03762v7 [cs.CL] 2 Aug 2023", (10, 200, 20, 500)),
        )
        for n in range(1, 5)
    ]
    assert [e.text for e in paper(*pages).elements] == [f"Text number {n} is here." for n in range(1, 5)]


def test_a_paper_survives_json_and_an_empty_one_has_its_name() -> None:
    empty = paper(page(1))
    assert (empty.title, empty.language, empty.elements) == ("a", "und", ())
    pages = PageBlocks.from_dict(json.loads(json.dumps(page(1, block("text", "Some text.")).to_dict())))
    assert Paper.from_json(paper(pages).to_json()) == paper(pages)
    assert paper().elements == ()


def test_the_stated_title_helps_to_choose() -> None:
    heads = (
        block("title", "Journal of Statistical Software", size=20),
        block("heading", "TIMP: An R Package for Spectroscopy", (50, 150, 400, 170), size=17),
        block("text", "Body text that is long enough to tell its size from that of the headings above it."),
    )
    assert paper(page(1, *heads)).title == "TIMP: An R Package for Spectroscopy"


@pytest.mark.parametrize(
    ("lines", "joined"),
    [
        (["the multi-", "head attention"], "the multi-head attention"),
        (["clus-", "tering"], "clustering"),
        (["state-of-", "the-art"], "state-of-the-art"),
        (["Dan Mc-", "Farland"], "Dan McFarland"),
        (["https://example.org/a-", "b"], "https://example.org/a-b"),
        (["no hyphen", "here"], "no hyphen here"),
    ],
)
def test_hyphens_at_line_ends(lines: list[str], joined: str) -> None:
    vocabulary = Vocabulary.of([Line("multi-head and clustering", (0, 0, 1, 1), 10)])
    assert join_lines(lines, vocabulary) == joined


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("3.1 Encoders", "3.1"),
        ("A.2 Proofs", "A.2"),
        ("۲.۱ دو رمزگذار", "2.1"),
        ("Introduction", None),
        ("Appendix B Data", "B"),
    ],
)
def test_heading_numbers(text: str, number: str | None) -> None:
    assert heading_number(text) == number


def test_headings_of_bibliographies() -> None:
    assert all(is_references(t) for t in ("References", "REFERENCES", "7 References", "منابع", "مراجع"))
    assert not is_references("Referencesstyle")


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("Figs. 2-4", ("Figure 2", "Figure 3", "Figure 4")),
        ("Equations (1)–(3)", ("Equation 1", "Equation 2", "Equation 3")),
        ("Appendix B, §4", ("Section B", "Section 4")),
        ("شکل‌های ۲ و ۳ و رابطه (۲)", ("Figure 2", "Figure 3", "Equation 2")),
        ("section a", ()),
    ],
)
def test_mentions(text: str, labels: tuple[str, ...]) -> None:
    assert mentions_in(text) == labels
