"""The meaning of olmOCR-bench's unit tests, by hand."""

from __future__ import annotations

import pytest

from eval.page_checks import edit_distances, passes, plain, symbols_present, tables

PAGE = """# A **bold** title

The quick brown fox — it’s fast. Page 400

| Type | Words | Bytes |
|:-----|------:|---|
| arXiv | 3.71T | 5\\|6 |
| Web | 21.3T | 7 |

$e^{i \\pi} + 1 = 0$
"""


def test_edit_distances_allow_a_free_start() -> None:
    assert edit_distances("abc", "xxabcxx").min() == 0
    assert edit_distances("abc", "xxabXcxx").min() == 1
    assert edit_distances("abc", "").tolist() == [3]
    assert edit_distances("kitten", "sitting").min() == 2  # sitt-in against kitt-en
    assert edit_distances("", "abc").tolist() == [0, 0, 0, 0]


def test_plain() -> None:
    assert plain("**a**\n_b_  “c” — d") == 'a b "c" - d'


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        ({"type": "present", "text": "A bold title"}, True),
        ({"type": "present", "text": "it's fast."}, True),
        ({"type": "present", "text": "quick brwn fox"}, False),
        ({"type": "present", "text": "quick brwn fox", "max_diffs": 1}, True),
        ({"type": "absent", "text": "400"}, False),
        ({"type": "absent", "text": "500"}, True),
        ({"type": "order", "before": "bold title", "after": "fox"}, True),
        ({"type": "order", "before": "fox", "after": "bold title"}, False),
        ({"type": "order", "before": "fox", "after": "cat"}, False),
        ({"type": "table", "cell": "Web"}, True),
        ({"type": "table", "cell": "Web", "up": "arXiv", "right": "21.3T"}, True),
        ({"type": "table", "cell": "Web", "up": "Type"}, False),
        ({"type": "table", "cell": "3.71T", "down": "21.3T", "left": "arXiv"}, True),
        ({"type": "table", "cell": "21.3T", "top_heading": "Words", "left_heading": "Web"}, True),
        ({"type": "table", "cell": "21.3T", "top_heading": "Bytes"}, False),
        ({"type": "table", "cell": "5|6", "top_heading": "Bytes"}, True),
        ({"type": "math", "math": "e^{i\\pi}+1=0"}, True),
        ({"type": "math", "math": "e^{i\\pi}=1"}, False),
    ],
)
def test_checks(check: dict[str, str], expected: bool) -> None:
    assert passes(check, PAGE) is expected


def test_nothing_passes_on_an_empty_page_but_absence() -> None:
    assert not passes({"type": "present", "text": "a"}, "")
    assert not passes({"type": "table", "cell": "a"}, "")
    assert passes({"type": "absent", "text": "a"}, "")


def test_tables_without_outer_text() -> None:
    assert tables("|a|b|\n|--|--|\n|1|2|\n\n| c | d |\n|---|---|") == [[["a", "b"], ["1", "2"]], [["c", "d"]]]


def test_symbols() -> None:
    check = {"math": "a^{2}+b^{2}=c^{2}"}
    assert symbols_present(check, "so 𝑎^2 + 𝑏^2 = 𝑐^2 holds")
    assert not symbols_present(check, "so a + b = c holds")
    assert not symbols_present(check, "")


def test_an_unknown_type_is_an_error() -> None:
    with pytest.raises(KeyError):
        passes({"type": "baseline"}, PAGE)
