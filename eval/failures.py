"""Why an answer failed: at which stop between the file and the answer what was needed got lost.

The first stop that lost it names the group, since mending a later one would change nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from eval.answers import holds
from eval.gold import Gold, Passage, Source, gold_of, passages_of, question_of
from eval.questions import Question
from eval.runs.rows import Row
from ingestion.elements import Paper
from rag_app.answering.numbers import claimed, holding
from rag_app.errors import UnknownDocument
from rag_app.evidence import BBox
from rag_app.searchable import query_terms, terms

Group = Literal[
    "failed",
    "not_extracted",
    "not_retrieved",
    "not_used",
    "wrong",
    "refused_wrongly",
    "answered_wrongly",
    "miscited",
    "unsupported",
    "right",
]
GROUPS: tuple[Group, ...] = Group.__args__  # pyright: ignore[reportAttributeAccessIssue]  # typing.Literal keeps its values there
QUIZZED = "with_library"  # the sitting of a quiz that a library is to help
BETTER_FIT = 0.5  # by how much more of a statement's terms another quote must hold to be the one that was meant

_MARK = re.compile(r"\[(\d{1,3})\]")
_SEGMENT = re.compile(r"([^\[\]]+?)((?:\s*\[\d{1,3}\])+)")
_FOLLOWED = {"answer", "hits", "choices"}  # what the records of answers, searches and quizzes hold
Record = Mapping[str, Any]  # Any: JSON


class Shelf(Protocol):
    """What is asked of a library: the papers as parsed, and its folder with the files."""

    path: Path

    def paper(self, document: str) -> Paper: ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """A piece of what answers, where it stands, and what became of it.

    text    its words, or an accepted answer where the question set gives none
    places  (page, box) of the elements that hold it in the parsed paper; a page without a box where none does
    rank    of the first passage found that holds it, from 1; None where none does
    cited   the answer cites it
    """

    document: str
    document_id: str | None
    pages: tuple[int, ...]
    text: str
    places: tuple[tuple[int, BBox], ...]
    rank: int | None
    cited: bool


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The group of one item. reason: a sentence that says what was seen."""

    group: Group
    reason: str
    wanted: tuple[Wanted, ...] = ()

    @property
    def depth(self) -> int | None:
        """Rank of the first passage that holds what answers; None where none does or nothing was wanted."""
        return min((w.rank for w in self.wanted if w.rank is not None), default=None)


def diagnose_rows(rows: Iterable[Row], shelf: Shelf | None) -> dict[str, Diagnosis]:
    """The diagnosis of each row of a run of kind "answers", "retrieval" or "quiz", by id; of other kinds none.

    shelf: the library that was asked; without it, what was not extracted cannot be told from what was not retrieved.
    """
    sources: dict[str, Source | None] = {}
    found: dict[str, Diagnosis] = {}
    for row in rows:
        if row.error is None and not row.record.keys() & _FOLLOWED:
            continue
        document = (row.record.get("question") or {}).get("document")
        if document is not None and document not in sources:
            sources[document] = _source(document, shelf)
        diagnosis = diagnose(row, sources[document] if document is not None else None)
        if diagnosis is not None:
            found[row.id] = diagnosis
    return found


def diagnose(row: Row, source: Source | None) -> Diagnosis | None:
    """The group of one row. source: its paper and file, None where there is no library.

    None for a search whose question has no answer: nothing was to be found.
    """
    if row.error is not None:
        return Diagnosis("failed", row.error)
    question = question_of(row.record)
    answer: Record | None = row.record.get("answer")
    if not question.answerable:
        return _of_unanswerable(answer) if answer is not None else None
    pieces = [_Piece(gold, source, passages_of(row.record), answer) for gold in gold_of(question)]
    wanted = tuple(piece.wanted() for piece in pieces)
    whole = question.kind == "cross_page"
    if "choices" in row.record:
        return Diagnosis(*_of_quiz(row, pieces, whole=whole), wanted)
    right = (
        bool(row.scores.get("right")) if answer is not None else _enough([p.first is not None for p in pieces], whole)
    )
    if right:
        wrong = _citations(question, pieces, row.record) if answer is not None else None
        group, reason = wrong or ("right", _right(answer, wanted))
    else:
        group, reason = _lost_at(pieces, answer, question, whole=whole)
    return Diagnosis(group, reason, wanted)


