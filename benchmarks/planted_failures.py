"""Planted defects: does the report put each into its failure group?

    python benchmarks/planted_failures.py [--every N] [--json FILE] [--library DIR --questions JSONL]

The sample papers are asked the sample questions; of those that the builtin answerer gets right, each is asked again
with one defect planted: in the answer (a wrong number, swapped or foreign citations, an invented number beside the
right answer, other words, a refusal, a failure), in what is found (the pages with the evidence left out), or in what
was read (the evidence lost; a table's digits misread, its columns or row heads shifted, its rows lost, or all of it).
Retrieval, citation check and refusal are the real ones. A defect after which the answer is still right has done no
harm; it is counted beside the others. With --library and --questions the same on papers of your own. Exit code 1 when
under 90 % are in the right group, or fewer than 80 took effect.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from eval.answers import answer_row, holds
from eval.citations import check_citations
from eval.failures import Diagnosis, Group, diagnose_rows
from eval.gold import gold_of, text_of
from eval.questions import Question, read_questions
from eval.runs.rows import Row
from ingestion.elements import Element, Paper
from rag_app.answering.answer import Answer
from rag_app.answering.engine import PaperQueryEngine
from rag_app.errors import ModelTimeout, RagAppError
from rag_app.evidence import Answerer, Draft, Passage, Statement
from rag_app.evidence import Question as Asked
from rag_app.library import Library

ROOT = Path(__file__).resolve().parent.parent
PAPERS = ROOT / "data" / "papers"
QUESTIONS = ROOT / "data" / "questions" / "sample.jsonl"
FEWEST, BAR = 80, 0.9

Spoil = Callable[[Draft, Sequence[Passage], Question], Draft | None]
Reread = Callable[[Element, Sequence[Question]], Element | None]


@dataclass(frozen=True, slots=True)
class Planted:
    """One planted defect and where the report puts it."""

    defect: str
    id: str
    expected: Group
    found: Group
    reason: str


class Spoiled:
    """The builtin answerer, whose draft is spoiled before its citations are checked."""

    def __init__(self, inner: Answerer, spoil: Spoil, question: Question) -> None:
        self._inner, self._spoil, self._question = inner, spoil, question
        self.took = False

    @property
    def name(self) -> str:
        return self._inner.name

    def check(self) -> None:
        self._inner.check()

    def compose(
        self, question: Asked, passages: Sequence[Passage], *, on_text: Callable[[str], None] | None = None
    ) -> Draft:
        draft = self._inner.compose(question, passages, on_text=on_text)
        spoiled = self._spoil(draft, passages, self._question)
        self.took = spoiled is not None
        return spoiled or draft

    async def acompose(
        self, question: Asked, passages: Sequence[Passage], *, on_text: Callable[[str], None] | None = None
    ) -> Draft:
        return self.compose(question, passages, on_text=on_text)


# --- defects of the answer ----------------------------------------------------------------------------------------

_NUMBER = re.compile(r"[0-9۰-۹]+(?:[.,٫٬][0-9۰-۹]+)*")


def wrong_number(draft: Draft, _passages: Sequence[Passage], question: Question) -> Draft | None:
    """Every number that answers is another one; the quotes stay."""

    def other(match: re.Match[str]) -> str:
        if not any(holds(match[0], gold, tolerance=question.tolerance or 0.0) for gold in question.answers):
            return match[0]
        zero = "۰" if ord(match[0][0]) > ord("9") else "0"
        first = ord(match[0][0]) - ord(zero)
        return chr(ord(zero) + (first + 3) % 9 + 1) + match[0][1:] + chr(ord(zero) + 7)

    statements = tuple(replace(s, text=_NUMBER.sub(other, s.text)) for s in draft.statements)
    return None if statements == draft.statements else replace(draft, statements=statements)


def swapped_citations(draft: Draft, passages: Sequence[Passage], question: Question) -> Draft | None:
    """The statement that answers and one from elsewhere, each on the other's words."""
    own, foreign = _answering(draft, question), _foreign(passages, question)
    if own is None or foreign is None:
        return None
    return replace(
        draft,
        statements=(
            replace(own, node_id=foreign.node_id, quote=foreign.quote),
            Statement(foreign.text, own.node_id, own.quote),
        ),
    )


def foreign_citation(draft: Draft, passages: Sequence[Passage], question: Question) -> Draft | None:
    """The statement that answers, on words from elsewhere."""
    own, foreign = _answering(draft, question), _foreign(passages, question)
    if own is None or foreign is None or question.kind in ("figure", "formula"):  # these are right by their citation
        return None
    return replace(draft, statements=(replace(own, node_id=foreign.node_id, quote=foreign.quote),))


def invented_number(draft: Draft, _passages: Sequence[Passage], question: Question) -> Draft | None:
    """The right answer, and a number beside it that is nowhere."""
    own = draft.statements[0]
    said = "این برای ۴۸۶۱۳ نمونه است." if question.language == "fa" else "This holds for 48,613 samples."
    return replace(draft, statements=(*draft.statements, replace(own, text=f"{own.text} {said}")))


