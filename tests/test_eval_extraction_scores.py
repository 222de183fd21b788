"""Scores of extraction by hand: a perfect reading, each fault, and parsers that do not give everything."""

from __future__ import annotations

import dataclasses
import io

import pytest
from PIL import Image, ImageDraw

from eval.extraction.matching import match
from eval.extraction.running import item_ids, measure
from eval.extraction.scores import rows
from eval.extraction.table import tabulate
from eval.extraction.text import Stream, reading_order
from eval.extraction.truths import TrueItem
from eval.parsers.records import TEXT, Found, Parsed
from eval.runs import Row
from rag_app.errors import InputError
from tests.extraction_cases import CELLS, FIGURE, FIRST, FORMULA, PICTURE, SECOND, TABLE, TEXTS, Made, case

PAGE = f"# A title\n\n{FIRST}\n\n{SECOND}\n\n| Model | R@1 |\n| --- | --- |\n| A | 39.3 |\n\n{FIGURE}\n"
FOUND = (
    Found("table", 1, (52, 50, 250, 150), cells=CELLS),
    Found("formula", 1, (50, 198, 260, 222), latex=r"a=\frac b2"),
    Found("figure", 1, (300, 52, 500, 250), caption=FIGURE),
)
ALL = (*TEXTS, TABLE, FORMULA, PICTURE)


def draw(latex: str) -> bytes | None:
    """A picture that depends on the letters alone."""
    image = Image.new("L", (200, 30), 255)
    ImageDraw.Draw(image).text((4, 4), "".join(c for c in latex if c.isalnum()), fill=0)
    held = io.BytesIO()
    image.save(held, "PNG")
    return held.getvalue()


def scored(*items: TrueItem, found: tuple[Found, ...] = FOUND, page: str = PAGE, **more: object) -> dict[str, Row]:
    parser = Made(Parsed((page,), found, seconds=3.0), **more)  # type: ignore[arg-type]  # options of Made
    return {
        row.id.removeprefix("made/paper.pdf/"): row
        for row in rows(case(*items), parser, parser.parse(case().path), draw=draw)
    }


def test_a_perfect_reading() -> None:
    got = scored(*ALL)
    assert got["text:p1"].scores == got["text:p2"].scores == {"text_edit_similarity": 1}
    assert got["table:Table 1"].scores == {"cell_f1": 1, "teds": 1, "teds_structure": 1}
    assert got["formula:Equation 1"].scores == {
        "formula_found": 1,
        "formula_edit_similarity": 1,
        "formula_image_similarity": 1,
    }
    assert got["figure:Figure 1"].scores == {"figure_paired": 1}
    assert got["paper"].scores == {"reading_order": 1, "figure_caption_f1": 1}
    assert got["paper"].seconds == {"parse": 3.0, "page": 3.0}
    assert got["table:Table 1"].groups == {"parser": "made", "kind": "table", "language": "en"}
    assert [row.id for row in got.values()] == item_ids([case(*ALL)], [Made(Parsed(()))])


def test_texts_and_their_order() -> None:
    four_off = PAGE.replace("second", "2nd").replace("# A title", "<!-- a comment --><u># A title</u>")
    got = scored(*TEXTS, page=four_off)
    letters = len("thesecondparagraphtellswhatcameofitintheend")
    assert got["text:p2"].scores["text_edit_similarity"] == pytest.approx(1 - 4 / letters)  # "seco" lost, "2" for it
    assert scored(*TEXTS, page=f"{SECOND}\n\n{FIRST}")["paper"].scores["reading_order"] == -1
    gone = scored(*TEXTS, page="")
    assert gone["text:p1"].scores == {"text_edit_similarity": 0}
    assert gone["paper"].unscored == {"reading_order": "Fewer than two of its texts were found."}


def test_a_text_that_comes_twice_is_found_twice_and_no_more() -> None:
    twice = [TrueItem(name, "text", FIRST) for name in ("a", "b", "c")]
    stream = Stream([f"{FIRST} {FIRST}"])
    assert [stream.place(one).similarity for one in twice] == [1, 1, 0]
    stream = Stream([SECOND, FIRST])
    assert stream.place(TrueItem("a", "text", FIRST, (2,))).similarity == 1
    assert stream.place(TrueItem("a", "text", SECOND, (2,))).similarity < 0.6  # its page does not hold it
    assert reading_order([]) is None


def test_cells_and_trees() -> None:
    wrong = (("Model", "R@1"), ("A", "39.3"), ("B", "94.3"))
    got = scored(TABLE, found=(Found("table", 1, TABLE.bbox, cells=wrong),))["table:Table 1"].scores
    assert got["cell_f1"] == pytest.approx(5 / 6)
    assert got["teds"] == pytest.approx(1 - 0.5 / 12)  # table, head, body, 3 rows, 6 cells; half of one cell differs
    assert got["teds_structure"] == 1
    lost = scored(TABLE, found=())["table:Table 1"].scores
    assert lost == {"cell_f1": 0, "teds": 0, "teds_structure": 0}
    elsewhere = scored(TABLE, found=(Found("table", 2, TABLE.bbox, cells=CELLS),))["table:Table 1"].scores
    assert elsewhere["cell_f1"] == 0


def test_a_merged_cell_may_be_repeated_or_blank() -> None:
    merged = (("Frames", "Tokens", "Tokens"), ("Frames", "32", "64"), ("8", "256", "512"))
    blank = (("Frames", "Tokens", ""), ("", "32", "64"), ("8", "256", "512"))
    true = dataclasses.replace(TABLE, cells=merged)
    for cells in (merged, blank):
        got = scored(true, found=(Found("table", 1, TABLE.bbox, cells=cells),))["table:Table 1"].scores
        assert got == {"cell_f1": 1, "teds": 1, "teds_structure": 1}


