"""Retrieval: are the pages with the evidence, and the element that answers, among the first passages?

A passage shows a gold page when it is from the gold document and stands on it, among other pages or alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np

from eval.metrics.ranking import hit_at, ndcg_at, precision_at, recall_at, reciprocal_rank
from eval.questions import Question
from eval.runs.comparing import paired_bootstrap
from eval.runs.rows import Row
from eval.statistics import Mean, mean, text_table
from rag_app.errors import RagAppError
from rag_app.library import Library
from rag_app.reports import SearchResult, search_hit
from rag_app.retrieval.retriever import HALVES, HybridRetriever

DEPTHS = (1, 3, 5)


class Hit(Protocol):
    """One passage: the document's file name and the pages (1-based) it stands on."""

    @property
    def node_id(self) -> str: ...
    @property
    def document(self) -> str: ...
    @property
    def pages(self) -> Sequence[int]: ...
    @property
    def kind(self) -> str: ...
    @property
    def label(self) -> str | None: ...
    @property
    def score(self) -> float: ...
    @property
    def found_by(self) -> Sequence[str]: ...
    @property
    def text(self) -> str: ...


class Found(Protocol):
    @property
    def hits(self) -> Sequence[Hit]: ...
    @property
    def seconds(self) -> Mapping[str, float]: ...


def retrieval_row(question: Question, result: Found | None, error: str | None = None, *, k: int) -> Row:
    """The row of one question from the passages that a search for `k` found; `error` says why there are none.

    Scores, of a question that has gold pages; none of another:

    hit@1, @3, @5, @k  one of the first passages shows a gold page
    recall@5, @k       share of the gold pages that they show
    precision@5, @k    share of the first places that show a gold page
    mrr@k, ndcg@k      of the gold pages
    element@k          the gold element is one of them, where the question names one
    kind@k             one of them shows a gold page and is of the kind that holds the answer, where that is one kind
    """
    groups = {"language": question.language, "kind": question.kind}
    record: dict[str, Any] = {"question": question.to_dict(), "hits": []}  # Any: JSON
    if result is None:
        return Row(question.id, groups, error=error or "There is no result.", record=record)
    hits = list(result.hits[:k])
    record["hits"] = [
        {
            "node_id": hit.node_id,
            "document": hit.document,
            "pages": list(hit.pages),
            "kind": hit.kind,
            "label": hit.label,
            "score": hit.score,
            "found_by": list(hit.found_by),
            "text": hit.text,
        }
        for hit in hits
    ]
    return Row(question.id, groups, _scores(question, hits, k), seconds=dict(result.seconds), record=record)


def _scores(question: Question, hits: Sequence[Hit], k: int) -> dict[str, float]:
    if not (question.answerable and question.pages):
        return {}
    pages = frozenset(question.pages)
    shown = [pages & frozenset(hit.pages) if hit.document == question.document else frozenset() for hit in hits]
    scores: dict[str, float | None] = {f"hit@{n}": hit_at(shown, n) for n in sorted({*DEPTHS, k}) if n <= k}
    for n in sorted({min(5, k), k}):
        scores[f"recall@{n}"] = recall_at(shown, len(pages), n)
        scores[f"precision@{n}"] = precision_at(shown, n)
    scores[f"mrr@{k}"] = reciprocal_rank(shown, k)
    scores[f"ndcg@{k}"] = ndcg_at(shown, len(pages), k)
    if question.label:
        scores[f"element@{k}"] = float(
            any(hit.label == question.label and hit.document == question.document for hit in hits)
        )
    if question.kind in ("text", "table", "formula", "figure"):
        scores[f"kind@{k}"] = float(
            any(seen and hit.kind == question.kind for seen, hit in zip(shown, hits, strict=True))
        )
    return {name: value for name, value in scores.items() if value is not None}


def rows(search: Callable[[str], Found], questions: Sequence[Question], *, k: int) -> Iterator[Row]:
    """The row of each question, asked of `search` in turn; what raises an error of the application is a row too."""
    for question in questions:
        try:
            found = search(question.question)
        except RagAppError as exc:
            yield retrieval_row(question, None, str(exc), k=k)
        else:
            yield retrieval_row(question, found, k=k)


