"""Where the words that answer a question stand: in the file, in the parsed paper, among the passages found."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from eval.answers import holds
from eval.citations import squeeze
from eval.questions import Question
from ingestion.elements import Element, Paper
from ingestion.pdf import Word, page_words
from rag_app.answering.numbers import claimed, holding
from rag_app.errors import InputError
from rag_app.evidence import BBox

Record = Mapping[str, Any]  # Any: JSON
_GLUED = re.compile(r"(?<=[^\W\d_A-Za-z])(?=\d)")  # a Persian word that the text layer runs into the next number
_SAME_ROW = 0.8  # share of a line's words that its row must hold
_TELLING = 12  # letters and digits of an accepted answer that stands nowhere by chance


@dataclass(frozen=True, slots=True)
class Gold:
    """One piece of what answers a question.

    pages    it stands on one of these, 1-based; empty where the question set names none
    quote    words that stand there; empty where the set gives none
    answers  accepted strings; none of a piece of a cross-page question, whose answers are of all pieces together
    label    of the element that answers, "Table 2"
    """

    document: str
    pages: tuple[int, ...]
    quote: str
    answers: tuple[str, ...]
    kind: str
    label: str | None
    tolerance: float

    @property
    def where(self) -> str:
        """ "page 3 of a.pdf" """
        if not self.pages:
            return self.document
        return f"{'page' if len(self.pages) == 1 else 'pages'} {', '.join(map(str, self.pages))} of {self.document}"

    def held_by(self, text: str) -> bool:
        """Whether `text` holds the quote, or an accepted answer that says enough; without a quote, any answer."""
        return stands(self.quote, text) or self.told_by(text) if self.quote else self.answered_by(text)

    def told_by(self, text: str) -> bool:
        """Whether `text` holds an accepted answer that stands nowhere by chance."""
        return any(len(squeeze(answer)) >= _TELLING and stands(answer, text) for answer in self.answers)

    def answered_by(self, text: str) -> bool:
        return any(holds(text, answer, tolerance=self.tolerance) for answer in self.answers)


def question_of(record: Record) -> Question:
    """The question of a row's record; of page-level question sets too, which have no evidence."""
    raw = record["question"]
    return Question(
        id=raw["id"],
        question=raw["question"],
        language=raw["language"],
        kind=raw["kind"],
        document=raw["document"],
        answers=tuple(raw["answers"]),
        pages=tuple(raw["pages"]),
        evidence=tuple(raw["evidence"]),
        label=raw["label"],
        tolerance=raw["tolerance"],
    )


def gold_of(question: Question) -> tuple[Gold, ...]:
    """The pieces of evidence; of a cross-page question all are needed, of another one is enough."""
    if not question.answerable or question.document is None:
        return ()
    quotes = question.evidence
    paired = [((page,), quote) for page, quote in zip(question.pages, quotes, strict=True)] if quotes else []
    return tuple(
        Gold(
            question.document,
            pages,
            quote,
            () if quote and question.kind == "cross_page" else question.answers,
            question.kind,
            question.label if question.kind != "cross_page" else None,
            question.tolerance or 0.0,
        )
        for pages, quote in paired or [(question.pages, "")]
    )


def stands(quote: str, text: str) -> bool:
    """Whether the quote is in `text`, letter for letter and number for number; blanks and punctuation do not matter."""
    wanted = squeeze(quote)
    if not wanted or wanted not in squeeze(text):
        return False
    there = holding([text])
    return all(number in there for number in claimed(quote))


def _words_stand(quote: str, text: str) -> bool:
    """Whether each word and number of the quote is in `text`, in any order: a table's row is read from either side."""
    letters, there = squeeze(text), holding([text])
    return all(squeeze(word) in letters for word in quote.split()) and all(n in there for n in claimed(quote))


# --- in the file and in the parsed paper --------------------------------------------------------------------------


@dataclass(frozen=True)
class Source:
    """A paper as parsed, and its file; either may be missing."""

    paper: Paper | None
    file: Path | None

    def words(self, page: int) -> list[Word]:
        """Words of the file's page; none where it cannot be read or has no text layer."""
        if self.file is None:
            return []
        try:
            return page_words(self.file, page)
        except InputError:
            return []

    def elements(self, gold: Gold) -> list[Element]:
        """Elements that stand on the gold's pages; all of the paper where no page is named."""
        paper = self.paper
        if paper is None:
            return []
        return [e for e in paper.elements if not gold.pages or any(place.page in gold.pages for place in e.places)]

    def holding(self, gold: Gold) -> list[Element]:
        """The elements that answer: the labelled one, else those that hold the gold's words, each alone."""
        there = self.elements(gold)
        labelled = [e for e in there if gold.label and e.label == gold.label]
        return labelled or [e for e in there if gold.held_by(text_of(e))]

    def lost(self, gold: Gold) -> str | None:
        """Why these words cannot be found, though the file has them: a sentence; None where they were read."""
        if self.paper is None:
            return f"{gold.document} is not in the library."
        there = self.elements(gold)
        if gold.label and not any(e.label == gold.label for e in there):
            return f"{gold.label} of {gold.where} is not in the parsed paper."
        broken = next((loss for e in there for loss in self._broken_rows(e, gold)), None)
        if broken:
            return broken
        read = "\n".join(text_of(e) for e in there)
        if gold.held_by(read) or (gold.label and _words_stand(gold.quote, read)):
            return None
        in_file = any(gold.held_by(" ".join(word.text for word in self.words(page))) for page in gold.pages)
        if gold.quote or in_file:
            return f"{_short(gold.quote or gold.answers[0])} on {gold.where} is not in what was read there."
        return None

    def _broken_rows(self, element: Element, gold: Gold) -> Iterator[str]:
        """Lines of the file's table that hold what answers, and that are no row of the parsed table."""
        if element.kind != "table" or element.cells is None or (gold.label and element.label != gold.label):
            return
        rows = [" | ".join(row) for row in element.cells]
        for place in element.places:
            for line in _lines(self.words(place.page), place.bbox):
                answers = gold.held_by(line) or gold.answered_by(line)
                if answers and _values(line) and not any(_is_row(line, row) for row in rows):
                    yield (
                        f"The row {_short(line)} of {element.label or 'a table'} on page {place.page} of "
                        f"{gold.document} is no row of the parsed table."
                    )


