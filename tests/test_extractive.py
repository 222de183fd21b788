"""The builtin answerer: which units it makes, chooses and trusts."""

from __future__ import annotations

import pytest

from adapters.builtin import tables
from adapters.builtin.confidence import confidence
from adapters.builtin.extractive import ExtractiveAnswerer
from adapters.builtin.matching import coverage
from adapters.builtin.minilm import shared
from adapters.builtin.units import units
from adapters.names import load_model, parse_model_name, parse_role
from rag_app.citations import find_quote
from rag_app.errors import UnknownName
from rag_app.evidence import Passage, Question
from rag_app.searchable import query_terms
from rag_app.settings import Settings

BOX = (0.0, 0.0, 10.0, 10.0)
CELLS = (("Model", "Size", "Top-1"), ("Small", "12 M", "61.5"), ("Large", "90 M", "70.2"), ("Tiny", "3 M", "40.1"))
MARKDOWN = "\n".join(
    ["| Model | Size | Top-1 |", "|---|---|---|", *("| " + " | ".join(row) + " |" for row in CELLS[1:])]
)


def passage(node_id: str, text: str, kind: str = "text", **changes) -> Passage:
    fields: dict = {
        "node_id": node_id, "document": "a.pdf", "document_id": "a", "title": "A", "page": 1,
        "places": ((1, BOX),), "kind": kind, "text": text, "score": 0.5,
    }  # fmt: skip
    return Passage(**{**fields, **changes})


TABLE = passage(
    "t", f"Table 1: Accuracy of the models.\n\n{MARKDOWN}", "table",
    label="Table 1", caption="Table 1: Accuracy of the models.", cells=CELLS, header_rows=1,
)  # fmt: skip
TEXT = passage("x", "We tuned the large encoder for nine days. It was costly. The weather was fine.")
FORMULA = passage("f", "L = -log p", "formula", label="Equation 2", context="The contrastive loss is the following.")
FIGURE = passage(
    "g", "Figure 1: The two towers.\nImage Text", "figure", label="Figure 1", caption="Figure 1: The two towers."
)
ALL = (TABLE, TEXT, FORMULA, FIGURE)


def ask(text: str, *, kinds: tuple[str, ...] = (), labels: tuple[str, ...] = ()):
    terms = tuple(query_terms(text))
    language = "en" if text.isascii() else "fa"
    question = Question(text, language, terms, dict.fromkeys(terms, 1.0), labels, kinds)
    return question, ExtractiveAnswerer(shared()).compose(question, ALL)


@pytest.mark.parametrize(
    ("text", "kinds", "node_id", "words"),
    [
        ("How many days was the large encoder tuned?", (), "x", "nine days"),
        ("What Top-1 does the Small model reach?", (), "t", "61.5"),
        ("Which model has the highest Top-1?", (), "t", "70.2"),
        ("Which model has the lowest Top-1?", (), "t", "40.1"),
        ("What is the formula of the contrastive loss?", ("formula",), "f", "-log p"),
        ("Which figure shows the two towers?", ("figure",), "g", "two towers"),
    ],
)
def test_the_right_piece_is_chosen(text: str, kinds: tuple[str, ...], node_id: str, words: str) -> None:
    _, draft = ask(text, kinds=kinds)
    best = draft.statements[0]
    assert best.node_id == node_id
    assert words in best.text


def test_every_quote_is_verbatim_in_its_passage() -> None:
    texts = {p.node_id: p.text for p in ALL}
    for question in ("large encoder", "Top-1 of all", "loss", "towers", "weather"):
        for statement in ask(question)[1].statements:
            assert find_quote(statement.quote, texts[statement.node_id]) is not None


def test_a_list_is_quoted_with_the_sentence_that_opens_it() -> None:
    made = [u.quote for u in units(passage("l", "Rules are four:\n\n• One thing.\n\n• Another.\n\nThen it ends."))]
    assert made == ["Rules are four:\n\n• One thing.\n\n• Another.", "Then it ends."]
    (colon, after) = [u.quote for u in units(passage("l", "This is so:\n\nIt simply is."))]
    assert (colon, after) == ("This is so:", "It simply is.")


def test_units_of_a_table_are_its_caption_and_its_rows() -> None:
    made = list(units(TABLE))
    assert [unit.row for unit in made] == [None, 1, 2, 3]
    assert made[1].quote == "| Small | 12 M | 61.5 |"


