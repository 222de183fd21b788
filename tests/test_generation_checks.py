"""What a proposed question must pass, each check with a case that it drops and one that it lets through."""

from __future__ import annotations

import dataclasses

import pytest

from eval.generation.asking import Candidate
from eval.generation.checks import Dropped, asked_already, checked
from eval.generation.sources import worth_asking
from eval.questions import Question
from rag_app.evidence import Passage
from tests.speaking import BELOW, BOX, passage

TEXT = (
    "The Q-Former of BLIP-2 keeps both the image encoder and the language model frozen. Between them, 32 learned query "
    "vectors look at the patches through attention. The text encoder of CLIP reads at most 77 tokens."
)
QUOTE = "Between them, 32 learned query vectors look at the patches through attention."
TABLE = "| Connector | Tokens |\n| --- | --- |\n| Projector | 256 |\n| Query bottleneck | 32 |"


def text_passage(**changes: object) -> Passage:
    split = TEXT.index(QUOTE)
    return passage("n1", TEXT, spans=((0, split, 1, BOX), (split, len(TEXT), 2, BELOW)), **changes)


def asked(
    question: str = "How many query vectors does the Q-Former of BLIP-2 learn?",
    answer: str = "32",
    quote: str = QUOTE,
    *,
    language: str = "en",
    source: Passage | None = None,
) -> Question | Dropped:
    candidate = Candidate(question=question, answer=answer, quote=quote)
    return checked(candidate, source or text_passage(), language, model="ollama:tiny")


def kept(*args: str, **more: object) -> Question:
    outcome = asked(*args, **more)  # pyright: ignore[reportArgumentType]
    assert isinstance(outcome, Question), outcome
    return outcome


def reason(*args: str, **more: object) -> str:
    outcome = asked(*args, **more)  # pyright: ignore[reportArgumentType]
    assert isinstance(outcome, Dropped), outcome
    return outcome.reason


def test_a_good_one_has_its_source_page_and_the_papers_own_words() -> None:
    question = kept()
    assert question.answers == ("32",) and question.evidence == (QUOTE,)
    assert question.pages == (2,) and question.document == "a.pdf" and question.kind == "text"
    assert question.origin is not None
    assert (question.origin.node_id, question.origin.model) == ("n1", "ollama:tiny")
    assert Question.from_dict(question.to_dict()) == question
    assert question.id == kept().id != kept("How many vectors does the Q-Former of BLIP-2 hand on?").id


@pytest.mark.parametrize(
    "quote",
    [
        "between them, 32 learned   query vectors look at the patches through attention",
        "Between them, 32 learned query vectors look at patches through attention.",  # a word left out
    ],
)
def test_a_quote_in_other_forms_becomes_the_papers(quote: str) -> None:
    assert kept(quote=quote).evidence[0].rstrip(".") == QUOTE.rstrip(".")


@pytest.mark.parametrize("quote", ["", "32", "The Q-Former has 64 learned query vectors that look at the words."])
def test_words_that_no_passage_holds(quote: str) -> None:
    assert reason(quote=quote) == "no words of the passage"


def test_a_quote_whose_number_was_changed_is_not_near() -> None:
    assert reason(quote=QUOTE.replace("32", "64")) == "no words of the passage"


def test_a_number_that_stands_elsewhere_in_the_sentence_is_not_near_either() -> None:
    text = "After they had been attached to test tubes, all seeds germinated for 3 to 4 days in a dark room."
    source = passage("n1", text)
    assert reason(answer="4", quote=text.replace("3 to", "4 to"), source=source) == "no words of the passage"
    kept("How long did the seeds germinate?", "3 to 4 days", text.replace("had been", "were"), source=source)


@pytest.mark.parametrize("answer", ["64", "", "3", "frozen", "the", QUOTE])
def test_an_answer_that_is_no_few_words_of_the_quote(answer: str) -> None:
    assert reason(answer=answer) == "answer not in the quote"


def test_the_answer_is_set_to_the_papers_own_characters() -> None:
    assert kept("What do BLIP-2's queries look at?", "THE  Patches").answers == ("the patches",)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Are 32 query vectors learned by the Q-Former of BLIP-2?", "32"),
        ("Through which attention do learned queries look at patches?", "attention"),
        ("Is it the vectors of a query that BLIP-2 has learned?", "learned query vectors"),
    ],
)
def test_a_question_that_holds_its_answer(question: str, answer: str) -> None:
    assert reason(question, answer) == "gives its answer away"


