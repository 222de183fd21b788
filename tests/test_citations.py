"""Citations are checked by program: what does not stand in its source is not said."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from rag_app.citations import cite, find_quote, unresolved, without_marks
from rag_app.evidence import Passage, Statement

BOX, BELOW = (0.0, 0.0, 10.0, 10.0), (0.0, 20.0, 10.0, 30.0)
TEXT = "CLIP was trained on pairs [13]. It starts at 0.07."


def passage(**changes: object) -> Passage:
    fields: dict = {
        "node_id": "n1", "document": "a.pdf", "document_id": "a" * 64, "title": "A", "page": 1,
        "places": ((1, BOX), (2, BELOW)), "kind": "text", "text": TEXT, "score": 1.0,
        "spans": ((0, 31, 1, BOX), (31, len(TEXT), 2, BELOW)),
    }  # fmt: skip
    return Passage(**{**fields, **changes})


def test_a_quote_is_cited_where_it_stands() -> None:
    cited = cite([Statement("It starts at 0.07.", "n1", "It starts at 0.07.")], [passage()])
    (citation,) = cited.citations
    assert (citation.n, citation.page, citation.bbox) == (1, 2, BELOW)
    assert cited.text == "It starts at 0.07. [1]"
    assert cited.removed == 0


def test_invented_quotes_and_unknown_nodes_are_removed_and_counted() -> None:
    statements = [
        Statement("wrong", "n1", "It starts at 0.70."),
        Statement("nowhere", "n9", "It starts at 0.07."),
        Statement("empty", "n1", "  "),
    ]
    cited = cite(statements, [passage()])
    assert (cited.text, cited.citations, cited.removed) == ("", (), 3)


def test_the_papers_own_marks_never_pass_for_ours() -> None:
    cited = cite([Statement("CLIP was trained on pairs [13].", "n1", "CLIP was trained on pairs [13].")], [passage()])
    assert cited.text == "CLIP was trained on pairs. [1]"
    assert cited.citations[0].quote == "CLIP was trained on pairs [13]."
    assert unresolved(cited.text, cited.citations) == []


def test_one_quote_used_twice_has_one_number() -> None:
    statement = Statement("It starts at 0.07.", "n1", "It starts at 0.07.")
    assert len(cite([statement, statement], [passage()]).citations) == 1


def test_a_table_is_cited_whole() -> None:
    table = passage(kind="table", text="| a | 1 |", spans=((0, 9, 1, BOX),))
    assert cite([Statement("a: 1", "n1", "| a | 1 |")], [table]).citations[0].places == ((1, BOX), (2, BELOW))


def test_marks_without_a_citation_are_found() -> None:
    assert unresolved("so it is [1] and [7] and ［۸］", ()) == [1, 7, 8]


def test_blanks_of_any_kind_count_as_one() -> None:
    assert find_quote("was  trained\non", TEXT) == (5, 19)


@given(st.text(), st.text(), st.text())
def test_a_found_quote_is_there_word_for_word(before: str, quote: str, after: str) -> None:
    span = find_quote(quote, before + quote + after)
    if quote.split():
        assert span is not None
        found = (before + quote + after)[span[0] : span[1]]
        assert found.split() == quote.split()


@given(st.lists(st.integers(0, 999), min_size=1, max_size=4))
def test_marks_of_any_length_go(numbers: list[int]) -> None:
    assert without_marks(f"a [{', '.join(map(str, numbers))}] b") == "a b"


@given(st.text(alphabet="ab [］]［19۱,–", max_size=30))
@example("[1[2]9]")
def test_no_text_of_a_paper_makes_a_mark_without_a_citation(text: str) -> None:
    statement = Statement(text, "n1", "It starts at 0.07.")
    cited = cite([statement], [passage()])
    assert [citation.n for citation in cited.citations] == [1]
