"""Table cells from the places of words: merged headers and rows, narrow gaps, superscripts, right to left."""

from __future__ import annotations

from ingestion.elements import BBox
from ingestion.glyphs import Glyph, Run, make_run
from ingestion.merged_rows import Rule
from ingestion.tables import Grid, build_table, to_markdown

SIZE = 10.0


def word(text: str, x: float, base: float, *, size: float = SIZE, step: float = 5.0) -> Run:
    glyphs = [
        Glyph(c, x + i * step, base - 0.75 * size, x + (i + 1) * step, base + 0.25 * size, base, size, "Serif", 0)
        for i, c in enumerate(text)
    ]
    run = make_run(glyphs)
    assert run is not None
    return run


BOX: BBox = (50.0, 100.0, 300.0, 160.0)


def test_merged_header_over_two_columns_and_two_rows() -> None:
    rules = [Rule(98, 48, 302), Rule(114, 120, 302), Rule(128, 48, 302), Rule(162, 48, 302)]
    runs = [
        word("Model", 50, 116.5), word("BLEU", 190, 110),
        word("DE", 130, 124), word("FR", 230, 124),
        word("A", 50, 138), word("1.5", 130, 138), word("2.5", 230, 138),
        word("B", 50, 152), word("3.5", 130, 152), word("4.5", 230, 152),
    ]  # fmt: skip
    table = build_table(BOX, Grid((113, 128, 142), (110, 215)), runs, rules)
    assert table is not None
    assert table.cells == (
        ("Model", "BLEU", "BLEU"),
        ("Model", "DE", "FR"),
        ("A", "1.5", "2.5"),
        ("B", "3.5", "4.5"),
    )
    assert table.header_rows == 2


def test_a_label_in_the_middle_of_its_rows_is_repeated_and_empty_cells_stay_empty() -> None:
    runs = [
        word("Noise", 50, 110), word("Batch", 130, 110), word("Score", 230, 110),
        word("16", 130, 124), word("0.1", 230, 124),
        word("0.4", 50, 131), word("64", 130, 138),
        word("32", 130, 152), word("0.2", 230, 152),
    ]  # fmt: skip
    rules = [Rule(114, 48, 302), Rule(143, 48, 302)]
    table = build_table(BOX, Grid((114, 128, 143), (110, 215)), runs, rules)
    assert table is not None
    assert [row[0] for row in table.cells] == ["Noise", "0.4", "0.4", ""]
    assert [row[2] for row in table.cells] == ["Score", "0.1", "", "0.2"]


def test_a_boundary_through_a_word_moves_into_the_gap() -> None:
    runs = [word("Grobid", 50, 110), word("Subset", 100, 110), word("1", 50, 124), word("2", 100, 124)]
    table = build_table((50, 100, 130, 130), Grid((115,), (76,)), runs, [])
    assert table is not None
    assert table.cells == (("Grobid", "Subset"), ("1", "2"))


def test_superscripts_are_not_glued_to_numbers() -> None:
    runs = [word("F1", 50, 110), word("88.85", 50, 124), word("7", 75, 120, size=6.0, step=3.0)]
    table = build_table((50, 100, 90, 130), Grid((115,), ()), runs, [])
    assert table is not None
    assert table.cells[1][0] == "88.85^7"


def test_the_first_column_of_a_persian_table_is_the_right_one() -> None:
    runs = [word("۱۲", 50, 110), word("مان", 200, 110), word("۱۵", 50, 124), word("لاس", 200, 124)]
    table = build_table((50, 100, 230, 130), Grid((115,), (120,)), runs, [], rtl=True)
    assert table is not None
    assert [row[1] for row in table.cells] == ["۱۲", "۱۵"]


def test_no_text_is_no_table() -> None:
    assert build_table(BOX, Grid((), ()), [], []) is None


def test_markdown_joins_header_rows_and_escapes_bars() -> None:
    cells = (("Model", "BLEU", "BLEU"), ("Model", "DE", "FR"), ("a|b", "1", ""))
    assert to_markdown(cells, 2) == "| Model | BLEU DE | BLEU FR |\n| --- | --- | --- |\n| a\\|b | 1 |  |"