def test_a_table_too_large_for_teds_is_said_so() -> None:
    cells = tuple(tuple(str(10 * r + c) for c in range(10)) for r in range(31))
    got = scored(dataclasses.replace(TABLE, cells=cells), found=(Found("table", 1, TABLE.bbox, cells=cells),))
    row = got["table:Table 1"]
    assert row.scores == {"cell_f1": 1} and set(row.unscored) == {"teds", "teds_structure"}


def test_formulas() -> None:
    half = (Found("formula", 1, FORMULA.bbox, latex=r"a = \frac{c}{2}"),)
    got = scored(FORMULA, found=half)["formula:Equation 1"].scores
    assert 0.5 < got["formula_edit_similarity"] < 1 and 0.5 < got["formula_image_similarity"] < 1
    assert scored(FORMULA, found=())["formula:Equation 1"].scores == {
        "formula_found": 0,
        "formula_edit_similarity": 0,
        "formula_image_similarity": 0,
    }
    failed = (Found("formula", 1, FORMULA.bbox, error="The model stopped."),)
    assert scored(FORMULA, found=failed)["formula:Equation 1"].error == "The model stopped."
    texts_only = scored(FORMULA, page="as a = b 2 shows", gives=[TEXT])["formula:Equation 1"].scores
    assert texts_only == {"formula_symbols": 1}


def test_figures_and_captions() -> None:
    second = dataclasses.replace(
        PICTURE, id="Figure 2", text="Figure 2: Something else entirely.", bbox=(0, 300, 90, 390)
    )
    extra = Found("figure", 1, (0, 500, 90, 590), caption="Figure 7: Of another paper.")
    got = scored(PICTURE, second, found=(FOUND[2], extra, Found("figure", 1, (0, 600, 9, 609))))
    assert got["figure:Figure 1"].scores == {"figure_paired": 1}
    assert got["figure:Figure 2"].scores == {"figure_paired": 0}
    assert got["paper"].scores["figure_caption_f1"] == 0.5  # 1 right, 2 found with a caption, 2 true
    moved = dataclasses.replace(FOUND[2], bbox=(0, 300, 90, 390))
    assert scored(PICTURE, found=(moved,))["figure:Figure 1"].scores == {"figure_paired": 0}
    no_place = dataclasses.replace(FOUND[2], bbox=None)
    assert scored(PICTURE, found=(no_place,))["figure:Figure 1"].scores == {"figure_paired": 1}


def test_what_a_parser_does_not_give_does_not_apply() -> None:
    got = scored(*ALL, gives=[TEXT], found=())
    assert got["table:Table 1"].scores == got["figure:Figure 1"].scores == {}
    assert set(got["paper"].scores) == {"reading_order"}


def test_without_places_content_decides() -> None:
    tables = [TrueItem("1", "table", cells=CELLS), TrueItem("2", "table", cells=(("Year", "Rain"), ("1999", "12")))]
    found = [Found("table", 1, cells=(("Year", "Rain"), ("1999", "13"))), Found("table", 1, cells=CELLS)]
    assert match(tables, found) == {"1": found[1], "2": found[0]}
    assert match(tables, found[1:]) == {"1": found[1]}
    assert match([TrueItem("1", "table", pages=(2,), cells=CELLS)], found) == {}


def test_page_checks_are_rows() -> None:
    checks = [
        {"id": "a", "pdf": "paper.pdf", "page": 1, "type": "present", "text": "first paragraph"},
        {"id": "b", "pdf": "paper.pdf", "page": 2, "type": "present", "text": "first paragraph"},
        {"id": "c", "pdf": "paper.pdf", "page": 1, "type": "math", "math": "a=2"},
    ]
    parser = Made(Parsed(("The first paragraph has a = 2.",)), gives=[TEXT])
    got = list(rows(case(checks=checks), parser, parser.parse(case().path)))
    assert [row.scores for row in got] == [
        {"check_passed": 1},
        {"check_passed": 0},  # there is no second page
        {"check_passed": 0, "formula_symbols": 1},
    ]
    assert [row.groups["kind"] for row in got] == ["check present", "check present", "check math"]


def test_a_paper_that_cannot_be_read_is_failed_items() -> None:
    good, bad = Made(Parsed((PAGE,), FOUND)), Made(InputError("It is no PDF."), name="bad")
    done = list(measure([case(*ALL)], [good, bad]))
    assert [row.id for row in done] == item_ids([case(*ALL)], [good, bad])
    assert {row.error for row in done if row.groups["parser"] == "bad"} == {"It is no PDF."}
    table = tabulate(done)
    assert (table.parsers["bad"].failed, table.parsers["bad"].total) == (6, 6)
    lines = {line.split("  ")[0]: line for line in table.text().splitlines()}
    assert lines["items: done + failed"].split()[-6:] == ["6", "+", "0", "0", "+", "6"]
    assert "1.000 [1.000, 1.000] (2)" in lines["text: 1 - edit distance"]


def test_what_is_done_is_not_done_again() -> None:
    parser = Made(Parsed((PAGE,), FOUND))
    done = {row.id: row for row in measure([case(*ALL)], [parser])}
    assert list(measure([case(*ALL)], [parser], known=done)) == [] and parser.asked == 1
    lost = done.pop("made/paper.pdf/paper")
    assert list(measure([case(*ALL)], [parser], known=done)) == [lost]
