"""What models write back: answers, follow-ups, captions, descriptions, verdicts, choices, questions, diagnoses."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from eval.generation.asking import Candidates
from eval.generation.checks import Dropped, checked
from eval.judging.forms import read_reply as read_verdicts
from eval.questions import Question, as_lines
from eval.quiz.asking import sheet
from eval.quiz.examinees import ModelExaminee
from ingestion.describe.reading import read_element
from rag_app.answering import followups
from rag_app.answering.numbers import unsupported
from rag_app.answering.partial import ArrivingStatements
from rag_app.answering.writer import ModelAnswerer
from rag_app.captioning.asking import ask_for_captions
from rag_app.captioning.records import CaptionRow
from rag_app.citations import cite, find_quote
from rag_app.errors import UnusableReply
from rag_app.evidence import Description, Passage
from rag_app.medical.choices import Choices
from rag_app.medical.differential import scores
from rag_app.models import ask_as
from tests.caption_replies import ENGLISH, PERSIAN
from tests.described_papers import made_paper
from tests.fuzz import examples
from tests.fuzz.making import nearly, texts, whole_characters, written
from tests.fuzz.oracle import storable, tried
from tests.speaking import Speaker, description, passage, question

TEXT = "CLIP starts at 0.07. The loss falls. ۲۸/۴ درصد بود. It reads [13] at most 77 tokens of x_{1}."
TABLE = "| Model | Score |\n| --- | --- |\n| A | 28.4 |"


def statement(text: str, source: Any, quote: str) -> dict[str, Any]:  # Any: what models put there
    return {"text": text, "source": source, "quote": quote}


ANSWERS = (
    {"answerable": True, "statements": [statement("It starts at 0.07.", 1, "CLIP starts at 0.07.")]},
    {"answerable": True, "statements": [statement("A scores 28.4 [²].", "2", "| A | 28.4 |")]},
    {"answerable": True, "statements": [statement("The figure shows a cat.", [3], ""), statement("از ۷۷", "1", "77")]},
    {"answerable": False, "statements": []},
)
in_words = st.lists(st.one_of(texts(most=6), st.sampled_from([TEXT, "[1].", "[2, 1]", "[۱]"])), max_size=4).map(
    " ".join
)
passages_ = st.one_of(
    st.just([passage("n1", TEXT), passage("n2", TABLE, "table"), passage("n3", "Figure 1.", "figure", image="a.png")]),
    st.lists(texts(whole_characters, most=10), min_size=1, max_size=3).map(
        lambda found: [
            passage(f"n{n}", text, "table" if n == 2 else "text", caption=text[:20], context=text[::-1], label=text[:9])
            for n, text in enumerate(found, start=1)
        ]
    ),
    texts(whole_characters, most=10).map(lambda text: [passage("n1", "Figure 1.", description=description(text))]),
)


def cited(replies: Sequence[str], passages: Sequence[Passage]) -> None:
    """What comes of the replies is a checked answer: each citation leads to words that its passage holds."""
    speaker = Speaker(replies, sees=True)
    asked = question("Which Figure is it, and what is 0.07?")
    streamed: list[str] = []
    draft = tried(ModelAnswerer(speaker, pictures=lambda _: b"p").compose, asked, passages, on_text=streamed.append)
    for piece in streamed:
        storable(piece)
    if draft is None:
        return
    found = cite(draft.statements, passages)
    assert found.left_out == ()
    by_id = {one.node_id: one for one in passages}
    for citation in found.citations:
        source = by_id[citation.node_id]
        read = source.description.quotable if source.description else ""
        assert find_quote(citation.quote, source.text) or find_quote(citation.quote, read) or citation.read_by
    for text in (found.text, *draft.unsupported, *unsupported(found.text, [one.text for one in passages])):
        storable(text)


@examples(120)
@given(replies=st.lists(st.one_of(written(nearly(*ANSWERS)), in_words), min_size=1, max_size=2), passages=passages_)
def test_answers(replies: list[str], passages: list[Passage]) -> None:
    cited(replies, passages)


@examples(120)
@given(claims=st.lists(st.tuples(texts(most=6), texts(most=6)), min_size=1, max_size=3), passages=passages_)
def test_quotes_of_any_kind(claims: list[tuple[str, str]], passages: list[Passage]) -> None:
    rows = [statement(text, 1 + n % 2, quote) for n, (text, quote) in enumerate(claims)]
    rows += [statement(text, 1, passages[0].text[:40]) for text, _ in claims]
    cited([json.dumps({"answerable": True, "statements": rows})], passages)


@examples(150)
@given(text=written(nearly(*ANSWERS)), piece=st.integers(1, 9))
def test_statements_while_they_arrive(text: str, piece: int) -> None:
    """In pieces they are what they are at once; of a whole reply they are its statements."""
    whole, cut = ArrivingStatements(), ArrivingStatements()
    at_once = whole.take(text)
    assert "".join(cut.take(text[i : i + piece]) for i in range(0, len(text), piece)) == at_once
    storable(at_once)


@examples(200)
@given(
    reply=st.one_of(
        written(nearly({"question": "What does Table 2 compare?"}, {"question": "دقت جدول ۲ چقدر است؟"})),
        texts().map(lambda text: json.dumps({"question": text})),
    ),
    asked=st.one_of(st.sampled_from(["and Table 2?", "why?", "و جدول ۲؟", "Does it help?"]), texts(whole_characters)),
    turns=st.lists(st.builds(followups.Turn, texts(whole_characters), texts(whole_characters)), max_size=2),
)
def test_followups(reply: str, asked: str, turns: list[followups.Turn]) -> None:
    for model in (Speaker([reply]), None):
        written_anew = tried(followups.standalone, asked, turns, model)
        assert isinstance(written_anew, str)
        storable(written_anew)


CAPTIONS = tuple({"short": short, "detailed": detailed} for short, detailed in (ENGLISH, PERSIAN))


@examples(120)
@given(reply=written(nearly(*CAPTIONS)), language=st.sampled_from(["en", "fa"]))
def test_captions(reply: str, language: str) -> None:
    row = tried(ask_for_captions, Speaker([reply]), b"picture", CaptionRow("a.png", "", "m", language, "1"))
    assert row is not None
    assert row.ok == bool(row.short and row.detailed) == (row.failed is None)
    for text in (row.short, row.detailed, row.error or ""):
        storable(text)
    assert CaptionRow.from_dict(json.loads(json.dumps(row.to_dict()))).to_dict() == row.to_dict()


READINGS = {
    "figure": {
        "kind": "line chart", "title": "Loss", "summary": "Loss falls.", "series": ["A"], "trends": ["down"],
        "axes": [{"panel": "", "name": "epoch", "unit": "", "low": "0", "high": "20", "scale": "linear"}],
        "numbers": [{"value": "0.91", "of": "A", "approximate": True}], "visible_text": ["loss"], "description": "It.",
    },
    "table": {
        "header_rows": [["Model", "Score"]], "rows": [["A", "0.91"], ["B", "0.87"]], "units": ["", ""], "notes": ["n"],
        "summary": "Scores.",
    },
    "formula": {
        "latex": "L = x + y", "symbols": [{"symbol": "L", "meaning": "the loss"}], "summary": "The loss.",
    },
}  # fmt: skip
latex = st.lists(
    st.sampled_from(
        r"\frac { } {x} ^ _ \left( \right. \sqrt[ ] \begin{array} \end{array} & \\ \sum \def \input{/etc/passwd} "
        r"\href{x}{y} \text{ $ $$ \[ \tag{1} \not \operatorname * \overset \mathbb \hat \limits 1 y \alpha ( )".split()
    ),
    max_size=12,
).map(" ".join)


@examples(200)
@given(data=st.data(), kind=st.sampled_from(sorted(READINGS)), text=texts(whole_characters))
def test_descriptions(data: st.DataObject, kind: str, text: str) -> None:
    form = dict(READINGS[kind])
    if kind == "formula":
        form["latex"] = data.draw(st.one_of(st.just(form["latex"]), latex, texts(most=8)))
    reply = data.draw(st.one_of(st.just(form).map(json.dumps), written(nearly(form))))
    element = next(one for one in made_paper().elements if one.kind == kind)
    read = tried(read_element, Speaker([reply]), element, b"", context=text)
    if read is not None:
        assert 0 <= read.score <= 1
        kept = json.dumps(read.to_dict(), ensure_ascii=False)
        storable(kept)
        assert Description.from_dict(json.loads(kept)) == read


class Verdict(BaseModel):
    statement: str
    reason: str
    verdict: int


class Verdicts(BaseModel):
    statements: list[Verdict]


@examples(150)
@given(
    reply=st.one_of(
        written(nearly({"statements": [{"statement": "One.", "reason": "so", "verdict": 1}]})),
        st.recursive(texts(most=3), st.lists, max_leaves=5).map(str),
    ),
    verdicts=st.sampled_from([None, 1, 2]),
)
def test_verdicts(reply: str, verdicts: int | None) -> None:
    record, problem = read_verdicts(reply, Verdicts, verdicts=verdicts)
    assert (record is None) == bool(problem)
    if record is not None:
        assert {one.verdict for one in record.statements} <= {0, 1}
        storable(record.model_dump_json())


QUIZ = Question("q", "Which?", "en", "text", "a.pdf", ("A",), (1,), choices=("A", "B", "C"))


@examples(80)
@given(reply=written(nearly({"choice": 2})))
def test_choices(reply: str) -> None:
    taken = tried(ModelExaminee(Speaker([reply]), context_tokens=8192).choose, sheet(QUIZ), None)
    assert taken is None or 0 <= taken < 3


@examples(120)
@given(
    reply=written(nearly({"questions": [{"question": "What is read at most?", "answer": "77", "quote": TEXT[-54:]}]}))
)
def test_questions(reply: str) -> None:
    found = tried(ask_as, Speaker([reply]), Candidates, "")
    for candidate in found[0].questions if found else ():
        outcome = checked(candidate, passage("n1", TEXT), "en", model="m")
        if isinstance(outcome, Question):
            assert Question.from_dict(json.loads(as_lines([outcome]))) == outcome
        else:
            assert isinstance(outcome, Dropped)
            storable(json.dumps([outcome.question, outcome.answer], ensure_ascii=False))


SICK = Choices.of_labels(("glioma", "normal"))
NAMED = SICK.of("en")[1]


@examples(120)
@given(reply=written(nearly(dict.fromkeys(NAMED, 50), dict.fromkeys(NAMED, "0"), dict.fromkeys(NAMED, 1e308))))
def test_diagnoses(reply: str) -> None:
    try:
        found = scores(Speaker([reply]), [b"picture"], SICK, "en")
    except UnusableReply:
        return
    assert found.shape == (1, 2) and np.isfinite(found).all()
    assert abs(np.exp(found).sum() - 1) < 1e-9
