"""The builtin answerer: it writes nothing of its own, it finds the words of the papers that answer and quotes them.

Each quotable unit (sentence, table row, formula, caption) is scored against the question; the best are the answer, and
adapters.builtin.confidence says how likely it is that they answer at all.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache

import numpy as np

from adapters.builtin import minilm, tables
from adapters.builtin.confidence import confidence
from adapters.builtin.matching import coverage
from adapters.builtin.units import ScoredUnit, Unit, units
from adapters.names import ModelName
from rag_app.errors import UnknownName
from rag_app.evidence import Draft, Passage, Question, Statement
from rag_app.searchable import fold, terms
from rag_app.sentences import sentences
from rag_app.settings import Settings

_EMBEDDED_UNITS = 48  # by term score; embedding a sentence costs about 5 ms
_REMEMBERED = 8192  # embeddings of units kept in memory, 1.5 kB each: questions come back to the same passages
_MOST_STATEMENTS = 3
_NEAR_CHARACTERS = 4  # between a sentence and the next
_OPENING_CHARACTERS = 25  # of a formula's context, which begins with the sentence before it
_NUMBER_ASKED = re.compile(
    r"\bhow (many|much|large|big|long|fast|high|often|deep)\b|\b(what|which) (\w+ ){0,3}(number|percentage|percent|"
    r"value|score|accuracy|rate|size|dimension|temperature|year|fraction|recall|precision|cost|length|width|count|amount)\b"
    r"|چند|چقدر|درصد|مقدار|تعداد|اندازه"
)


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each feature of a unit counts."""

    own: float = 1.0  # share of the question's term weight in the quote itself
    about: float = 0.45  # the same for what stands around it and is not in the quote
    about_wordless: float = 0.8  # the same for formulas and figures, which have few words of their own
    cosine: float = 0.8  # similarity of the sentence embeddings, in the languages the model knows
    passage: float = 0.5  # score of the passage it stands in, over the best passage's
    number: float = 0.12  # it holds a number and one is asked for
    kind: float = 0.4  # it is of the kind the question names
    label: float = 0.6  # it is the element the question names
    numbers: float = 0.6  # share of the question's numbers that stand in the cells of a table row
    row_head: float = 0.25  # the first cell of the row is named in the question


class ExtractiveAnswerer:
    """Chooses and orders the sentences, table rows, formulas and captions that answer a question, verbatim."""

    name = "builtin"

    def __init__(self, embedding: minilm.MiniLMEmbedding, *, weights: Weights | None = None) -> None:
        self._embedding = embedding
        self._weights = weights or Weights()
        self._vector = lru_cache(maxsize=_REMEMBERED)(self._embedded_alone)

    def check(self) -> None:
        """Nothing to make sure of: what it needs comes with the application."""

    def compose(
        self, question: Question, passages: Sequence[Passage], *, on_text: Callable[[str], None] | None = None
    ) -> Draft:
        """The best units as statements, best first, and the probability that the first one answers.

        on_text is not called: nothing is written word by word, the answer is there at once.
        """
        ranked = self.rank(question, passages)
        if not ranked:
            return Draft((), 0.0)
        chosen = _chosen(ranked)
        statements = tuple(_statement(question, scored.unit) for scored in chosen)
        return Draft(statements, confidence(question, ranked))

    async def acompose(
        self, question: Question, passages: Sequence[Passage], *, on_text: Callable[[str], None] | None = None
    ) -> Draft:
        return await asyncio.to_thread(self.compose, question, passages)

    def rank(self, question: Question, passages: Sequence[Passage]) -> list[ScoredUnit]:
        """Every unit with its score, best first."""
        best = max((passage.score for passage in passages), default=0.0) or 1.0
        number_asked = bool(_NUMBER_ASKED.search(fold(question.text)))
        scored = []
        for passage in passages:
            here, extreme = passage.score / best, _extreme(question, passage)
            scored += [self._scored(question, unit, here, extreme, number_asked) for unit in units(passage)]
        scored.sort(key=lambda s: -s.score)
        if question.language in self._embedding.languages and scored:
            near, far = scored[:_EMBEDDED_UNITS], scored[_EMBEDDED_UNITS:]
            found = np.stack([self._vector(_meaning(s.unit)) for s in near])
            cosines = (float(c) for c in found @ self._vector(question.text))
            near = [
                replace(s, cosine=cosine, score=s.score + self._weights.cosine * cosine)
                for s, cosine in zip(near, cosines, strict=True)
            ]
            scored = sorted(near, key=lambda s: -s.score) + far
        return scored

    def _embedded_alone(self, text: str) -> np.ndarray:
        """(384,). Alone, so that it hangs on the text only: within a batch the last bits change with the company.

        A batch would be no faster: its tokens cost the same.
        """
        return self._embedding.embed([text])[0]

    def _scored(
        self, question: Question, unit: Unit, here: float, extreme: int | None, number_asked: bool
    ) -> ScoredUnit:
        """All but the cosine. here: the passage's score over the best; extreme: the row with the asked extreme."""
        w = self._weights
        own = coverage(question.weights, unit.own)
        about = coverage(question.weights, unit.own | unit.about) - own
        wordless = unit.passage.kind in ("formula", "figure")
        score = w.own * own + (w.about_wordless if wordless else w.about) * about + w.passage * here
        if number_asked and unit.has_number:
            score += w.number
        if unit.passage.kind in question.kinds:
            score += w.kind
        if unit.passage.label and unit.passage.label in question.labels:
            score += w.label * here  # every paper has a Table 2
        if unit.row is not None and unit.passage.cells:
            cells = unit.passage.cells[unit.row]
            score += w.numbers * tables.numbers_found(question.terms, cells)
            score += w.row_head * bool(set(terms(cells[0])) & set(question.terms))
            if unit.row == extreme:
                score += w.own
        return ScoredUnit(unit, score, own, about, cosine=0.0)


