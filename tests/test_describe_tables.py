"""Tables that a model read against the layout's cells and the text layer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.describe.findings import Checks
from ingestion.describe.markdown import table_markdown
from ingestion.describe.schemas import TableReading
from ingestion.describe.verification import verify
from ingestion.elements import Element, Place

CELLS = (
    ("Model", "BLEU", "BLEU", "Cost"),
    ("Model", "EN-DE", "EN-FR", "Cost"),
    ("GNMT + RL", "24.6", "39.92", "1.4 · 10^20"),
    ("ByteNet", "23.75", "", ""),
    ("Transformer", "28.4", "41.8", "2,300"),
)


def table(cells: tuple[tuple[str, ...], ...] | None = CELLS, header: int = 2, **more: Any) -> Element:
    text = "\n".join(" | ".join(row) for row in cells or ())
    given = {"text": text, "caption": "Table 1: BLEU.", **more}
    return Element(
        id="e1", order=1, kind="table", places=(Place(1, (0, 0, 9, 9)),), cells=cells, header_rows=header, **given
    )


def reading(rows: Any = CELLS[2:], header: Any = CELLS[:2], **more: Any) -> TableReading:
    given = {"units": [], "notes": [], "summary": "", **more}
    return TableReading(header_rows=[list(r) for r in header], rows=[list(r) for r in rows], **given)


def check(read: TableReading, element: Element | None = None) -> Checks:
    return verify("table", read, element or table())


def test_agreement() -> None:
    found = check(reading())
    assert (found.score, found.verified) == (1.0, True)
    assert "7 of 7 numbers occur in the PDF's text layer (100%)." in found.reasons
    assert "Rows, columns and cells agree with the layout: 5 x 4." in found.reasons


def changed(row: int, column: int, value: str) -> TableReading:
    rows = [list(r) for r in CELLS[2:]]
    rows[row][column] = value
    return reading(rows)


@pytest.mark.parametrize(
    ("read", "reason"),
    [
        (changed(0, 1, "26.4"), "6 of 7 numbers occur"),
        (changed(0, 1, "2.46"), "not 2.46"),
        (changed(0, 1, "-24.6"), "not -24.6"),
        (changed(0, 1, ""), "lacks 24.6"),
        (changed(1, 1, "ByteNet"), "lacks 23.75"),
        (changed(0, 0, "LSTM-CRF"), "Cells differ"),
        (changed(1, 3, "23.75"), "row 2, column 4"),
        (reading(CELLS[2:4]), "2 rows below its header, the layout 3"),
        (reading((CELLS[2], *CELLS[2:])), "twice"),
        (reading((CELLS[3], CELLS[2], CELLS[4])), "differ from the layout's in row 1"),
        (reading([r[:3] for r in CELLS[2:]], [r[:3] for r in CELLS[:2]]), "3 columns, the layout 4"),
        (reading([CELLS[2], CELLS[3][:3], CELLS[4]]), "not rectangular: 1 rows have not 4 cells"),
        (reading(header=[CELLS[0], ("Model", "EN-FR", "EN-DE", "Cost")]), "header differs"),
        (reading(header=[CELLS[0], ("Model", "EN-DE", "EN-RU", "Cost")]), "header differs"),
        (reading(summary="The best BLEU is 43.9."), "summary names 43.9"),
    ],
)
def test_each_error_is_named(read: TableReading, reason: str) -> None:
    found = check(read)
    assert not found.verified
    assert any(reason in said for said in found.reasons), found.reasons


@pytest.mark.parametrize(
    "read",
    [
        reading(header=[("Model", "BLEU", "", "Cost"), ("", "EN-DE", "EN-FR", "")]),
        reading(header=[("Model", "BLEU EN-DE", "BLEU EN-FR", "Cost")]),
        reading(header=[("Model", "BLEU<br>EN-DE", "BLEU\nEN-FR", "Cost")]),
        reading(CELLS, ()),
        changed(0, 3, r"$1.4 \cdot 10^{20}$"),
        changed(0, 3, "1.4 × 10²⁰"),
        changed(2, 3, "2300"),
        changed(1, 2, "–"),
        changed(0, 0, "**GNMT+RL**"),
        reading(summary="The best BLEU is 28.4; about 42 in the other column, over 3 rows."),
    ],
)
def test_right_readings_are_spelled_freely(read: TableReading) -> None:
    found = check(read)
    assert found.verified, found.reasons


def test_a_merged_number_may_stand_once_but_another_may_not_go() -> None:
    cells = (("a", "b", "c"), ("x", "7.5", "7.5"), ("y", "3.5", "4.5"))
    element = table(cells, 1)
    assert check(reading([("x", "7.5", ""), cells[2]], cells[:1]), element).verified
    assert not check(reading([cells[1], ("y", "3.5", "")], cells[:1]), element).verified


def test_persian_digits_and_letters() -> None:
    cells = (("نوع", "خام", "یکدست\u200cشده"), ("نام یک شیء", "۵۸٫۰", "۶۶٫۵"))
    element = table(cells, 1)
    assert check(reading([("نام يك شيء", "58.0", "66.5")], [("نوع", "خام", "یکدست شده")]), element).verified
    assert not check(reading([("نام یک شیء", "۵۸٫۰", "۶۵٫۶")], cells[:1]), element).verified


def test_without_cells_the_numbers_of_the_text_count() -> None:
    element = table(None, 0, text="a 1.5 2.5\nb 3.5 4.5")
    right = reading([("a", "1.5", "2.5"), ("b", "3.5", "4.5")], ())
    found = check(right, element)
    assert found.verified
    assert any("no cells" in reason for reason in found.reasons)
    assert not check(reading([("a", "1.5", "2.5")], ()), element).verified
    assert not check(reading([("a", "1.5", "2.5"), ("b", "3.5", "5.4")], ()), element).verified


def test_nothing_to_compare_with_is_never_verified() -> None:
    found = check(reading(), table(None, 0, text=" "))
    assert (found.score, found.verified) == (0.0, False)
    assert "neither cells nor a text layer" in found.reasons[0]
    assert not check(reading([("", "")], ()), table()).verified
    assert not check(reading([], ()), table()).verified


def test_what_ocr_read_is_said_to_be_that() -> None:
    found = check(changed(0, 1, "26.4"), table(ocr=True))
    assert any("what OCR read" in reason for reason in found.reasons)


def test_markdown() -> None:
    read = reading([("a|b", "1\n2"), ("c",)], [("X", "Y"), ("X", "Z")], notes=["Bold  is best."])
    assert table_markdown(read) == "| X | Y Z |\n| --- | --- |\n| a\\|b | 1 2 |\n| c |  |\n\nBold is best."
    assert table_markdown(reading([("1", "2")], ())) == "|  |  |\n| --- | --- |\n| 1 | 2 |"
    assert table_markdown(reading([], ())) == ""


CELL = st.one_of(st.text(max_size=6), st.sampled_from(["1.5", "12,000", "-", "", r"$\alpha_{1}$", "\\frac{", "۵٫۵"]))


@settings(max_examples=120, deadline=None)
@given(st.lists(st.lists(CELL, max_size=4), max_size=4), st.lists(st.lists(CELL, max_size=4), max_size=2))
def test_no_cells_break_the_checks(rows: list[list[str]], header: list[list[str]]) -> None:
    for element in (table(), table(None, 0, text="1.5 | 2"), table((("a", "b"),), 0), table((("",),), 1)):
        found = check(reading(rows, header), element)
        assert 0.0 <= found.score <= 1.0
        assert found.reasons or found.score == 1.0


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 5).flatmap(
        lambda n: st.lists(
            st.lists(st.decimals(0, 999, places=1).map(str), min_size=n, max_size=n), min_size=2, max_size=5
        )
    )
)
def test_a_table_agrees_with_itself(numbers: list[list[str]]) -> None:
    cells = (tuple(f"c{i}x" for i in range(len(numbers[0]))), *(tuple(row) for row in numbers))
    assert check(reading(cells[1:], cells[:1]), table(cells, 1)).verified
