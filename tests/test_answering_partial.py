"""Statements are read out of JSON that still arrives, wherever it is cut."""

from __future__ import annotations

import json

from hypothesis import example, given
from hypothesis import strategies as st

from rag_app.answering.partial import ArrivingStatements

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
STATEMENT = st.fixed_dictionaries(
    {"text": TEXT.filter(bool), "source": st.integers(), "quote": TEXT}, optional={"more": st.lists(TEXT, max_size=2)}
)


def arriving(reply: str, size: int) -> list[str]:
    reader = ArrivingStatements()
    return [reader.take(reply[i : i + size]) for i in range(0, len(reply), size)]


@given(st.lists(STATEMENT, max_size=4), st.integers(1, 30), st.booleans(), st.sampled_from([None, 1]), st.booleans())
@example([{"text": "بلی «۵»\u200cها", "source": 1, "quote": ""}], 1, True, None, False)
@example([{"text": '\U0001f600\n"\\', "source": 1, "quote": "x"}], 1, True, None, True)
def test_what_arrives_is_what_is_said(
    statements: list[dict], size: int, ascii_only: bool, indent: int | None, first: bool
) -> None:
    rows = {"statements": statements, "text": "no statement", "answerable": True}
    if first:
        rows = {"answerable": True, "note": {"statements": [{"text": "nested"}]}, "statements": statements}
    reply = json.dumps(rows, ensure_ascii=ascii_only, indent=indent)
    assert "".join(arriving(reply, size)) == "\n\n".join(row["text"] for row in statements)


def test_text_comes_before_the_reply_is_whole() -> None:
    reader = ArrivingStatements()
    assert reader.take('Here: ```json\n{"answerable": true, "statements": [{"te') == ""
    assert reader.take('xt": "It is 0.0') == "It is 0.0"
    assert reader.take("7 \\u06") == "7 "
    assert reader.take('f5", "source": 1') == "۵"
    assert reader.take('}, {"text": "So') == "\n\nSo"


@given(st.text(), st.integers(1, 9))
def test_it_never_fails(text: str, size: int) -> None:
    "".join(arriving(text, size)).encode("utf-8", "surrogatepass")


def test_half_a_pair_is_replaced() -> None:
    reply = '{"statements": [{"text": "a\\ud83d b\\ude00 \\ud83d"}]}'
    for size in range(1, 9):
        assert "".join(arriving(reply, size)) == "a\ufffd b\ufffd \ufffd"
