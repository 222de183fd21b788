"""What is found for a question, by which half, and in which order."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_app import Library
from rag_app.evidence import Question
from rag_app.retrieval.diversity import diversified
from rag_app.retrieval.question import language_of, understand
from rag_app.retrieval.scoring import Candidate, Weights, coverage, idf, score, window_coverage


@pytest.fixture(scope="module")
def library(sample_library: Path) -> Iterator[Library]:
    with Library.open(sample_library) as opened:
        yield opened


@pytest.mark.parametrize(
    ("text", "language", "labels", "kinds"),
    [
        ("What does Table 3 report?", "en", ("Table 3",), ("table",)),
        ("Explain Eq. (5) and Figs. 2-3.", "en", ("Equation 5", "Figure 2", "Figure 3"), ("figure", "formula")),
        ("What is in fig. 2b?", "en", ("Figure 2",), ("figure",)),
        ("در جدول ۲ چه آمده است؟", "fa", ("Table 2",), ("table",)),
        ("شکل ۱ را توضیح بده", "fa", ("Figure 1",), ("figure",)),
        ("How many pairs?", "en", (), ()),
        ("ما هي النتيجة", "ar", (), ()),
        ("مدل BLIP-2 چیست؟", "fa", (), ()),
    ],
)
def test_a_question_is_understood(text: str, language: str, labels: tuple[str, ...], kinds: tuple[str, ...]) -> None:
    question = understand(text, {})
    assert (question.language, question.labels, question.kinds) == (language, labels, kinds)


@given(st.text())
def test_any_text_is_a_question(text: str) -> None:
    assert understand(text, {}).text == text
    assert language_of(text) in ("en", "fa", "ar")


def test_idf_by_hand() -> None:
    weights = idf(10, {"common": 10, "rare": 1, "unknown": 0})
    assert weights["rare"] == pytest.approx(math.log(1 + 9.5 / 1.5))
    assert weights["unknown"] > weights["rare"] > weights["common"] > 0


def test_window_coverage_by_hand() -> None:
    weights = {"a": 1.0, "b": 2.0, "c": 1.0}
    assert window_coverage(weights, ["a", "x", "b"], width=3) == pytest.approx(0.75)
    assert window_coverage(weights, ["a", "x", "x", "b"], width=3) == pytest.approx(0.5)
    assert window_coverage(weights, [], width=3) == 0
    assert window_coverage({}, ["a"], width=3) == 0


@given(st.lists(st.sampled_from("abcxyz")), st.integers(1, 8))
def test_window_coverage_is_that_of_the_best_window(own: list[str], width: int) -> None:
    weights = {"a": 1.0, "b": 2.0, "c": 0.5}
    windows = [set(own[i : i + width]) for i in range(len(own))]
    best = max((sum(w for t, w in weights.items() if t in window) for window in windows), default=0.0)
    assert window_coverage(weights, own, width=width) == pytest.approx(best / 3.5)


def test_what_stands_around_counts_half() -> None:
    assert coverage({"a": 1.0, "b": 1.0}, {"a"}, {"b"}) == pytest.approx(0.75)


def test_each_part_of_the_score_can_win() -> None:
    question = Question("q", "en", ("a", "b"), {"a": 1.0, "b": 1.0}, ("Table 2",), ("table",))
    plain = Candidate(["zz"], frozenset(), frozenset(), "text", None, "d")
    better = {
        "lexical": dataclasses.replace(plain, bm25=1.0),
        "dense": dataclasses.replace(plain, cosine=0.5),
        "coverage": dataclasses.replace(plain, own=["a", "zz", "b"]),
        "label": dataclasses.replace(plain, label="Table 2"),
        "kind": dataclasses.replace(plain, kind="table"),
        "mention": dataclasses.replace(plain, mentioned_by_best=True),
    }
    for part, candidate in better.items():
        (low, _), (high, parts) = score(
            question, [plain, dataclasses.replace(candidate, bm25=max(candidate.bm25, 0.1))], Weights(), {}
        )
        assert high > low
        assert part in parts
    (text, _), (ocr, _) = score(question, [plain, dataclasses.replace(plain, ocr=True)], Weights(), {})
    assert ocr < text


def test_mmr_drops_the_copy_and_keeps_the_best_first() -> None:
    same, other = frozenset("abc"), frozenset("xyz")
    assert diversified([0.9, 0.89, 0.8], [same, same, other], [1, 2, 3], k=2) == [0, 2]
    assert diversified([0.9, 0.89, 0.5], [same, other, other], [1, 1, 1], k=3) == [0, 1, 2]
    assert diversified([], [], [], k=3) == []


@pytest.mark.parametrize(
    ("question", "label"),
    [
        ("What does Table 2 show?", "Table 2"),
        ("What is shown in Figure 4?", "Figure 4"),
        ("Explain equation 5.", "Equation 5"),
    ],
)
def test_a_named_element_comes_first(library: Library, question: str, label: str) -> None:
    (first, *_) = library.search(question, papers=["vision_language_models.pdf"]).hits
    assert (first.label, "label" in first.found_by) == (label, True)


def test_a_persian_name_of_an_element_leads_to_it(library: Library) -> None:
    (first, *_) = library.search("جدول ۱ چه نشان می‌دهد؟", papers=["clip_fa.pdf"]).hits
    assert first.label == "Table 1"


def test_both_halves_find_and_are_named(library: Library) -> None:
    hits = library.search("image-caption pairs that CLIP was trained on").hits
    assert {half for hit in hits for half in hit.found_by} >= {"lexical", "dense"}


def test_a_persian_question_is_found_by_its_words_alone(library: Library) -> None:
    hits = library.search("قاعده‌های یکدست کردن نوشتهٔ فارسی").hits
    assert hits[0].document == "clip_fa.pdf"
    assert all("dense" not in hit.found_by for hit in hits)


def test_filters_hold_inside_the_search(library: Library) -> None:
    paper = "vision_language_models.pdf"
    tables = library.search("recall of the simulation", kinds=["table"], k=5).hits
    assert tables and {hit.kind for hit in tables} == {"table"}
    second = library.search("temperature", papers=[paper], pages=[2], k=5).hits
    assert second and all(2 in hit.pages and hit.document == paper for hit in second)
    assert library.search("temperature", papers=["clip_fa.pdf"], pages=[99]).hits == ()


def test_references_are_found_only_when_asked_for(library: Library) -> None:
    words = "Radford learning transferable visual models from natural language supervision"
    assert all(hit.kind != "reference" for hit in library.search(words).hits)
    assert library.search(words, kinds=["reference"]).hits[0].kind == "reference"


@pytest.mark.parametrize("text", ["", "   ", "?", "the of", "🙂", '"', "a" * 5000, "NEAR(a b)", "x OR"])
def test_strange_queries_give_hits_or_none_and_never_fail(library: Library, text: str) -> None:
    assert library.search(text, k=3).query == text


def test_neighbours_come_along_behind_the_hits(library: Library) -> None:
    retriever = library.as_retriever(k=3)
    found = retriever.find("How many image-caption pairs was CLIP trained on?")
    passages = retriever.with_neighbours(found)
    assert [p.node_id for p in passages[:3]] == [hit.stored.node_id for hit in found.hits]
    around = passages[3:]
    assert around and all(p.found_by == ("neighbour",) for p in around)
    assert len({p.node_id for p in passages}) == len(passages)
    assert max(p.score for p in around) < found.hits[0].score