def other_words(draft: Draft, passages: Sequence[Passage], question: Question) -> Draft | None:
    """An answer made of other words than those that answer."""
    foreign = _foreign(passages, question)
    return replace(draft, statements=(foreign,)) if foreign else None


def refusal(draft: Draft, _passages: Sequence[Passage], _question: Question) -> Draft:
    return replace(draft, confidence=0.1)


def failure(_draft: Draft, _passages: Sequence[Passage], _question: Question) -> Draft:
    raise ModelTimeout("The model said nothing for 120 s. Raise ollama.timeout_s in the settings.")


def bold(draft: Draft, passages: Sequence[Passage], _question: Question) -> Draft | None:
    """An answer to a question that has none."""
    text = passages[0].text.split("\n")[0]
    return replace(draft, statements=draft.statements or (Statement(text, passages[0].node_id, text),), confidence=0.9)


IN_ANSWERS: dict[str, tuple[Spoil, Group]] = {
    "wrong number": (wrong_number, "wrong"),
    "swapped citations": (swapped_citations, "miscited"),
    "foreign citation": (foreign_citation, "miscited"),
    "invented number": (invented_number, "unsupported"),
    "other words": (other_words, "not_used"),
    "refusal": (refusal, "refused_wrongly"),
    "failure": (failure, "failed"),
}


def _answering(draft: Draft, question: Question) -> Statement | None:
    """The statement that holds an accepted answer; the first where none does."""
    tolerance = question.tolerance or 0.0
    told = [s for s in draft.statements if any(holds(s.text, gold, tolerance=tolerance) for gold in question.answers)]
    return next(iter(told or draft.statements), None)


def _foreign(passages: Sequence[Passage], question: Question) -> Statement | None:
    """A line of prose from another page that does not answer."""
    tolerance = question.tolerance or 0.0
    for passage in passages:
        if passage.kind != "text" or (passage.document == question.document and passage.page in question.pages):
            continue
        line = passage.text.split("\n")[0]
        if len(line) > 40 and not any(holds(line, gold, tolerance=tolerance) for gold in question.answers):
            return Statement(line, passage.node_id, line)
    return None


# --- defects of reading -------------------------------------------------------------------------------------------


def evidence_lost(element: Element, questions: Sequence[Question]) -> Element | None:
    """Nothing is left of an element that answers one of the questions."""
    answering = any(
        gold.label == element.label if gold.label else gold.held_by(text_of(element))
        for question in questions
        for gold in gold_of(question)
        if any(place.page in gold.pages for place in element.places)
    )
    return None if answering else element


def _table(change: Callable[[list[list[str]]], list[list[str]]]) -> Reread:
    """A defect of every table's rows below its header."""

    def reread(element: Element, _questions: Sequence[Question]) -> Element:
        if element.kind != "table" or not element.cells:
            return element
        head = [list(row) for row in element.cells[: element.header_rows]]
        rows = [*head, *change([list(row) for row in element.cells[element.header_rows :]])]
        markdown = "\n".join(
            f"| {' | '.join(row)} |" for row in (*rows[:1], ["---"] * len(element.cells[0]), *rows[1:])
        )
        text = "\n".join(" ".join(row) for row in rows)
        return replace(element, cells=tuple(map(tuple, rows)), markdown=markdown, text=text)

    return reread


_MISREAD = str.maketrans("0123456789۰۱۲۳۴۵۶۷۸۹", "1234567891۱۲۳۴۵۶۷۸۹۱")

IN_TABLES: dict[str, Reread] = {
    "table's digits misread": _table(lambda rows: [[cell.translate(_MISREAD) for cell in row] for row in rows]),
    "table's columns shifted": _table(lambda rows: [[row[0], *row[2:], row[1]] for row in rows]),
    "table's row heads shifted": _table(lambda rows: [[rows[i - 1][0], *row[1:]] for i, row in enumerate(rows)]),
    "table's rows lost": _table(lambda rows: [["" for _ in row] for row in rows[:1]]),
    "table lost": lambda element, _: None if element.kind == "table" else element,
}


# --- planting -----------------------------------------------------------------------------------------------------


def plant(library: Path, scratch: Path, *, questions: Path = QUESTIONS, every: int = 1) -> tuple[list[Planted], int]:
    """Every defect in every question it can be planted in, and how many did no harm.

    library: of the papers that are asked; it is not changed. scratch: an empty folder for spoiled libraries. every: of
    the questions one in so many is taken.
    """
    asked_all = read_questions(questions)[::every]
    with Library.open(library, read_only=True) as whole:
        rows = [asked_row(whole, question, whole.as_query_engine()) for question in asked_all]
        by_id = {question.id: question for question in asked_all}
        right = [by_id[row.id] for row in rows if row.scores.get("right")]
        planted = list(_in_answers(whole, right, [q for q in asked_all if not q.answerable]))
        planted += _told(whole, "evidence not found", "not_retrieved", list(_not_found(whole, right)))
        documents = {question.document for question in right}
        papers = [paper for info in whole.documents() if (paper := whole.paper(info.document_id)).name in documents]
    tables = [question for question in right if question.kind == "table"]
    misread = {"evidence lost": (evidence_lost, right)} | {name: (change, tables) for name, change in IN_TABLES.items()}
    for defect, (change, asked) in misread.items():
        shutil.copytree(library, scratch / defect)
        with Library.open(scratch / defect) as spoiled:
            _reread(spoiled, papers, change, asked)
            found = [asked_row(spoiled, question, spoiled.as_query_engine()) for question in asked]
            planted += _told(spoiled, defect, "not_extracted", found)
    harmed = [one for one in planted if one.found != "right"]
    kept = [one for one in planted if one.found == "right" and one.expected in ("miscited", "unsupported")]
    return [*harmed, *kept], len(planted) - len(harmed) - len(kept)


