"""Answers: right where there is an answer, refused where there is none, and no invented citation."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llama_index.core.base.embeddings.base import BaseEmbedding

from eval.citations import Checked, squeeze
from eval.metrics.evidence import (
    citation_precision,
    citation_recall,
    refusal_precision,
    refusal_recall,
    unsupported_number_rate,
)
from eval.metrics.numbers import is_quantity, numeric_match
from eval.metrics.texts import bleu, chrf, exact_match, rouge, token_f1, token_recall
from eval.questions import Question
from eval.runs.rows import Row
from rag_app.answering.answer import Answer
from rag_app.embeddings import languages_of
from rag_app.errors import RagAppError, UsageError
from rag_app.retrieval.question import language_of
from rag_app.searchable import query_terms, terms

Similarity = Callable[[str, str], float]
"""Likeness in meaning of two texts, 0 to 1; see `similarity_by`."""


def similarity_by(embedding: BaseEmbedding) -> Similarity:
    """Cosine of the texts' embeddings, at least 0; of `Library.text_embedding()`, for instance.

    The function raises UsageError for a text in a language that the embedding was not trained on.
    """
    known = languages_of(embedding)

    def similarity(a: str, b: str) -> float:
        if known is not None and not known.issuperset(map(language_of, (a, b))):
            raise UsageError(f"{embedding.model_name} was trained on texts in {', '.join(sorted(known))} alone.")
        x, y = (np.asarray(vector) for vector in embedding.get_text_embedding_batch([a, b]))
        size = float(np.linalg.norm(x) * np.linalg.norm(y))
        return min(1.0, max(0.0, float(x @ y) / size)) if size else 0.0

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
    scores: dict[str, float | None] = {}
    unscored: dict[str, str] = {}
    if answerable:
        right = float(is_right(answer, question))
        scores |= {"right": right, "right_if_answered": None if refused else right, "answered": float(not refused)}
        scores |= _against_pages(question, answer) | _against_gold(question, answer)
        if similarity:
            try:
                scores["similarity"] = 0.0 if refused else max(similarity(_said(answer), g) for g in question.answers)
            except RagAppError as exc:
                unscored["similarity"] = str(exc)
    rate = None if refused else unsupported_number_rate(_said(answer), _sources(answer))
    scores |= {
        "numbers_supported": None if rate is None else 1 - rate,
        "citation_valid": _valid(checked),
        "refusal_precision": refusal_precision(refused=refused, answerable=answerable),
        "refusal_recall": refusal_recall(refused=refused, answerable=answerable),
    }
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
    gold = question.answers if question.kind != "cross_page" else (" ".join(question.answers),)  # it takes them all
    in_formulas = question.kind == "formula"  # whose digits are indices and exponents
    return {
        "exact_match": exact_match(said, gold),
        "numeric_match": None if in_formulas else numeric_match(said, gold, tolerance=question.tolerance or 0.0),
        "token_f1": token_f1(said, gold),
        "token_recall": token_recall(said, gold),
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
    """The answer holds an accepted string (all of them for cross_page), or cites the figure or formula that answers.

    It holds a string of three telling words or more also where it has them all, in whatever order and inflection.
    """
    if answer.refused:
        return False
    if question.kind in ("figure", "formula") and question.label in {c.label for c in answer.citations}:
        return any(c.label == question.label and c.document == question.document for c in answer.citations)
    held = [
        holds(answer.answer, gold, tolerance=question.tolerance or 0.0) or _has_all_words(_said(answer), gold)
        for gold in question.answers
    ]
    return all(held) if question.kind == "cross_page" else any(held)


def _has_all_words(text: str, gold: str) -> bool:
    wanted = set(query_terms(gold))
    return len(wanted) >= 3 and wanted <= set(terms(text))


def holds(text: str, gold: str, *, tolerance: float = 0.0) -> bool:
    """Whether `gold` stands in `text`: as a number within the tolerance and in any unit, or letter for letter.

    Blanks, punctuation, case, letter forms and digits' script do not matter. A number has to be the same number: the
    digits alone would be found in a longer one.
    """
    if is_quantity(gold):
        return numeric_match(text, [gold], tolerance=tolerance) == 1.0
    return bool(squeeze(gold)) and squeeze(gold) in squeeze(text)
