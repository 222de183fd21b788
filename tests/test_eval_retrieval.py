"""Rows of retrieval, worked by hand; the report over them; parts of the search left out."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from eval.questions import Question, read_questions
from eval.retrieval import RetrievalReport, ablation, retrieval_row, rows
from eval.statistics import mean
from rag_app.errors import LibraryError, UsageError
from rag_app.library import Library
from rag_app.retrieval.retriever import HALVES
from rag_app.retrieval.scoring import Weights, by_ranks


def test_mean_and_interval() -> None:
    m = mean([0, 1, 1, 1])
    assert m.value == 0.75 and m.n == 4 and 0 <= m.low <= 0.75 <= m.high <= 1
    assert mean([1, 1, 1]).low == 1
    assert mean([0, 1] * 8) == mean([0, 1] * 8)  # seeded
    assert math.isnan(mean([]).value) and str(mean([])) == "-"


@dataclass(frozen=True)
class Hit:
    document: str
    pages: tuple[int, ...]
    kind: str = "text"
    label: str | None = None
    node_id: str = "node"
    score: float = 0.5
    found_by: tuple[str, ...] = ("lexical",)
    text: str = "words"


@dataclass(frozen=True)
class Found:
    hits: tuple[Hit, ...]
    seconds: dict[str, float] = field(default_factory=lambda: {"total": 0.25})


def question(
    id: str, text: str = "?", kind: str = "text", pages: tuple[int, ...] = (3,), label: str | None = None
) -> Question:
    return Question(id, text, "en", kind, "a.pdf", ("x",) if pages else (), pages, label=label)


def test_a_row_by_hand() -> None:
    """Gold pages 3 and 9; the table itself comes third, by another page than the text that is right at rank 2."""
    hits = (Hit("other.pdf", (3,)), Hit("a.pdf", (2, 3)), Hit("a.pdf", (9,), "table", "Table 2"), Hit("a.pdf", (3,)))
    row = retrieval_row(question("1", kind="table", pages=(3, 9), label="Table 2"), Found(hits), k=10)
    assert row.scores == {
        "hit@1": 0.0,
        "hit@3": 1.0,
        "hit@5": 1.0,
        "hit@10": 1.0,
        "recall@5": 1.0,
        "precision@5": pytest.approx(3 / 5),
        "recall@10": 1.0,
        "precision@10": pytest.approx(3 / 10),
        "mrr@10": 0.5,
        "ndcg@10": pytest.approx((1 / math.log2(3) + 1 / math.log2(4)) / (1 + 1 / math.log2(3))),
        "element@10": 1.0,
        "kind@10": 1.0,
    }
    assert row.groups == {"language": "en", "kind": "table"} and row.seconds == {"total": 0.25}
    assert row.record["question"]["pages"] == (3, 9)
    assert row.record["hits"][2] == {
        "node_id": "node",
        "document": "a.pdf",
        "pages": [9],
        "kind": "table",
        "label": "Table 2",
        "score": 0.5,
        "found_by": ["lexical"],
        "text": "words",
    }


def test_k_limits_what_is_looked_at() -> None:
    hits = (Hit("other.pdf", (3,)), Hit("a.pdf", (3,)))
    row = retrieval_row(question("1"), Found(hits), k=1)
    assert row.scores == {"hit@1": 0, "recall@1": 0, "precision@1": 0, "mrr@1": 0, "ndcg@1": 0, "kind@1": 0}
    assert len(row.record["hits"]) == 1


def test_what_has_no_gold_page_has_no_score_and_what_failed_says_why() -> None:
    assert retrieval_row(question("1", kind="unanswerable", pages=()), Found((Hit("a.pdf", (1,)),)), k=5).scores == {}
    row = retrieval_row(question("2"), None, "no index", k=5)
    assert (row.error, row.scores, row.record["hits"]) == ("no index", {}, [])


def test_an_element_of_another_paper_does_not_count() -> None:
    hits = (Hit("other.pdf", (3,), "table", "Table 2"), Hit("a.pdf", (3,), "text", None))
    scores = retrieval_row(question("1", kind="table", label="Table 2"), Found(hits), k=5).scores
    assert (scores["element@5"], scores["kind@5"], scores["hit@5"]) == (0, 0, 1)


def test_rows_and_report_count_what_failed() -> None:
    def search(text: str) -> Found:
        if text == "broken":
            raise LibraryError("no index")
        return Found((Hit("other.pdf", (3,)), Hit("a.pdf", (2, 3)), Hit("a.pdf", (9,))))

    found = tuple(rows(search, [question("1", "works"), question("2", "broken")], k=5))
    assert found[0].scores["mrr@5"] == 0.5  # page 3 of another document does not count
    assert found[1].error == "no index"
    as_json = RetrievalReport(5, found, skipped=1).to_dict()
    assert (as_json["scored"], as_json["failed"], as_json["skipped"]) == (1, 1, 1)
    assert as_json["groups"]["language en"]["recall@5"] == {"value": 1.0, "low": 1.0, "high": 1.0, "n": 1}


def test_each_half_of_the_search_can_be_left_out(sample_library: Path) -> None:
    """With everything it finds most; by vectors alone it knows no Persian; a half that is off finds nothing."""
    asked = read_questions(Path("data/questions/sample.jsonl"))[:12]
    with Library.open(sample_library, read_only=True) as library:
        found = ablation(library, asked, k=5)
        again = ablation(library, asked, k=5)
    assert list(found.rows) == [
        "all",
        *(f"without {half}" for half in HALVES if half != "image"),
        *(f"{half} alone" for half in HALVES if half not in ("image", "fusion")),
    ]
    assert found.absent == ("image",)  # the builtin image model takes no words
    hits = {setting: found.scores(setting)["hit@5"].value for setting in found.rows}
    assert hits["all"] == 1.0 and hits["structure alone"] < hits["lexical alone"]
    for setting, of in found.rows.items():
        by = {half for row in of for hit in row.record["hits"] for half in hit["found_by"]}
        match setting.split():
            case ["without", ("lexical" | "dense") as half]:
                assert half not in by
            case ["without", "structure"]:
                assert not by & {"label", "mention"}
            case [("lexical" | "dense") as half, "alone"]:
                assert by <= {half}
    assert {s: v["scores"] for s, v in found.to_dict()["settings"].items()} == {
        s: v["scores"] for s, v in again.to_dict()["settings"].items()
    }
    assert "without fusion" in found.table() and "0 searches failed" in found.table()
    assert "No image half" in found.table()
    mrr = {setting: found.scores(setting)["mrr@5"].value for setting in found.rows}
    change = found.change("structure alone")
    assert change is not None and change[0] == pytest.approx(mrr["structure alone"] - mrr["all"])
    assert change[1] <= change[0] <= change[2] < 0 and found.change("all") is None


def test_without_fusion_ranks_are_merged() -> None:
    """RRF by hand: row 7 is first by words and third by vectors, row 8 second by words, row 9 first by vectors."""
    ranks = {"lexical": {7: 1, 8: 2}, "dense": {9: 1, 5: 2, 7: 3}}
    scores = [score for score, _ in by_ranks(ranks, [7, 8, 9])]
    assert scores == pytest.approx([1 / 61 + 1 / 63, 1 / 62, 1 / 61])


def test_weights_without_a_half_have_nothing_of_what_it_knows() -> None:
    weights = Weights().without(["lexical", "fusion"])
    assert (weights.lexical, weights.coverage, weights.document, weights.pairs, weights.window) == (0, 0, 0, 0, 0)
    assert (weights.dense, weights.label) == (Weights().dense, Weights().label)


def test_an_unknown_half_is_told(sample_library: Path) -> None:
    with (
        Library.open(sample_library, read_only=True) as library,
        pytest.raises(UsageError, match=r"no half 'lexica'\. It has lexical, dense, image, structure, fusion"),
    ):
        library.as_retriever(halves=["lexica"])