def _in_answers(library: Library, right: Sequence[Question], none: Sequence[Question]) -> Iterator[Planted]:
    defects = [(name, spoil, group, right) for name, (spoil, group) in IN_ANSWERS.items()]
    for name, spoil, group, questions in [*defects, ("answer without evidence", bold, "answered_wrongly", none)]:
        spoiled: list[Row] = []
        for question in questions:
            engine = library.as_query_engine()
            answerer = Spoiled(engine.answerer, spoil, question)
            engine.use(answerer)
            row = asked_row(library, question, engine)
            if answerer.took or row.error is not None:
                spoiled.append(row)
        yield from _told(library, name, group, spoiled)


def _not_found(library: Library, right: Sequence[Question]) -> Iterator[Row]:
    """Asked of every page but those with the evidence."""
    for question in right:
        last = max(len(library.paper(info.document_id).pages) for info in library.documents())
        pages = [page for page in range(1, last + 1) if page not in question.pages]
        yield asked_row(library, question, library.as_query_engine(pages=pages))


def _reread(library: Library, papers: Sequence[Paper], change: Reread, questions: Sequence[Question]) -> None:
    """Put the papers in again, read with the defect."""
    for paper in papers:
        asked = [question for question in questions if question.document == paper.name]
        kept = [again for element in paper.elements if (again := change(element, asked)) is not None]
        if tuple(kept) != paper.elements:
            _commit(library, replace(paper, elements=tuple(kept)))


def _commit(library: Library, paper: Paper) -> None:
    made = library._intake().make(paper, {})  # pyright: ignore[reportPrivateUsage]  # as ingest embeds
    library._store.commit(paper, made.nodes, made.vectors)  # pyright: ignore[reportPrivateUsage]  # in its place


def asked_row(library: Library, question: Question, engine: PaperQueryEngine) -> Row:
    """The question's row after JSON, as a run keeps it."""
    try:
        answer: Answer = engine.answer(question.question)
    except RagAppError as exc:
        return answer_row(question, None, str(exc))
    files = library.path / "files"
    checked = check_citations(answer.answer, answer.citations, lambda id_: next(files.glob(f"{id_}.*")))
    row = answer_row(question, answer, checked=checked)
    return Row.from_dict(json.loads(json.dumps(row.to_dict())))


def _told(library: Library, defect: str, expected: Group, rows: Sequence[Row]) -> list[Planted]:
    found: dict[str, Diagnosis] = diagnose_rows(rows, library)
    return [Planted(defect, id_, expected, one.group, one.reason) for id_, one in found.items()]


def report(planted: Sequence[Planted], harmless: int) -> tuple[str, dict[str, Any]]:  # Any: JSON
    """What was found of each defect, as text and as JSON values."""
    lines, table = [], {}
    for defect in dict.fromkeys(one.defect for one in planted):
        mine = [one for one in planted if one.defect == defect]
        right = sum(one.found == one.expected for one in mine)
        others = Counter(one.found for one in mine if one.found != one.expected)
        also = "".join(f", {count} {group}" for group, count in others.items())
        lines.append(f"{defect:28} {mine[0].expected:16} {right:3} of {len(mine):3}{also}")
        table[defect] = {"expected": mine[0].expected, "planted": len(mine), "right": right, "others": dict(others)}
    right = sum(one.found == one.expected for one in planted)
    lines.append(f"{right} of {len(planted)} in the right group, {right / len(planted):.1%}; {harmless} did no harm.")
    return "\n".join(lines), {"planted": len(planted), "right": right, "harmless": harmless, "defects": table}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="take one question in so many")
    parser.add_argument("--library", type=Path, help="of your own papers, instead of the sample papers")
    parser.add_argument("--questions", type=Path, default=QUESTIONS, help="about them")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder: Path = arguments.library or Path(scratch) / "library"
        if arguments.library is None:
            with Library.open(folder) as library:
                library.ingest(PAPERS)
        planted, harmless = plant(folder, Path(scratch), questions=arguments.questions, every=arguments.every)
    text, figures = report(planted, harmless)
    print(text)
    for one in planted:
        if one.found != one.expected:
            print(f"  {one.defect}, {one.id}: {one.found}. {one.reason}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0 if figures["right"] >= BAR * len(planted) and len(planted) >= FEWEST else 1


if __name__ == "__main__":
    sys.exit(main())
