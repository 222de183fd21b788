"""Answers: right where there is an answer, refused where there is none, and no invented citation."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from llama_index.core.base.embeddings.base import BaseEmbedding

from eval.citations import VERDICTS, Checked, check_citations, squeeze
from eval.metrics.evidence import (
    citation_precision,
    citation_recall,
    refusal_precision,
    refusal_recall,
    unsupported_number_rate,
)
from eval.metrics.numbers import is_quantity, numeric_match
from eval.metrics.texts import bleu, chrf, exact_match, rouge, token_f1
from eval.questions import Question
from eval.runs.rows import Row
from eval.statistics import Mean, mean, text_table
from rag_app.answering.answer import Answer
from rag_app.embeddings import languages_of
from rag_app.errors import RagAppError, UsageError
from rag_app.retrieval.question import language_of


class Askable(Protocol):
    """What `run` needs of a library."""

    def ask(self, question: str, *, k: int = 8, answer: str | None = None) -> Answer: ...


@dataclass(frozen=True, slots=True)
class Judged:
    """One question and what came of it.

    right       the gold answer is in the answer; False when refused; None for an unanswerable question
    page_cited  a citation leads to a gold page; None for an unanswerable question
    checked     the independent verdict on each citation
    error       why there is no answer at all; such a question is neither right nor refused
    """

    id: str
    language: str
    kind: str
    answerable: bool
    refused: bool
    right: bool | None
    page_cited: bool | None
    confidence: float | None
    answer: str
    checked: tuple[Checked, ...] = ()
    error: str | None = None


class Similarity(Protocol):
    """Likeness in meaning of two texts, 0 to 1; see `similarity_by`."""

    def __call__(self, a: str, b: str) -> float: ...


def similarity_by(embedding: BaseEmbedding) -> Similarity:
    """Cosine of the texts' embeddings, at least 0; of `Library.text_embedding()`, for instance.

    The function raises UsageError for a text in a language that the embedding was not trained on.
    """
    known = languages_of(embedding)

    def similarity(a: str, b: str) -> float:
        strange = {language_of(text) for text in (a, b)} - known if known is not None else set()
        if strange:
            raise UsageError(f"{embedding.model_name} was not trained on {', '.join(sorted(strange))}.")
        x, y = (np.asarray(vector) for vector in embedding.get_text_embedding_batch([a, b]))
        return min(1.0, max(0.0, float(x @ y / (np.linalg.norm(x) * np.linalg.norm(y)))))

    return similarity


def answer_row(
    question: Question,
    answer: Answer | None,
    error: str | None = None,
    *,
    checked: Sequence[Checked] = (),
    similarity: Similarity | None = None,
) -> Row:
    """The row of one question from its answer; `error` says why there is none. docs/metrics.md defines the scores.

    Args:
        checked: verdicts on the answer's citations, as `eval.citations.check_citations` gives them.
        similarity: for the metric of that name, which is left out when None.
    """
    groups = {"language": question.language, "kind": question.kind}
    record: dict[str, Any] = {  # Any: JSON
        "question": question.to_dict(),
        "answer": answer.to_dict() if answer else None,
        "checked": [dataclasses.asdict(one) for one in checked],
    }
    if answer is None:
        return Row(question.id, groups, error=error or "There is no answer.", record=record)
    refused, answerable = answer.refused, question.answerable
    scores: dict[str, float | None] = {
        "refusal_precision": refusal_precision(refused=refused, answerable=answerable),
        "refusal_recall": refusal_recall(refused=refused, answerable=answerable),
        "citation_valid": _valid(checked),
    }
    unscored: dict[str, str] = {}
    if not refused:
        rate = unsupported_number_rate(_said(answer), _sources(answer))
        scores["numbers_supported"] = None if rate is None else 1 - rate
    if answerable:
        right = float(is_right(answer, question))
        scores |= {"right": right, "right_if_answered": None if refused else right, "answered": float(not refused)}
        scores |= _against_pages(question, answer) | _against_gold(question, answer)
        if similarity:
            try:
                scores["similarity"] = 0.0 if refused else max(similarity(_said(answer), g) for g in question.answers)
            except RagAppError as exc:
                unscored["similarity"] = str(exc)
    applying = {name: value for name, value in scores.items() if value is not None}
    return Row(question.id, groups, applying, unscored, seconds=answer.seconds, record=record)


def _against_pages(question: Question, answer: Answer) -> dict[str, float | None]:
    gold = {(question.document or "", page) for page in question.pages}
    cited = [{(c.document, page) for page, _ in c.places} for c in answer.citations]
    found = citation_recall(cited, gold)
    return {
        "page_cited": None if found is None else float(found > 0),
        "citation_precision": citation_precision(cited, gold),
        "citation_recall": found,
    }


def _against_gold(question: Question, answer: Answer) -> dict[str, float | None]:
    """The answer's words against the gold answers; a refusal says nothing of what was asked, whatever its words."""
    said = "" if answer.refused else _said(answer)
    gold = question.answers
    in_formulas = question.kind == "formula"  # whose digits are indices and exponents
    return {
        "exact_match": exact_match(said, gold),
        "numeric_match": None if in_formulas else numeric_match(said, gold, tolerance=question.tolerance or 0.0),
        "token_f1": token_f1(said, gold),
        **rouge(said, gold),
        "bleu": bleu(said, gold),
        "chrf": chrf(said, gold),
    }


def _valid(checked: Sequence[Checked]) -> float | None:
    """Share of the citations, of those that could be looked up in the file, whose quote stands there."""
    looked_up = [one.verdict for one in checked if one.verdict in ("verbatim", "by words", "invented")]
    return sum(verdict != "invented" for verdict in looked_up) / len(looked_up) if looked_up else None