@dataclass(frozen=True, slots=True)
class Ablation:
    """The same questions with parts of the search left out; see `ablation`.

    rows: by setting, "all" first. absent: halves that this library does not have.
    """

    k: int
    rows: Mapping[str, tuple[Row, ...]]
    absent: tuple[str, ...] = ()

    def scores(self, setting: str) -> dict[str, Mean]:
        """Mean of each metric over the questions it applies to."""
        return _means(self.rows[setting])

    def change(self, setting: str) -> tuple[float, float, float] | None:
        """Mean of mrr@k less that of "all" over the questions that both could search for, with its 95 % interval.

        None where there is no such question, and for "all" itself.
        """
        name = f"mrr@{self.k}"
        pairs = zip(self.rows["all"], self.rows[setting], strict=True)
        steps = [new.scores[name] - old.scores[name] for old, new in pairs if name in old.scores and name in new.scores]
        if setting == "all" or not steps:
            return None
        low, high, _ = paired_bootstrap(np.asarray(steps))
        return float(np.mean(steps)), low, high

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return {
            "k": self.k,
            "absent": list(self.absent),
            "settings": {
                setting: {
                    "total": len(found),
                    "failed": sum(row.error is not None for row in found),
                    "change": self.change(setting),
                    "scores": {name: asdict(score) for name, score in self.scores(setting).items()},
                }
                for setting, found in self.rows.items()
            },
        }

    def table(self) -> str:
        shown = [f"hit@{n}" for n in DEPTHS if n <= self.k] + [f"{name}@{self.k}" for name in _SHOWN]
        lines = []
        for setting in self.rows:
            scores = self.scores(setting)
            change = self.change(setting)
            lines.append(
                [
                    setting,
                    *(f"{scores[name].value:.3f}" if name in scores else "-" for name in shown),
                    "{:+.3f} [{:+.3f}, {:+.3f}]".format(*change) if change else "-",
                ]
            )
        failed = sum(row.error is not None for found in self.rows.values() for row in found)
        notes = [f"{failed} searches failed."]
        notes += [f"No {half} half: the library has no model or no vectors for it." for half in self.absent]
        return "\n".join([text_table(["", *shown, f"mrr@{self.k} less that of all"], lines), *notes])


_SHOWN = ("recall", "precision", "mrr", "ndcg", "element", "kind")


def ablation(
    library: Library,
    questions: Sequence[Question],
    *,
    k: int = 10,
    on_progress: Callable[[int, int], None] | None = None,
) -> Ablation:
    """Search with everything, without each half, and with each half alone.

    A half is one of HALVES that the library has. Without fusion the halves' ranks are merged (RRF) instead of one
    weighted sum; fusion alone finds nothing, so it has no row. on_progress: called with searches done and in all.
    """
    asked = [question for question in questions if question.answerable and question.pages]
    there = library.as_retriever(k=k).halves
    settings = {"all": there}
    settings |= {f"without {half}": tuple(other for other in there if other != half) for half in there}
    settings |= {f"{half} alone": (half, "fusion") for half in there if half != "fusion"}
    done: dict[str, tuple[Row, ...]] = {}
    for number, (setting, halves) in enumerate(settings.items()):
        retriever = library.as_retriever(k=k, halves=halves)
        found: list[Row] = []
        for row in rows(partial(_search, retriever), asked, k=k):
            found.append(row)
            if on_progress:
                on_progress(number * len(asked) + len(found), len(settings) * len(asked))
        done[setting] = tuple(found)
    return Ablation(k, done, tuple(half for half in HALVES if half not in there))


def _search(retriever: HybridRetriever, text: str) -> SearchResult:
    found = retriever.find(text)
    return SearchResult(text, tuple(search_hit(hit.passage(), hit.parts) for hit in found.hits), found.seconds)


@dataclass(frozen=True, slots=True)
class RetrievalReport:
    """All questions, searched for; `skipped` of them are unanswerable or without a known page and have no score."""

    k: int
    rows: tuple[Row, ...]
    skipped: int

    def scores(self, rows: Sequence[Row]) -> dict[str, Mean]:
        """Mean of each metric over the questions it applies to."""
        return _means(rows)

    def groups(self) -> dict[str, list[Row]]:
        """Rows by language and by kind, in order of appearance."""
        out: dict[str, list[Row]] = {"all": list(self.rows)}
        for part in ("language", "kind"):
            for row in self.rows:
                out.setdefault(f"{part} {row.groups[part]}", []).append(row)
        return out

    @property
    def failed(self) -> int:
        return sum(row.error is not None for row in self.rows)

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return {
            "k": self.k,
            "scored": len(self.rows) - self.failed,
            "skipped": self.skipped,
            "failed": self.failed,
            "groups": {
                name: {score: asdict(value) for score, value in self.scores(group).items()}
                for name, group in self.groups().items()
            },
            "questions": [row.to_dict() for row in self.rows],
        }


def _means(rows: Sequence[Row]) -> dict[str, Mean]:
    values: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.scores.items():
            values.setdefault(name, []).append(value)
    return {name: mean(found) for name, found in values.items()}
