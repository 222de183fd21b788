"""Judging answers, and the citation check against the PDF itself."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pymupdf
import pytest

from eval.answers import holds, is_right, run
from eval.citations import check_citations, squeeze
from eval.questions import Question
from rag_app.answering.answer import Answer
from rag_app.citations import Citation
from rag_app.errors import LibraryError


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


class Oracle:
    """Answers by question text; 'broken' raises."""

    def ask(self, question: str, *, k: int = 8, answer: str | None = None) -> Answer:
        if question == "broken":
            raise LibraryError("gone")
        if question == "unknown":
            return answered("The papers do not say.", refused=True)
        return answered("It is slow [1].", citation("precise but slow."))


def test_run_scores_refusals_and_failures_beside_the_right_ones(pdf: Path) -> None:
    def ask(id: str, text: str, kind: str = "text") -> Question:
        gold = () if kind == "unanswerable" else ("slow",)
        return Question(id, text, "en", kind, "a.pdf", gold, (1,) if gold else ())

    asked = [ask("1", "known"), ask("2", "unknown"), ask("3", "broken")]
    asked += [ask("4", "unknown", "unanswerable"), ask("5", "known", "unanswerable")]
    report = run(Oracle(), asked, file_of=lambda _: pdf)
    scores = {name: score.value for name, score in report.scores().items()}
    assert scores == {
        "refused unanswerable": 0.5,
        "refused answerable": pytest.approx(1 / 3),
        "refusal precision": 0.5,
        "right": pytest.approx(1 / 3),
        "right when answered": 1.0,
        "page cited": pytest.approx(1 / 3),
    }
    assert report.citations() == {
        "verbatim": 2,
        "by words": 0,
        "a model's": 0,
        "unchecked": 0,
        "invented": 0,
    }
    assert report.to_dict()["failed"] == 1
    assert "1 of 5 questions failed" in report.table()


def test_a_text_layer_with_lam_alef_turned_is_the_same_word() -> None:
    from eval.citations import squeeze

    assert squeeze("شورای انقالب") == squeeze("شورای انقلاب")
    assert squeeze("انقلاب") != squeeze("انقلب")