def _said(answer: Answer) -> str:
    return _MARK.sub("", answer.answer)


def _sources(answer: Answer) -> list[str]:
    """What the numbers of an answer may come from: the question, what was found, and what is cited of it."""
    found = [text for one in answer.evidence for text in (one.text, one.label or "")]
    cited = [text for one in answer.citations for text in (one.quote, one.title, one.label or "")]
    return [answer.question, *found, *cited]


_MARK = re.compile(r"\[\d{1,3}\]")  # a citation


def is_right(answer: Answer, question: Question) -> bool:
    """The answer holds an accepted string (all of them for cross_page), or cites the figure or formula that answers."""
    if answer.refused:
        return False
    if question.kind in ("figure", "formula") and question.label in {c.label for c in answer.citations}:
        return any(c.label == question.label and c.document == question.document for c in answer.citations)
    held = [holds(answer.answer, gold, tolerance=question.tolerance or 0.0) for gold in question.answers]
    return all(held) if question.kind == "cross_page" else any(held)


def holds(text: str, gold: str, *, tolerance: float = 0.0) -> bool:
    """Whether `gold` stands in `text`: as a number within the tolerance and in any unit, or letter for letter.

    Blanks, punctuation, case, letter forms and digits' script do not matter. A number has to be the same number: the
    digits alone would be found in a longer one.
    """
    if is_quantity(gold):
        return numeric_match(text, [gold], tolerance=tolerance) == 1.0
    return bool(squeeze(gold)) and squeeze(gold) in squeeze(text)


@dataclass(frozen=True, slots=True)
class AnswersReport:
    """All questions, judged."""

    judged: tuple[Judged, ...]

    def scores(self) -> dict[str, Mean]:
        """Shares, 0 to 1, with intervals.

        refused unanswerable / answerable    of the questions of that sort
        refusal precision                    unanswerable ones among the refused
        right, page cited                    of the answerable questions, a refusal counting as 0
        right when answered                  of the answerable questions that were answered
        """
        answerable = [j for j in self.judged if j.answerable]
        return {
            "refused unanswerable": mean([j.refused for j in self.judged if not j.answerable]),
            "refused answerable": mean([j.refused for j in answerable]),
            "refusal precision": mean([not j.answerable for j in self.judged if j.refused]),
            "right": mean([bool(j.right) for j in answerable]),
            "right when answered": mean([bool(j.right) for j in answerable if not j.refused and not j.error]),
            "page cited": mean([bool(j.page_cited) for j in answerable]),
        }

    def citations(self) -> dict[str, int]:
        """How many citations got which verdict, over all answers."""
        counts = Counter(checked.verdict for j in self.judged for checked in j.checked)
        return {verdict: counts[verdict] for verdict in VERDICTS}

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return {
            "total": len(self.judged),
            "failed": sum(j.error is not None for j in self.judged),
            "scores": {name: dataclasses.asdict(score) for name, score in self.scores().items()},
            "citations": self.citations(),
            "questions": [dataclasses.asdict(j) for j in self.judged],
        }

    def table(self) -> str:
        rows = [[name, score.n, score] for name, score in self.scores().items()]
        parts = [text_table(["", "n", "share"], rows)]
        kinds = dict.fromkeys((j.language, j.kind) for j in self.judged)
        by_kind = []
        for language, kind in kinds:
            group = [j for j in self.judged if (j.language, j.kind) == (language, kind)]
            right = sum(bool(j.right) for j in group) if kind != "unanswerable" else "-"
            by_kind.append([f"{language} {kind}", len(group), right, sum(j.refused for j in group)])
        parts.append(text_table(["", "n", "right", "refused"], by_kind))
        counts = ", ".join(f"{count} {verdict}" for verdict, count in self.citations().items())
        parts.append(f"Citations, checked in the original files: {counts}.")
        for j in self.judged:
            parts += [f"  {j.id} [{c.n}]: {c.reason}" for c in j.checked if c.verdict == "invented"]
        failed = [j for j in self.judged if j.error]
        parts += [f"{len(failed)} of {len(self.judged)} questions failed.", *(f"  {j.id}: {j.error}" for j in failed)]
        return "\n\n".join(parts[:2]) + "\n\n" + "\n".join(parts[2:])


def run(
    library: Askable,
    questions: Sequence[Question],
    *,
    file_of: Callable[[str], Path],
    k: int = 8,
    answer: str | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> AnswersReport:
    """Ask every question and judge the answer.

    Args:
        file_of: document id to the original file, for the citation check.
        k: passages an answer may rest on. answer: name of the answering model, the library's when None.
    """
    judged: list[Judged] = []
    for done, question in enumerate(questions, start=1):
        head = (question.id, question.language, question.kind, question.answerable)
        try:
            given = library.ask(question.question, k=k, answer=answer)
        except RagAppError as exc:
            judged.append(
                Judged(*head, refused=False, right=None, page_cited=None, confidence=0.0, answer="", error=str(exc))
            )
        else:
            judged.append(_judge(given, question, head, file_of))
        if on_progress:
            on_progress(done, len(questions))
    return AnswersReport(tuple(judged))


def _judge(
    given: Answer, question: Question, head: tuple[str, str, str, bool], file_of: Callable[[str], Path]
) -> Judged:
    pages = {(c.document, page) for c in given.citations for page, _ in c.places}
    gold = {(question.document, page) for page in question.pages}
    return Judged(
        *head,
        refused=given.refused,
        right=is_right(given, question) if question.answerable else None,
        page_cited=bool(pages & gold) if question.answerable else None,
        confidence=given.confidence,
        answer=given.answer,
        checked=check_citations(given.answer, given.citations, file_of),
    )