def _source(document: str, shelf: Shelf | None) -> Source | None:
    if shelf is None:
        return None
    try:
        paper = shelf.paper(document)
    except UnknownDocument:
        return Source(None, None)
    return Source(paper, next((shelf.path / "files").glob(f"{paper.sha256}.*"), None))


def _of_unanswerable(answer: Record) -> Diagnosis:
    if answer["refused"]:
        return Diagnosis("right", "The papers do not hold the answer, and it was refused.")
    confidence = answer.get("confidence")
    sure = "" if confidence is None else f" with confidence {confidence:.2f}"
    return Diagnosis("answered_wrongly", f"The papers do not hold the answer, and yet one was given{sure}.")


def _of_quiz(row: Row, pieces: Sequence[_Piece], *, whole: bool) -> tuple[Group, str]:
    """The group of a multiple-choice question, by its sitting with the library."""
    if QUIZZED in row.unscored:
        return "failed", row.unscored[QUIZZED]
    if row.scores.get(QUIZZED):
        return "right", "The right choice was taken."
    losses = [piece.source.lost(piece.gold) if piece.source else None for piece in pieces]
    if not _enough([loss is None for loss in losses], whole):
        return "not_extracted", next(loss for loss in losses if loss)
    if not row.scores.get("page_found"):
        return "not_retrieved", f"No passage is from {pieces[0].gold.where}."
    if row.record[QUIZZED]["refused"]:
        return "refused_wrongly", f"A passage from {pieces[0].gold.where} was found, and no choice was taken."
    taken = row.record[QUIZZED]["choice"]
    return "wrong", f"A passage from {pieces[0].gold.where} was found, and “{taken}” was taken."


# --- which stop lost it -------------------------------------------------------------------------------------------


class _Piece:
    """One piece of gold followed from the file to the answer."""

    def __init__(self, gold: Gold, source: Source | None, passages: Sequence[Passage], answer: Record | None) -> None:
        self.gold = gold
        self.source = source
        self.passages = passages
        self.citations: Sequence[Record] = answer["citations"] if answer else ()
        self.elements = source.holding(gold) if source else []
        told = bool(gold.quote or gold.label or self.elements or source is None)
        self.holding = [p for p in passages if (p.holds(gold) if told else p.near(gold))]
        self.told = told

    @property
    def first(self) -> Passage | None:
        return self.holding[0] if self.holding else None

    @property
    def cited(self) -> bool:
        """Whether the answer quotes it: its words, an accepted answer, or the labelled element."""
        ids = {passage.node_id for passage in self.holding}
        gold = self.gold
        return any(
            (citation["node_id"] in ids and (citation["kind"] != "text" or not self.told))
            or (citation["document"] == gold.document and gold.label and citation["label"] == gold.label)
            or (citation["document"] == gold.document and self._quoted(citation["quote"]))
            for citation in self.citations
        )

    def _quoted(self, quote: str) -> bool:
        gold = self.gold
        return gold.held_by(quote) or gold.answered_by(quote)

    def wanted(self) -> Wanted:
        gold, paper = self.gold, self.source.paper if self.source else None
        boxes = [place for element in self.elements for place in element.places]
        on_page = [place for place in boxes if not gold.pages or place.page in gold.pages]
        return Wanted(
            gold.document,
            paper.sha256 if paper else None,
            gold.pages or tuple(dict.fromkeys(place.page for place in on_page)),
            gold.quote or " / ".join(gold.answers),
            tuple((place.page, place.bbox) for place in on_page),
            self.first.rank if self.first else None,
            self.cited,
        )


def _lost_at(pieces: Sequence[_Piece], answer: Record | None, question: Question, *, whole: bool) -> tuple[Group, str]:
    """The first stop that lost what is needed. whole: every piece is needed."""
    losses = [piece.source.lost(piece.gold) if piece.source else None for piece in pieces]
    if not _enough([loss is None for loss in losses], whole):
        return "not_extracted", next(loss for loss in losses if loss)
    if not _enough([piece.first is not None for piece in pieces], whole):
        missed = next(piece for piece in pieces if piece.first is None)
        near = next((p for p in missed.passages if p.near(missed.gold)), None)
        beside = f"; {near.name} is from that page but does not hold it" if near else ""
        return (
            "not_retrieved",
            f"None of the {len(missed.passages)} passages holds what {missed.gold.where} says{beside}.",
        )
    assert answer is not None, "a search that found what is needed is right"
    held = [piece for piece in pieces if piece.first is not None]
    first = held[0].first
    assert first is not None
    unread = [piece for piece in held if not any(passage.read for passage in piece.holding)]
    if unread and (whole or len(unread) == len(held)):
        return "not_used", f"What answers is in {_name(unread[0])}, which did not fit before the model."
    if answer["refused"]:
        return "refused_wrongly", f"What answers is in {first.name}, and yet it was refused{_confidence(answer)}."
    unused = [piece for piece in held if not piece.cited]
    if unused and (whole or len(unused) == len(held)):
        return "not_used", f"What answers is in {_name(unused[0])}, but the answer rests on other words."
    tolerance = question.tolerance or 0.0
    unsaid = [one for one in question.answers if not holds(answer["answer"], one, tolerance=tolerance)]
    what = f"does not say “{_short(unsaid[0])}”" if unsaid else "says something else"
    return "wrong", f"The answer cites {_name(held[0])}, which holds what answers, and {what}{_foreign(answer)}."


