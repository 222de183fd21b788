"""Retrieval: is a page with the evidence among the first passages?

A passage counts when it is from the gold document and any of its pages is a gold page.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from eval.questions import Question
from eval.statistics import Mean, mean, text_table
from rag_app.errors import RagAppError


class Hit(Protocol):
    """One passage: the document's file name and the pages (1-based) it stands on."""

    @property
    def document(self) -> str: ...
    @property
    def pages(self) -> Sequence[int]: ...
    @property
    def kind(self) -> str: ...


class Found(Protocol):
    @property
    def hits(self) -> Sequence[Hit]: ...


class Searchable(Protocol):
    """What `run` needs of a library."""

    def search(self, text: str, *, k: int = 10) -> Found: ...


@dataclass(frozen=True, slots=True)
class Ranked:
    """One question: for each passage, best first, the gold pages it shows. error: why it could not be searched."""

    id: str
    language: str
    kind: str
    gold: frozenset[int]
    shown: tuple[frozenset[int], ...]
    error: str | None = None

    @property
    def rank(self) -> int | None:
        """Rank of the first right passage, from 1."""
        return next((i for i, pages in enumerate(self.shown, start=1) if pages), None)


def recall_at(ranked: Ranked, k: int) -> float:
    """1 when one of the first k passages is right, else 0."""
    return float(ranked.rank is not None and ranked.rank <= k)


def pages_at(ranked: Ranked, k: int) -> float:
    """Share of the gold pages among the first k passages, 0 to 1."""
    return len(frozenset().union(*ranked.shown[:k])) / len(ranked.gold)


def reciprocal_rank(ranked: Ranked, k: int) -> float:
    """1 / rank of the first right passage among the first k, 0 when there is none."""
    return 1 / ranked.rank if ranked.rank is not None and ranked.rank <= k else 0.0


def ndcg_at(ranked: Ranked, k: int) -> float:
    """nDCG with binary gain (Järvelin and Kekäläinen 2002): a passage gains 1 when it shows a gold page not yet shown.

    The ideal order shows a new gold page at each of the first ranks.
    """
    seen: set[int] = set()
    gain = 0.0
    for i, pages in enumerate(ranked.shown[:k], start=1):
        if pages - seen:
            gain += 1 / math.log2(i + 1)
            seen |= pages
    ideal = sum(1 / math.log2(i + 1) for i in range(1, min(k, len(ranked.gold)) + 1))
    return gain / ideal


@dataclass(frozen=True, slots=True)
class RetrievalReport:
    """All questions, ranked; `skipped` are unanswerable or without a known page and are not scored."""

    k: int
    ranked: tuple[Ranked, ...]
    skipped: int

    def scores(self, ranked: Iterable[Ranked] | None = None) -> dict[str, Mean]:
        """recall@1, @3, @5, @k, mrr@k, ndcg@k, pages@k of the given questions; of all when None."""
        chosen = list(self.ranked if ranked is None else ranked)
        out = {f"recall@{n}": mean([recall_at(r, n) for r in chosen]) for n in sorted({1, 3, 5, self.k})}
        out[f"mrr@{self.k}"] = mean([reciprocal_rank(r, self.k) for r in chosen])
        out[f"ndcg@{self.k}"] = mean([ndcg_at(r, self.k) for r in chosen])
        out[f"pages@{self.k}"] = mean([pages_at(r, self.k) for r in chosen])
        return out

    def groups(self) -> dict[str, list[Ranked]]:
        """Questions by language and by kind, in order of appearance."""
        out: dict[str, list[Ranked]] = {"all": list(self.ranked)}
        for part in ("language", "kind"):
            for ranked in self.ranked:
                out.setdefault(f"{part} {getattr(ranked, part)}", []).append(ranked)
        return out

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return {
            "k": self.k,
            "scored": len(self.ranked),
            "skipped": self.skipped,
            "failed": sum(r.error is not None for r in self.ranked),
            "groups": {
                name: {score: dataclasses.asdict(value) for score, value in self.scores(group).items()}
                for name, group in self.groups().items()
            },
            "questions": [
                {"id": r.id, "language": r.language, "kind": r.kind, "rank": r.rank, "error": r.error}
                for r in self.ranked
            ],
        }

    def table(self) -> str:
        names = list(self.scores([]))
        rows = []
        for group, ranked in self.groups().items():
            scores = self.scores(ranked)
            shown = [str(scores[n]) if group == "all" else f"{scores[n].value:.3f}" for n in names]
            rows.append([group, len(ranked), *shown])
        failed = sum(r.error is not None for r in self.ranked)
        note = (
            f"{len(self.ranked)} scored ({failed} of them failed and count as 0), {self.skipped} without a gold page."
        )
        return f"{text_table(['', 'n', *names], rows)}\n{note} Intervals: 95 % bootstrap over questions."


def run(
    library: Searchable,
    questions: Sequence[Question],
    *,
    k: int = 10,
    on_progress: Callable[[int, int], None] | None = None,
) -> RetrievalReport:
    """Search for every answerable question with a gold page and see where that page comes. k: passages looked at."""
    asked = [q for q in questions if q.answerable and q.pages]
    ranked: list[Ranked] = []
    for done, question in enumerate(asked, start=1):
        gold = frozenset(question.pages)
        shown: tuple[frozenset[int], ...] = ()
        error: str | None = None
        try:
            hits = library.search(question.question, k=k).hits
            shown = tuple(gold & frozenset(h.pages) if h.document == question.document else frozenset() for h in hits)
        except RagAppError as exc:
            error = str(exc)
        ranked.append(Ranked(question.id, question.language, question.kind, gold, shown, error))
        if on_progress:
            on_progress(done, len(asked))
    return RetrievalReport(k, tuple(ranked), skipped=len(questions) - len(asked))
