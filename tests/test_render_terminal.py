"""Answers in a terminal: places, crops, tables, right-to-left lines, and nothing that steers the terminal."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from rag_app.citations import Reading
from rag_app.render.quotes import readable_quote
from rag_app.render.rtl import is_right_to_left, reads_right_to_left, terminal_orders_itself, visual_line
from rag_app.render.terminal import Screen, answer_text, shorten
from rag_app.render.terminal_markdown import markdown_lines
from tests.answers import english_answer, persian_answer

PLAIN = Screen(width=60, reorder=False)


def plain(markdown: str, screen: Screen = PLAIN) -> list[str]:
    return [click.unstyle(line) for line in markdown_lines(markdown, screen)]


def test_answer_with_its_citations(tmp_path: Path) -> None:
    shown = click.unstyle(answer_text(english_answer(), PLAIN, library=tmp_path))
    assert "reaches 28.4 [1]" in shown
    assert "[1] A Paper · paper.pdf" in shown
    assert "page 1, Table 2, box 10, 20, 110, 70" in shown
    assert "“big · 28.4”" in shown
    assert f"crop: {tmp_path / 'crops' / 'table.png'}" in shown
    assert max(len(line) for line in shown.splitlines() if "crop:" not in line) <= PLAIN.width


def test_table_columns_are_aligned() -> None:
    lines = plain("| a | bb |\n| --- | --- |\n| 1 | 2 |\n| 333 | 4 |")
    assert lines == ["a    bb", "───  ──", "1    2", "333  4"]


def test_a_table_wider_than_the_screen_becomes_paragraphs() -> None:
    wide = "| " + " | ".join(["word"] * 20) + " |\n" + "|---" * 20 + "|\n| " + " | ".join(["cell"] * 20) + " |"
    lines = list(markdown_lines(wide, PLAIN))
    assert all(len(line) <= PLAIN.width for line in lines)
    assert "".join(lines).count("cell") == 20


def test_markdown_is_styled_and_its_signs_are_gone() -> None:
    (line,) = markdown_lines("It is **very *good***, `x_1 * y` and a_b_c. [1]", PLAIN)
    assert "\x1b[1mvery \x1b[0m\x1b[1;3mgood\x1b[0m" in line and "\x1b[36mx_1 * y\x1b[0m" in line
    assert click.unstyle(line) == "It is very good, x_1 * y and a_b_c. [1]"
    first, second = markdown_lines("**" + "bold " * 14 + "end**", PLAIN)
    assert first.startswith("\x1b[1mbold") and second.startswith("\x1b[1mbold")  # over the end of the line


def test_lists_hang_and_nest() -> None:
    lines = plain("- one " + "word " * 14 + "\n- two\n  3. inner\n  4. next\n\nafter")
    assert lines[0].startswith("• one") and lines[1].startswith("  word")
    assert lines[2:] == ["• two", "  3. inner", "  4. next", "", "after"]


def test_code_is_shown_as_it_stands() -> None:
    assert plain("```python\nfor x in y:\n    print(x)  # **no**\n```") == ["for x in y:", "    print(x)  # **no**"]


def test_what_is_no_markdown_of_ours_stays_text() -> None:
    for text in ("# x", "[a](http://b.c)", "![a](b)", "<b>x</b>", "2 * 3 * 4", "p* = a_1"):
        assert plain(text) == [text]


def test_styles_go_with_their_letters_in_the_order_of_the_eye() -> None:
    (line,) = markdown_lines("مدل **خوب** است", Screen(width=30, reorder=True))
    assert click.unstyle(line).endswith("ﻝﺪﻣ") and "\x1b[1mﺏﻮﺧ\x1b[0m" in line
    lines = plain("- دقت **۷۲** درصد است.", Screen(width=40, reorder=True))
    assert lines[0].endswith("•") and "۷۲" in lines[0] and cell_len(lines[0]) == 40


def test_a_code_point_that_stands_for_nothing_is_shown() -> None:
    assert "\u0378" in visual_line("مدل \u0378 خوب", right_to_left=True)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=300), st.booleans())
@settings(deadline=None)
def test_any_text_is_shown_without_steering_the_terminal(text: str, reorder: bool) -> None:
    lines = plain(text, Screen(width=40, reorder=reorder))
    assert not {"\x1b", "\x07", "\r", "\u202e"} & set("".join(lines))


def test_control_characters_of_a_paper_do_not_reach_the_terminal(tmp_path: Path) -> None:
    hostile = "before\x1b]0;owned\x07\x1b[2J after \u202egnp.exe \x9b31m"
    answer = english_answer()
    citation = dataclasses.replace(answer.citations[0], quote=hostile, title=hostile, document=hostile)
    answer = dataclasses.replace(answer, answer=hostile, citations=(citation,))
    for screen in (PLAIN, Screen(width=60, reorder=True)):
        shown = answer_text(answer, screen, library=tmp_path)
        for code in ("\x1b[1m", "\x1b[2m", "\x1b[36m", "\x1b[0m"):  # our own bold, dim, colour of a mark, reset
            shown = shown.replace(code, "")
        assert not set("\x1b\x07\x9b\u202e") & set(shown)
        assert "before" in shown and "after" in shown


def test_persian_stays_logical_where_the_terminal_orders_it(tmp_path: Path) -> None:
    assert "دقت مدل ۷۲ درصد است. [1]" in click.unstyle(answer_text(persian_answer(), PLAIN, library=tmp_path))


def test_persian_is_put_in_visual_order_at_the_right_edge(tmp_path: Path) -> None:
    shown = click.unstyle(answer_text(persian_answer(), Screen(width=60, reorder=True), library=tmp_path))
    first = shown.splitlines()[0]
    assert len(first) == 60
    assert first.strip().startswith("[1] .")  # the end of the sentence is at the left
    assert "۷۲" in first  # numbers keep their own order
    assert first.endswith("ﺖﻗﺩ")  # the first word, joined, at the right


def test_vowel_marks_take_no_column() -> None:
    lines = Screen(width=30, reorder=True).paragraph("مُدَرِّسِ کِتابِ خوبی است، و می‌خواهد آن را بخواند.")
    assert [cell_len(line) for line in lines] == [30, 30]  # as wide as the screen, whatever stands above the letters
    assert all(line.startswith(" ") for line in lines)


def test_columns_of_a_table_count_no_vowel_marks() -> None:
    lines = plain("| کِتابِ | b |\n| --- | --- |\n| abcdefgh | c |")
    assert [cell_len(line) for line in lines] == [11, 11, 11]


def test_latin_inside_persian_keeps_its_order() -> None:
    assert "CLIP" in visual_line("مدل CLIP خوب است", right_to_left=True)
    assert visual_line("plain text", right_to_left=False) == "plain text"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("CLIP مدل", False), ("مدل CLIP", True), ("[1] ۲۳ مدل", True), ("12 (3)", False), ("", False)],
)
def test_direction_is_that_of_the_first_letter(text: str, expected: bool) -> None:
    assert is_right_to_left(text) is expected


def test_a_persian_sentence_may_begin_with_a_latin_name() -> None:
    assert reads_right_to_left("CLIP یک مدل است. [1]") and reads_right_to_left("مدل CLIP and its towers")
    assert not reads_right_to_left("The word مدل is Persian") and not reads_right_to_left("12 (3)")
    line = Screen(width=40, reorder=True).paragraph("CLIP یک مدل است.")[0]
    assert line.endswith("CLIP")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"VTE_VERSION": "7600"}, True),
        ({"VTE_VERSION": "5202"}, False),
        ({"KONSOLE_VERSION": "230800"}, True),
        ({"TERM_PROGRAM": "Apple_Terminal"}, True),
        ({"TERM_PROGRAM": "vscode"}, False),
        ({"TERM": "xterm-kitty"}, False),
        ({}, False),
    ],
)
def test_terminals_that_order_text_themselves(environ: dict[str, str], expected: bool) -> None:
    assert terminal_orders_itself(environ) is expected


def test_what_is_piped_is_never_reordered_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.__stdout__", None)
    assert Screen.detect("auto").reorder is False
    assert Screen.detect("terminal").reorder is False
    assert Screen.detect("reorder").reorder is True


def test_shorten_cuts_at_a_blank() -> None:
    assert shorten("one two three", 9) == "one two …"
    assert shorten("one\n two", 9) == "one two"


def test_table_quotes_read_as_rows() -> None:
    citation = english_answer().citations[0]
    quote = "Table 2: Results\n| a | b\\|c |\n| --- | --- |\n| 1 |  |"
    assert readable_quote(dataclasses.replace(citation, quote=quote)) == "Table 2: Results\na · b|c\n1 · –"
    assert readable_quote(dataclasses.replace(citation, kind="text", quote="| x |")) == "| x |"


def test_what_a_model_read_or_said_without_support_is_marked(tmp_path: Path) -> None:
    answer = english_answer()
    reading = Reading("ollama:qwen2.5vl:7b", "table", "", "| a | b |\n| --- | --- |\n| 1 | 2 |", True)
    citation = dataclasses.replace(answer.citations[0], read_by="ollama:gemma3:4b", verified=False, reading=reading)
    answer = dataclasses.replace(
        answer, citations=(citation,), unsupported=("Fish\x1b[2J sing.",), unsupported_numbers=("93",), unread=2
    )
    shown = click.unstyle(answer_text(answer, PLAIN, library=tmp_path))
    for words in (
        "Numbers in none of the passages: 93",
        "Left out, because nothing that was found supports it:\n- Fish sing.",
        "    read by ollama:gemma3:4b, unverified\n",
        "    read by ollama:qwen2.5vl:7b, verified:\n    a  b\n    ─  ─\n    1  2",
        "2 passages did not fit before the model.",
    ):
        assert words in shown.replace("\x1b[2J", "").replace("[2J", "")
    assert "\x1b" not in shown
