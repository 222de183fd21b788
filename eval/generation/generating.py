"""Passage after passage to a model, its proposals through the checks, what passes into the file."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any

from adapters.limits import limits_of
from adapters.names import parse_model_name
from eval.citations import check_quote
from eval.generation.asking import ask_for_questions
from eval.generation.checks import Dropped, asked_already, checked
from eval.generation.files import QuestionFile
from eval.generation.sources import KINDS, sources
from eval.questions import Question
from ingestion.elements import BBox
from rag_app.errors import LibraryDamaged, ModelError
from rag_app.evidence import Passage
from rag_app.library import Library
from rag_app.models import LanguageModel
from rag_app.originals import Originals

SEARCHED = 10  # passages looked at to say at which rank the gold page is found
_FAILED_IN_A_ROW = 5
_TRIES_EACH = 3  # passages asked about for each question wanted, plus _TRIES
_TRIES = 10


@dataclass(frozen=True, slots=True)
class Failed:
    """A passage about which the model could not be asked."""

    node_id: str
    error: str


@dataclass
class Generated:
    """What came of it: proposed = kept + dropped questions, asked = answered + failed passages.

    wanted     questions that were asked for; seconds on the clock
    tokens     read and written by the model, where its server says
    """

    wanted: int
    kept: list[Question] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    answered: int = 0
    seconds: float = 0.0
    tokens: int = 0

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return {
            "wanted": self.wanted,
            "passages": {
                "asked": self.answered + len(self.failed),
                "answered": self.answered,
                "failed": len(self.failed),
            },
            "proposed": len(self.kept) + len(self.dropped),
            "kept": [question.to_dict() for question in self.kept],
            "dropped": [dataclasses.asdict(one) for one in self.dropped],
            "reasons": dict(Counter(one.reason for one in self.dropped)),
            "failed": [dataclasses.asdict(one) for one in self.failed],
            "seconds": self.seconds,
            "tokens": self.tokens,
        }


def generate(
    library: Library,
    model: LanguageModel,
    file: QuestionFile,
    *,
    count: int,
    languages: Sequence[str] = ("en",),
    kinds: Sequence[str] = KINDS,
    papers: Sequence[str] = (),
    seed: int = 0,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Generated:
    """Add `count` questions about the library's papers to `file`, the languages taking turns.

    A passage that the file, or what was dropped from it, has a question about in that language is not asked about
    again, so that calling it again goes on. It ends early when the passages come to an end, and after 3 * count + 10 of
    them. A failed call is in the report and the rest goes on; five in a row raise the last one's ModelError.

    on_progress: called with questions kept and wanted.
    """
    started = time.perf_counter()
    result = Generated(count)
    failing = 0
    context_tokens = limits_of(parse_model_name(model.name), library.settings).context_tokens
    passages = sources(library, papers=papers, kinds=kinds, seed=seed)
    taken = {(q.origin.node_id, q.language) for q in (*file.questions, *file.dropped) if q.origin is not None}
    turns = ((p, language) for p, language in zip(passages, cycle(languages), strict=False))
    fresh = ((p, language) for p, language in turns if (p.node_id, language) not in taken)
    for passage, language in islice(fresh, _TRIES_EACH * count + _TRIES):
        try:
            proposed, reply = ask_for_questions(model, passage, language, context_tokens=context_tokens)
        except ModelError as exc:
            result.failed.append(Failed(passage.node_id, str(exc)))
            failing += 1
            if failing == _FAILED_IN_A_ROW:
                raise
            continue
        failing = 0
        result.answered += 1
        result.tokens += (reply.prompt_tokens or 0) + (reply.reply_tokens or 0)
        for outcome in (checked(candidate, passage, language, model=reply.model) for candidate in proposed):
            kept = _kept(outcome, passage, library, file)
            if isinstance(kept, Dropped):
                result.dropped.append(kept)
                continue
            file.add(kept)
            result.kept.append(kept)
            on_progress(len(result.kept), count)
            if len(result.kept) == count:
                break
        if len(result.kept) == count:
            break
    result.seconds = time.perf_counter() - started
    return result


@dataclass(frozen=True, slots=True)
class _Cited:
    """A piece of evidence as eval.citations checks it."""

    document_id: str
    kind: str
    places: Sequence[tuple[int, BBox]]
    quote: str
    n: int = 1
    read_by: str | None = None


def _kept(outcome: Question | Dropped, passage: Passage, library: Library, file: QuestionFile) -> Question | Dropped:
    """The question, if it is new: searched for, and its evidence looked up in the paper's own file."""
    if isinstance(outcome, Dropped):
        return outcome
    if asked_already(outcome, (*file.questions, *file.dropped)):
        return Dropped(outcome.question, outcome.answers[0], passage.node_id, "asked already")
    assert outcome.origin is not None
    origin = dataclasses.replace(
        outcome.origin, found_at=found_at(library, outcome), in_file=_in_file(outcome, passage, library)
    )
    return dataclasses.replace(outcome, origin=origin)


def _in_file(question: Question, passage: Passage, library: Library) -> str:
    """How the evidence stands on its pages of the original, near the passage's boxes: one of IN_FILE."""
    original = Originals(library.path / "files").find(passage.document_id)
    if original is None:
        raise LibraryDamaged(
            f"The stored copy of {passage.document} is gone from {library.path}. Ingest it again: rag-app ingest FILE"
        )
    places = [(page, box) for page, box in passage.places if page in question.pages]
    cited = _Cited(passage.document_id, passage.kind, places, " ".join(question.evidence))
    verdict = check_quote(cited, original).verdict
    return "differs" if verdict == "invented" else verdict


def found_at(library: Library, question: Question) -> int | None:
    """Rank, from 1, of the first passage from a gold page among the first ten for the question; None where none is."""
    hits = library.search(question.question, k=SEARCHED).hits
    gold = set(question.pages)
    ranks = (n for n, hit in enumerate(hits, start=1) if hit.document == question.document and gold & set(hit.pages))
    return next(ranks, None)