def _enough(holds: Sequence[bool], whole: bool) -> bool:
    return all(holds) if whole else any(holds)


def _name(piece: _Piece) -> str:
    return piece.first.name if piece.first else piece.gold.where


def _confidence(answer: Record) -> str:
    return "" if answer.get("confidence") is None else f" with confidence {answer['confidence']:.2f}"


def _foreign(answer: Record) -> str:
    numbers = answer.get("unsupported_numbers") or ()
    return f"; {', '.join(numbers)} is in no passage" if numbers else ""


# --- a right answer on wrong grounds ------------------------------------------------------------------------------


def _citations(question: Question, pieces: Sequence[_Piece], record: Record) -> tuple[Group, str] | None:
    """What is wrong with the grounds of an answer that says the right thing; None when nothing is."""
    answer: Record = record["answer"]
    invented = next((one for one in record.get("checked") or () if one["verdict"] == "invented"), None)
    if invented:
        return "miscited", f"Citation [{invented['n']}] does not stand in the file: {invented['reason']}."
    if not answer["citations"]:
        return "miscited", "The answer cites nothing."
    if pieces and not _enough([_leads_there(piece) for piece in pieces], question.kind == "cross_page"):
        return "miscited", f"The answer is right, but no citation leads to what says so, {pieces[0].gold.where}."
    meant = _meant_otherwise(answer)
    if meant:
        return "miscited", meant
    numbers = answer.get("unsupported_numbers") or ()
    if numbers:
        return "unsupported", f"The answer also says {', '.join(numbers)}, which is in none of the passages."
    return None


def _leads_there(piece: _Piece) -> bool:
    """Whether the answer cites it, or its page; its paper, where the question set names no page."""
    pages = set(piece.gold.pages)
    by_page = any(
        citation["document"] == piece.gold.document and (not pages or pages & {page for page, _ in citation["places"]})
        for citation in piece.citations
    )
    return piece.cited or by_page


def _meant_otherwise(answer: Record) -> str | None:
    """A statement whose own citations do not fit it, while another citation of the answer does: a sentence."""
    quotes = {citation["n"]: f"{citation['label'] or ''} {citation['quote']}" for citation in answer["citations"]}
    for text, marks in _SEGMENT.findall(answer["answer"]):
        own = {int(n) for n in _MARK.findall(marks)} & quotes.keys()
        others = quotes.keys() - own
        if not own or not others:
            continue
        cited = " ".join(quotes[n] for n in sorted(own))
        best = max(others, key=lambda n: _fit(text, quotes[n]))
        foreign = [number.written for number in claimed(text) if number not in holding([cited])]
        elsewhere = foreign and all(number in holding([quotes[best]]) for number in claimed(text))
        if _fit(text, quotes[best]) - _fit(text, cited) >= BETTER_FIT or (
            elsewhere and _fit(text, quotes[best]) > _fit(text, cited)
        ):
            return f"“{_short(text)}” cites [{min(own)}], but its words stand in [{best}]."
    return None


def _fit(statement: str, quote: str) -> float:
    """Share of the statement's telling terms in the quote, 0 to 1."""
    wanted = set(query_terms(statement))
    return len(wanted & set(terms(quote))) / len(wanted) if wanted else 0.0


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 80 else text[:79] + "…"


def _right(answer: Record | None, wanted: Sequence[Wanted]) -> str:
    if answer is None:
        ranks = [w.rank for w in wanted if w.rank is not None]
        return f"What answers came {min(ranks)}." if ranks else "Found."
    return "The answer is right and cites what says so."