def text_of(element: Element) -> str:
    """All that was read of an element."""
    cells = "\n".join(" | ".join(row) for row in element.cells or ())
    return "\n".join(part for part in (element.label, element.caption, element.text, cells, element.markdown) if part)


def _lines(words: Sequence[Word], box: BBox) -> Iterator[str]:
    """The words inside the box, line by line, each from left to right."""
    inside = [w for w in words if box[0] <= _middle(w, 0) <= box[2] and box[1] <= _middle(w, 1) <= box[3]]
    line: list[Word] = []
    for word in sorted(inside, key=lambda w: _middle(w, 1)):
        if line and _middle(word, 1) - _middle(line[-1], 1) > (word.bbox[3] - word.bbox[1]) / 3:
            yield _written(line)
            line = []
        line.append(word)
    if line:
        yield _written(line)


def _written(line: Sequence[Word]) -> str:
    return _GLUED.sub(" ", " ".join(word.text for word in sorted(line, key=lambda w: w.bbox[0])))


def _middle(word: Word, axis: int) -> float:
    return (word.bbox[axis] + word.bbox[axis + 2]) / 2


def _is_row(line: str, row: str) -> bool:
    """Whether a line of the file is a row, or a line of one: its numbers in order, and nearly all its words.

    The line of a right-to-left table is read from the other side.
    """
    numbers, there = _values(line), _values(row)
    turned = any("\u0590" <= letter <= "\u08ff" for letter in row) and _in_order(numbers[::-1], there)
    words = [word for word in map(squeeze, line.split()) if len(word) > 1 and not any(map(str.isdecimal, word))]
    letters = squeeze(row)
    said = sum(word in letters for word in words)
    return (_in_order(numbers, there) or turned) and said >= _SAME_ROW * len(words)


def _values(text: str) -> list[str]:
    """The numbers of a text in order; 10^19 as the text layer has it, 1019."""
    return [str(number.value.normalize()) for number in claimed(text.replace("^", ""))]


def _in_order(wanted: Sequence[str], there: Sequence[str]) -> bool:
    rest = iter(there)
    return all(value in rest for value in wanted)


def _short(text: str) -> str:
    text = " ".join(text.split())
    return f"“{text if len(text) <= 80 else text[:79] + '…'}”"


# --- among the passages found -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Passage:
    """One passage that was found, the best first.

    pages    it stands on; of an answer's evidence only the first is known
    reaches  pages it may stand on: those, and where only the first is known the next
    read     it was before the answerer
    """

    rank: int
    node_id: str
    document: str
    pages: tuple[int, ...]
    reaches: frozenset[int]
    kind: str
    label: str | None
    text: str
    read: bool = True

    @cached_property
    def name(self) -> str:
        return f"passage {self.rank} ({self.label or self.kind}, page {', '.join(map(str, self.pages))})"

    def holds(self, gold: Gold) -> bool:
        """Whether what answers is in this passage: the words, or the labelled element itself.

        Where the set gives no words: an accepted answer on a gold page, or elsewhere if it says enough.
        """
        if self.document != gold.document:
            return False
        if gold.label and self.label == gold.label:
            return True
        if gold.quote:
            return gold.held_by(self.text)
        on_page = not gold.pages or not self.reaches.isdisjoint(gold.pages)
        return gold.answered_by(self.text) if on_page else gold.told_by(self.text)

    def near(self, gold: Gold) -> bool:
        """Whether it stands on a gold page, whatever it says."""
        return self.document == gold.document and bool(set(self.pages) & set(gold.pages))


def passages_of(record: Record) -> tuple[Passage, ...]:
    """The passages of a row: of an answer its evidence, of a search its hits."""
    answer = record.get("answer")
    raw = answer["evidence"] if answer else record.get("hits") or ()
    return tuple(
        Passage(
            rank,
            one["node_id"],
            one["document"],
            tuple(one["pages"]) if "pages" in one else (one["page"],),
            frozenset(one["pages"] if "pages" in one else (one["page"], one["page"] + 1)),
            one["kind"],
            one.get("label"),
            one["text"],
            one.get("read", True),
        )
        for rank, one in enumerate(raw, start=1)
    )
