"""Judging answers, and the citation check against the PDF itself."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pymupdf
import pytest

from eval.answers import answer_row, holds, is_right, similarity_by
from eval.citations import Checked, check_citations, squeeze
from eval.questions import Question, read_questions
from rag_app.answering.answer import Answer
from rag_app.citations import Citation
from rag_app.library import Library


@pytest.mark.parametrize(
    ("text", "gold", "tolerance", "expected"),
    [
        ("It rose to 28.4 points [1].", "28.4", 0.0, True),
        ("It rose to 128.4 points.", "28.4", 0.0, False),
        ("It rose to 28.45 points.", "28.4", 0.0, False),
        ("It rose to 28.45 points.", "28.4", 0.05, True),
        ("So 16,384 tokens.", "16384", 0.0, True),
        ("۱۶٬۳۸۴ توکن", "16,384", 0.0, True),
        ("بازیابی ۳۸٫۵ درصد است", "38.5", 0.0, True),
        ("Nothing to see [32].", "32", 0.0, False),  # a citation mark is no number of the answer
        ("a fall of -3 points", "3", 0.0, False),
        ("The gate starts closed", "GATE STARTS", 0.0, True),
        ("نزدیک‌ترین عکس‌ها", "نزدیکترین عکسها", 0.0, True),
        ("anything", "…", 0.0, False),
        ("400M pairs", "400 million", 0.0, True),
        ("it has 1400 million", "400 million", 0.0, False),
        ("it took 90 seconds", "1.5 min", 0.0, True),
    ],
)
def test_holds(text: str, gold: str, tolerance: float, expected: bool) -> None:
    assert holds(text, gold, tolerance=tolerance) is expected


def test_squeeze() -> None:
    assert squeeze("ﬁne-Tuned  𝑥₁ é") == "finetunedx1e"
    assert squeeze("كتاب‌هاي ۱۲٫۵") == "کتابهای125"


BOX = (70.0, 80.0, 540.0, 110.0)


def citation(
    quote: str, *, n: int = 1, page: int = 1, bbox: tuple[float, float, float, float] = BOX, **other: str
) -> Citation:
    label, kind = other.get("label"), other.get("kind", "text")
    document = other.get("document", "a.pdf")
    return Citation(n, document, "id", "", page, bbox, ((page, bbox),), kind, label, quote, "node", None)


def answered(text: str, *citations: Citation, refused: bool = False) -> Answer:
    return Answer("?", text, refused, citations, (), {}, {}, 0.9, "en")


def test_right_answers_by_kind() -> None:
    text = Question("1", "?", "en", "text", "a.pdf", ("cat", "dog"), (1,))
    assert is_right(answered("A dog [1]"), text)
    words = dataclasses.replace(text, answers=("Lucy, building a system for science",))
    assert is_right(answered("A researcher (Lucy) builds her system for the sciences [1]"), words)
    assert not is_right(answered("A researcher (Lucy) builds her system [1]"), words)
    assert not is_right(answered("A cat sees a dog"), dataclasses.replace(text, answers=("dog cat",)))  # too few words
    both = Question("2", "?", "en", "cross_page", "a.pdf", ("cat", "dog"), (1, 2))
    assert not is_right(answered("A dog [1]"), both) and is_right(answered("Cat and dog"), both)
    assert not is_right(answered("A dog", refused=True), text)
    figure = Question("3", "?", "en", "figure", "a.pdf", ("the chart",), (1,), label="Figure 2")
    assert is_right(answered("See [1]", citation("x", label="Figure 2")), figure)
    assert not is_right(answered("See [1]", citation("x", label="Figure 2", document="b.pdf")), figure)
    assert not is_right(answered("See [1]", citation("x", label="Figure 3")), figure)


@pytest.fixture(scope="module")
def pdf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Page 1: two lines, the first cut by a hyphen; page 2: empty; page 3: a table's numbers."""
    path = tmp_path_factory.mktemp("cited") / "a.pdf"
    doc = pymupdf.open()
    first = doc.new_page()
    first.insert_text((72, 92), "The cross-encoder is pre-")
    first.insert_text((72, 106), "cise but slow.")
    first.insert_text((72, 600), "Elsewhere the moon is made of basalt rock.")
    doc.new_page()
    third = doc.new_page()
    for i, text in enumerate(("Batch", "256", "Score", "47.7")):
        third.insert_text((72 + 60 * (i % 2), 92 + 14 * (i // 2)), text)
    doc.save(path)
    doc.close()
    return path


@pytest.mark.parametrize(
    ("cited", "verdict"),
    [
        (citation("The cross-encoder is precise but slow."), "verbatim"),
        (citation("is made of basalt"), "invented"),  # on the page, but nowhere near the cited box
        (citation("is made of basalt", bbox=(70.0, 590.0, 400.0, 605.0)), "verbatim"),
        (citation("Score Batch 47.7 256", page=3), "by words"),
        (citation("Score Batch 47.8 257", page=3), "invented"),
        (citation("256 256 256 256", page=3), "invented"),  # a word supports only itself
        (citation("c_{i}=(hctaB 652)/(erocS)", page=3), "invented"),
        (citation("(e_r r o)/(S c_{25}) + 6 774_{hB}", page=3, kind="formula"), "by words"),
        (citation("(z_r r q)/(S x_{25}) + 6", page=3, kind="formula"), "invented"),
        (citation("anything", page=2), "unchecked"),
        (citation("anything", page=9), "invented"),
        (citation("…"), "invented"),
    ],
)
def test_quotes_are_looked_up_in_the_pdf(pdf: Path, cited: Citation, verdict: str) -> None:
    (checked,) = check_citations("So it is [1].", [cited], lambda _: pdf)
    assert checked.verdict == verdict, checked.reason


def test_what_a_model_read_is_not_looked_for_in_the_pdf(pdf: Path) -> None:
    read = dataclasses.replace(citation("two blue towers"), read_by="ollama:gemma3:4b")
    (checked,) = check_citations("So it is [1].", [read], lambda _: pdf)
    assert (checked.verdict, checked.reason) == ("a model's", "read by ollama:gemma3:4b")


def test_a_mark_without_citation_is_invented(pdf: Path) -> None:
    checked = check_citations("One [1], two [2], again [2].", [citation("precise but slow")], lambda _: pdf)
    assert [(c.n, c.verdict) for c in checked] == [(1, "verbatim"), (2, "invented")]


def asked(kind: str = "text", *, language: str = "en", gold: tuple[str, ...] = ("slow",)) -> Question:
    answerable = kind != "unanswerable"
    return Question("1", "?", language, kind, "a.pdf", gold if answerable else (), (1,) if answerable else ())


TEXT = {"exact_match", "token_f1", "token_recall", "rouge1", "rouge2", "rougeL", "bleu", "chrf"}


def test_an_answer_has_every_metric_that_applies() -> None:
    """Gold pages 1 and 2, of which one of two citations shows the first; 28.4 is in its quote and 99 is nowhere."""
    question = Question("1", "?", "en", "table", "a.pdf", ("28.4 BLEU",), (1, 2))
    cited = [citation("The score is 28.4."), citation("x", n=2, page=7)]
    answer = dataclasses.replace(answered("The score is 28.4 and not 99 [1][2].", *cited), seconds={"total": 0.5})
    verdicts = [Checked(1, "verbatim"), Checked(2, "invented"), Checked(3, "unchecked")]
    row = answer_row(question, answer, checked=verdicts)
    assert row.groups == {"language": "en", "kind": "table"} and row.seconds == {"total": 0.5}
    assert row.scores.keys() >= TEXT
    assert {name: value for name, value in row.scores.items() if name not in TEXT} == {
        "right": 0.0,  # the unit of the gold answer is not there
        "right_if_answered": 0.0,
        "answered": 1.0,
        "numeric_match": 1.0,
        "page_cited": 1.0,
        "citation_precision": 0.5,
        "citation_recall": 0.5,
        "citation_valid": 0.5,
        "numbers_supported": 0.5,
    }
    # "score is 28.4 and not 99" against "28.4 BLEU": one word of seven and two in common
    assert row.scores["token_f1"] == pytest.approx(2 * 1 / (6 + 2))
    assert row.record["question"]["answers"] == ("28.4 BLEU",) and row.record["answer"]["answer"] == answer.answer
    assert row.record["checked"][1] == {"n": 2, "verdict": "invented", "reason": ""}


def test_a_refusal_is_no_answer() -> None:
    """Where there is an answer it scores 0 in every metric of the answer's words; where there is none it is right."""
    refusal = answered("The papers do not say that it is slow.", refused=True)
    row = answer_row(asked(), refusal)
    assert {name: row.scores[name] for name in TEXT} == dict.fromkeys(TEXT, 0.0)
    assert (row.scores["right"], row.scores["answered"], row.scores["refusal_precision"]) == (0, 0, 0)
    assert "right_if_answered" not in row.scores and "refusal_recall" not in row.scores
    assert answer_row(asked("unanswerable"), refusal).scores == {"refusal_precision": 1.0, "refusal_recall": 1.0}


def test_an_answer_from_several_pages_takes_all_its_parts() -> None:
    question = Question("1", "?", "en", "cross_page", "a.pdf", ("12 cats", "7 dogs"), (1, 2))
    half, whole = (answer_row(question, answered(text)).scores for text in ("7 dogs", "12 cats and 7 dogs"))
    assert (half["right"], half["numeric_match"], half["token_recall"]) == (0, 0, 0.5)
    assert (whole["right"], whole["numeric_match"], whole["token_recall"]) == (1, 1, 1)


def test_an_answer_where_there_is_none() -> None:
    row = answer_row(asked("unanswerable"), answered("It is 12 [1].", citation("It is 12.")))
    assert row.scores == {"refusal_recall": 0.0, "numbers_supported": 1.0}


def test_a_question_that_failed_has_its_reason_and_no_score() -> None:
    row = answer_row(asked(), None, "gone")
    assert (row.error, row.scores, row.record["answer"]) == ("gone", {}, None)


def test_similarity_by_the_builtin_embedding(sample_library: Path) -> None:
    """The model knows no Persian: what cannot be scored is said, and not taken for 0."""
    with Library.open(sample_library, read_only=True) as library:
        similarity = similarity_by(library.text_embedding())
    near, far = similarity("It is slow.", "It takes long."), similarity("It is slow.", "Cats eat fish.")
    assert 0 <= far < near < 1 and similarity("It is slow.", "It is slow.") == pytest.approx(1)
    assert answer_row(asked(), answered("slow"), similarity=similarity).scores["similarity"] == pytest.approx(1)
    assert answer_row(asked(), answered("no", refused=True), similarity=similarity).scores["similarity"] == 0
    row = answer_row(asked(language="fa", gold=("کند است",)), answered("کند است"), similarity=similarity)
    assert (
        row.unscored == {"similarity": "builtin-minilm was trained on texts in en alone."} and row.scores["rougeL"] == 1
    )


def test_every_answer_of_the_sample_set_is_scored_the_same_twice(sample_library: Path) -> None:
    questions = read_questions(Path("data/questions/sample.jsonl"))[::9]
    with Library.open(sample_library, read_only=True) as library:
        similarity = similarity_by(library.text_embedding())
        twice = [
            [answer_row(one, library.ask(one.question), similarity=similarity) for one in questions] for _ in range(2)
        ]
    assert [(row.scores, row.unscored) for row in twice[0]] == [(row.scores, row.unscored) for row in twice[1]]
    assert sum(row.scores.get("right", 0) for row in twice[0]) >= 0.5 * len(questions)


def test_a_text_layer_with_lam_alef_turned_is_the_same_word() -> None:
    assert squeeze("شورای انقالب") == squeeze("شورای انقلاب")
    assert squeeze("انقلاب") != squeeze("انقلب")
