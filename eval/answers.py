"""Answers: right where there is an answer, refused where there is none, and no invented citation."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from eval.citations import VERDICTS, Checked, check_citations, squeeze
from eval.questions import Question
from eval.runs.rows import Row
from eval.statistics import Mean, mean, text_table
from rag_app.answering.answer import Answer
from rag_app.errors import RagAppError


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


Similarity = Callable[[str, str], float | None]
"""Likeness in meaning of an answer and a gold answer, 0 to 1; None where the model does not know the language."""


def answer_row(
    question: Question,
    answer: Answer | None,
    error: str | None = None,
    *,
    checked: Sequence[Checked] = (),
    similarity: Similarity | None = None,
) -> Row:
    """The row of one question from its answer; `error` says why there is none.

    Args:
        checked: verdicts on the answer's citations, as `eval.citations.check_citations` gives them.
        similarity: for the metric of that name, which is left out when None.
    """
    groups = {"language": question.language, "kind": question.kind}
    record: dict[str, Any] = {  # Any: JSON
        "question": dataclasses.asdict(question),
        "answer": answer.to_dict() if answer else None,
        "checked": [dataclasses.asdict(one) for one in checked],
    }
    if answer is None:
        return Row(question.id, groups, error=error or "There is no answer.", record=record)
    return Row(question.id, groups, _scores(question, answer), seconds=answer.seconds, record=record)


def _scores(question: Question, answer: Answer) -> dict[str, float]:
    """The first of the metrics; all of them are in docs/metrics.md."""
    scores: dict[str, float] = {}
    if question.answerable:
        scores["right"] = float(is_right(answer, question))
        scores["answered"] = float(not answer.refused)
    else:
        scores["refusal_recall"] = float(answer.refused)
    if answer.refused:
        scores["refusal_precision"] = float(not question.answerable)
    return scores


def is_right(answer: Answer, question: Question) -> bool:
    """The answer holds an accepted string (all of them for cross_page), or cites the figure or formula that answers."""
    if answer.refused:
        return False
    if question.kind in ("figure", "formula") and question.label in {c.label for c in answer.citations}:
        return any(c.label == question.label and c.document == question.document for c in answer.citations)
    held = [holds(answer.answer, gold, tolerance=question.tolerance or 0.0) for gold in question.answers]
    return all(held) if question.kind == "cross_page" else any(held)


def holds(text: str, gold: str, *, tolerance: float = 0.0) -> bool:
    """Whether `gold` stands in `text`: as a number within the tolerance when it is one, else letter for letter.

    Blanks, punctuation, case, letter forms and digits' script do not matter.
    """
    number = _number(gold)
    if number is not None:
        return any(abs(found - number) <= tolerance + 1e-9 for found in _numbers(text))
    return bool(squeeze(gold)) and squeeze(gold) in squeeze(text)


_NUMBER = re.compile(r"(?<![\w.])[-−]?\d+(?:,\d{3})*(?:\.\d+)?(?![\w]|\.\d)")


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).replace("٫", ".").replace("٬", ",").replace("−", "-")
    text = "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)
    return re.sub(r"\[\d{1,3}\]", " ", text)  # citation marks are no numbers of the answer


def _numbers(text: str) -> list[float]:
    return [float(found.replace(",", "")) for found in _NUMBER.findall(_plain(text))]


def _number(gold: str) -> float | None:
    plain = _plain(gold).strip()
    return float(plain.replace(",", "")) if _NUMBER.fullmatch(plain) else None


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