def load(name: ModelName, settings: Settings) -> ExtractiveAnswerer:
    """The answerer for the name `builtin`."""
    if name.rest or name.adapter:
        raise UnknownName(f"{name} is not known; the builtin answerer is called builtin.")
    return _shared()


@cache
def _shared() -> ExtractiveAnswerer:
    """One for the process: an engine made anew, for another filter or model, finds what was embedded before."""
    return ExtractiveAnswerer(minilm.shared())


def _meaning(unit: Unit) -> str:
    """What is embedded: a row or a formula says little without its headings, its caption or the text around it."""
    passage = unit.passage
    if unit.row is not None and passage.cells:
        title = sentences(passage.caption or "")[:1]
        row = tables.row_text(passage.cells, passage.header_rows, unit.row, ())
        return " ".join([*(sentence.text for sentence in title), row])
    if passage.kind == "formula":
        return f"{passage.context} {unit.quote}"
    return unit.quote


def _extreme(question: Question, passage: Passage) -> int | None:
    if not passage.cells:
        return None
    columns = tables.asked_columns(question.weights, tables.headings(passage.cells, passage.header_rows))
    return tables.extreme_row(question.text, passage.cells, passage.header_rows, columns)


def _chosen(ranked: Sequence[ScoredUnit]) -> list[ScoredUnit]:
    """The best unit, the formula it introduces, then units nearly as good that say something new."""
    chosen = [ranked[0]]
    chosen.extend(s for s in ranked if _introduces(ranked[0].unit, s.unit))
    for candidate in ranked[1:12]:
        if len(chosen) >= _MOST_STATEMENTS or candidate.score < 0.8 * ranked[0].score:
            break
        if candidate not in chosen and all(_overlap(candidate.unit, kept.unit) < 0.6 for kept in chosen):
            chosen.append(candidate)
    return chosen


def _introduces(unit: Unit, other: Unit) -> bool:
    """Whether `unit` is a sentence of the text right before the formula `other`, or the one before that."""
    one, formula = unit.passage, other.passage
    if one.kind != "text" or formula.kind != "formula" or one.document_id != formula.document_id:
        return False
    if unit.quote in formula.context:
        return True
    begins = one.text.find(formula.context[:_OPENING_CHARACTERS]) if formula.context else -1
    ends = one.text.find(unit.quote) + len(unit.quote)
    return begins >= 0 and 0 <= begins - ends <= _NEAR_CHARACTERS


def _overlap(one: Unit, other: Unit) -> float:
    """Jaccard similarity of the terms."""
    union = one.own | other.own
    return len(one.own & other.own) / len(union) if union else 1.0


def _statement(question: Question, unit: Unit) -> Statement:
    passage = unit.passage
    label = _label(passage.label, question.answer_language)
    if unit.row is not None and passage.cells:
        names = tables.headings(passage.cells, passage.header_rows)
        columns = tables.asked_columns(question.weights, names)
        row = tables.row_text(passage.cells, passage.header_rows, unit.row, columns)
        return Statement(f"{label}: {row}" if label else row, passage.node_id, unit.quote)
    if passage.kind == "formula":
        return Statement(f"{label}: {unit.quote}" if label else unit.quote, passage.node_id, unit.quote)
    return Statement(unit.quote, passage.node_id, unit.quote)


_PERSIAN = {"Table": "جدول", "Figure": "شکل", "Equation": "رابطهٔ", "Section": "بخش"}
_PERSIAN_DIGITS = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")


def _label(label: str | None, language: str) -> str:
    if not label or language != "fa":
        return label or ""
    word, _, number = label.partition(" ")
    return f"{_PERSIAN.get(word, word)} {number.translate(_PERSIAN_DIGITS)}"