@pytest.mark.parametrize(
    "question",
    [
        "How many query vectors does this paper learn for BLIP-2?",
        "According to the passage, how many vectors are learned?",
        "How many learned query vectors do the authors use?",
        "How many query vectors are listed above for BLIP-2?",
        "What number of query vectors is given in the table?",
    ],
)
def test_a_question_that_leans_on_what_is_not_seen(question: str) -> None:
    assert reason(question) == "does not stand alone"


def test_words_such_as_text_encoder_lean_on_nothing() -> None:
    quote = "The text encoder of CLIP reads at most 77 tokens."
    kept("How many tokens can the text encoder of CLIP read?", "77", quote)
    kept("What length in tokens is read in the text encoder of CLIP at most?", "77", quote)


@pytest.mark.parametrize(
    ("question", "language", "said"),
    [
        ("How many?", "en", "no question"),
        ("BLIP-2 learns a number of query vectors.", "en", "no question"),
        ("How many " + "very " * 60 + "vectors?", "en", "no question"),
        ("مدل BLIP-2 چند بردار پرسش یاد می‌گیرد؟", "en", "wrong language"),
        ("How many query vectors does BLIP-2 learn?", "fa", "wrong language"),
        ("كم عدد متجهات الاستعلام التي تتعلمها الشبكة؟", "fa", "wrong language"),
        ("در این مقاله مدل BLIP-2 چند بردار پرسش یاد می‌گیرد؟", "fa", "does not stand alone"),
        ("نویسندگان برای BLIP-2 چند بردار پرسش گذاشته‌اند؟", "fa", "does not stand alone"),
        ("مدل BLIP-2 با ۳۲ بردار پرسش چه می‌کند؟", "fa", "gives its answer away"),
    ],
)
def test_form_and_language(question: str, language: str, said: str) -> None:
    assert reason(question, language=language) == said


def test_a_persian_question_keeps_the_papers_answer_and_gets_persian_letters() -> None:
    question = kept("مدل BLIP-2 چند بردار پرسش ياد می‌گيرد؟", language="fa")
    assert question.question == "مدل BLIP-2 چند بردار پرسش یاد می‌گیرد؟" and question.answers == ("32",)


def test_evidence_of_a_table_is_its_whole_row() -> None:
    source = passage("t1", TABLE, "table", label="Table 1", cells=(("Connector", "Tokens"), ("Projector", "256")))
    question = kept("How many tokens does a projector take?", "256", "Projector | 256", source=source)
    assert question.evidence == ("| Projector | 256 |",) and question.label == "Table 1"


def test_words_over_a_page_break_stand_on_both_pages() -> None:
    split = TEXT.index("vectors look")
    source = passage("n1", TEXT, spans=((0, split, 4, BOX), (split, len(TEXT), 5, BELOW)))
    question = kept(source=source)
    assert question.pages == (4, 5) and " ".join(question.evidence) == QUOTE
    assert question.evidence[0].endswith("query")


def test_the_same_question_again() -> None:
    first = kept()
    assert asked_already(kept("How many vectors of query does the Q-Former learn for BLIP-2?"), [first])
    other_words = kept("What is the count of vectors by which the bottleneck looks at pictures?")
    assert asked_already(other_words, [first])  # the same answer out of the same sentence
    assert not asked_already(kept("What do the queries of BLIP-2 look at?", "the patches"), [first])
    persian = kept("مدل BLIP-2 چند بردار پرسش یاد می‌گیرد؟", language="fa")
    assert not asked_already(persian, [first])
    elsewhere = dataclasses.replace(first, document="b.pdf")
    assert not asked_already(elsewhere, [first])
    assert not asked_already(first, [])


def test_short_passages_are_not_asked_about() -> None:
    assert worth_asking(passage("n", TEXT)) and not worth_asking(passage("n", TEXT[:80]))
    assert not worth_asking(passage("n", "One long sentence " * 20))
    rows = (("Connector", "Tokens"), ("Projector", "256"), ("Query bottleneck", "32"))
    assert worth_asking(passage("t", TABLE, "table", cells=rows, header_rows=1))
    assert not worth_asking(passage("t", TABLE, "table", cells=rows[:2], header_rows=1))
    assert worth_asking(passage("f", "Figure 1: The dual encoder with its two towers and the last layer.", "figure"))
    assert not worth_asking(passage("f", "Figure 1: Results.", "figure"))