def test_confidence_falls_from_answered_to_off_topic() -> None:
    answerer = ExtractiveAnswerer(shared())
    near, _ = ask("How many days was the large encoder tuned?")
    far, _ = ask("Who won the football match in Ulaanbaatar?")
    assert confidence(near, answerer.rank(near, ALL)) > 0.8
    assert confidence(far, answerer.rank(far, ALL)) < 0.2
    assert confidence(near, []) == 0.0


def test_a_number_or_an_element_that_is_nowhere_lowers_confidence() -> None:
    answerer = ExtractiveAnswerer(shared())
    there, _ = ask("What is the size of the 90 M model?")
    absent, _ = ask("What is the size of the 4711 M model?")
    assert confidence(absent, answerer.rank(absent, ALL)) < confidence(there, answerer.rank(there, ALL))
    named, _ = ask("What does Table 1 report?", labels=("Table 1",))
    unknown, _ = ask("What does Table 9 report?", labels=("Table 9",))
    assert confidence(unknown, answerer.rank(unknown, ALL)) < confidence(named, answerer.rank(named, ALL))


def test_no_passages_no_answer() -> None:
    question, _ = ask("anything")
    draft = ExtractiveAnswerer(shared()).compose(question, [])
    assert (draft.statements, draft.confidence) == ((), 0.0)


def test_merged_headings_are_read_from_the_outside_in() -> None:
    cells = (("", "Accuracy", "Accuracy"), ("Model", "Top-1", "Top-5"), ("S", "1", "2"))
    assert tables.headings(cells, 2) == ["Model", "Accuracy / Top-1", "Accuracy / Top-5"]
    assert tables.row_text(cells, 2, 2, [2]) == "S — Accuracy / Top-5: 2"


@pytest.mark.parametrize(
    ("cell", "value"), [("61.5 %", 61.5), ("1,024", 1024), ("۲۸٫۴", 28.4), ("-3", -3), ("none", None), ("", None)]
)
def test_numbers_of_cells(cell: str, value: float | None) -> None:
    assert tables.number(cell) == value


def test_persian_spellings_count_by_their_likeness() -> None:
    assert coverage({"جستجوی": 1.0}, ["جستجو"]) > 0.6
    assert coverage({"جستجو": 1.0}, ["خیابان"]) == 0
    assert coverage({}, ["x"]) == 0


def test_labels_are_said_in_the_questions_language() -> None:
    question, draft = ask("«Top-1» مدل «Small» در جدول چند است؟", labels=("Table 1",), kinds=("table",))
    assert question.language == "fa"
    assert draft.statements[0].text.startswith("جدول ۱")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("builtin", "builtin"),
        ("gemma3:4b", "ollama:gemma3:4b"),
        ("ollama:qwen2.5vl:7b", "ollama:qwen2.5vl:7b"),
        ("hf:org/model+adapter", "hf:org/model+adapter"),
        ("openclip:ViT-B-32/laion2b", "openclip:ViT-B-32/laion2b"),
    ],
)
def test_model_names(text: str, name: str) -> None:
    assert str(parse_model_name(text)) == name
    assert parse_model_name(name) == parse_model_name(text)


def test_names_that_cannot_be_are_refused_with_what_can() -> None:
    with pytest.raises(UnknownName, match="builtin"):
        load_model("answer", parse_model_name("openclip:x"))
    with pytest.raises(UnknownName, match="ollama:gemma3:4b"):
        parse_model_name("hf:")
    with pytest.raises(UnknownName, match="Did you mean builtin"):
        parse_model_name("bultin")
    assert str(parse_model_name("ollama:bultin")) == "ollama:bultin"
    with pytest.raises(UnknownName, match="answer"):
        parse_role("anwser")
    with pytest.raises(UnknownName):
        load_model("text_embedding", parse_model_name("builtin:other"))


def test_an_answer_does_not_hang_on_what_was_asked_before() -> None:
    question, alone = ask("How long was the large encoder tuned?")
    answerer = ExtractiveAnswerer(shared())
    answerer.compose(question, (FIGURE, FORMULA))
    answerer.compose(question, (TEXT,))
    assert answerer.compose(question, ALL) == alone
    scores = [[unit.score for unit in answerer.rank(question, ALL)] for _ in range(2)]
    fresh = [unit.score for unit in ExtractiveAnswerer(shared()).rank(question, ALL)]
    assert scores == [fresh, fresh]


def test_what_was_embedded_is_remembered_by_the_next_answerer() -> None:
    one, other = (load_model("answer", parse_model_name("builtin"), Settings()) for _ in range(2))
    assert one is other
