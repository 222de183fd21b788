"""What a model claims against the passages it was given: each claim gets words of a passage, or is left out.

A claim stands when the words it says it copied are found: in the passage it names, in another one, which is then cited
instead, or nearly. Without such words it stands on the sentence or row of its passage that covers it, if one does; a
claim about a figure that the model was shown stands as what the model read there. The rest is left out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from rag_app.answering.locating import WAYS, Place, fold_letters, folded
from rag_app.answering.numbers import claimed, holding
from rag_app.citations import without_marks
from rag_app.evidence import Passage, Statement
from rag_app.retrieval.question import language_of
from rag_app.searchable import STOP_TERMS, query_terms, terms
from rag_app.sentences import sentences

COVERED = 0.6  # share of a claim's telling terms that a sentence in its language must hold to carry it
COVERED_SHORT = 0.5  # the same where the claim's few quoted words stand in the sentence
_FEWEST_TERMS = 3  # telling terms a claim must have to be covered by a sentence; with a number one less
_SHORT_LETTERS = 12  # a quote with fewer letters says little by itself
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]+")


@dataclass(frozen=True, slots=True)
class Claim:
    """One statement as the model made it. sources: numbers of the evidence it names, from 1; quote may be empty."""

    text: str
    sources: tuple[int, ...]
    quote: str = ""


def supported(
    claims: Sequence[Claim],
    shown: Sequence[Passage],
    *,
    model: str,
    asked: str = "",
    pictured: Collection[str] = (),
) -> tuple[tuple[Statement, ...], tuple[str, ...]]:
    """Statements with verbatim quotes, and the texts of the claims that nothing shown holds.

    Args:
        shown: the passages in the order of their numbers.
        model: full name of the model that claims.
        asked: the question.
        pictured: node ids of the passages whose picture it saw.
    """
    kept: list[Statement] = []
    left_out: list[str] = []
    for claim in claims:
        claim = replace(claim, text=without_marks(claim.text).strip())
        if not claim.text:
            continue
        named = [shown[n - 1] for n in dict.fromkeys(claim.sources) if 1 <= n <= len(shown)]
        figures = [passage for passage in named if passage.node_id in pictured and passage.kind == "figure"]
        found = (
            _quoted(claim, named, shown)
            or _covering(claim, named or shown)
            or _seen(claim, figures, model, asked=asked)
        )
        if found is None:
            left_out.append(claim.text)
        elif found not in kept:
            kept.append(found)
    return tuple(kept), tuple(left_out)


def _quoted(claim: Claim, named: Sequence[Passage], shown: Sequence[Passage]) -> Statement | None:
    """The claim on the words it quotes: in the passage it names before another, found exactly before nearly."""
    letters = len(fold_letters(claim.quote).letters)
    if not letters:
        return None
    others = [passage for passage in shown if passage not in named]
    if letters < _SHORT_LETTERS:
        return _few_words(claim, named)
    sure, nearly = WAYS[:-1], WAYS[-1:]
    for passages, ways in ((named, sure), (others, sure), (named, nearly), (others, nearly)):
        for passage in passages:
            for text in _texts(passage):
                for way in ways:
                    place = way(claim.quote, text)
                    if place is not None:
                        return Statement(claim.text, passage.node_id, _whole_rows(text, place))
    return None


def _few_words(claim: Claim, named: Sequence[Passage]) -> Statement | None:
    """The claim on the sentence that holds its few quoted words, if a number of them or the sentence speaks for it.

    Between two languages, where words cannot be compared, two quoted words are taken as they are.
    """
    stated = holding([claim.text])
    tells = any(number in stated for number in claimed(claim.quote))
    foreign = language_of(claim.quote) != language_of(claim.text) and len(claim.quote.split()) >= 2
    best: tuple[float, Statement] | None = None
    for passage in named:
        for text in _texts(passage):
            for piece in _pieces(text):
                if folded(claim.quote, piece) is None:
                    continue
                share = _coverage(claim.text, piece, text)
                if (tells or foreign or share >= COVERED_SHORT) and (best is None or share > best[0]):
                    best = share, Statement(claim.text, passage.node_id, piece)
    return best[1] if best else None


def _covering(claim: Claim, passages: Sequence[Passage]) -> Statement | None:
    """The claim on the one sentence or row that covers it best; all numbers of the claim must stand there.

    In another language, numbers and names written in Latin letters are all that can be compared: two of them must be
    shared, or one number of two digits or more. A claim of a word or two is in too many sentences to be carried by one.
    """
    stated = claimed(claim.text)
    language = language_of(claim.text)
    enough_said = len(_telling(claim.text)) + bool(stated) >= _FEWEST_TERMS
    best: tuple[float, Statement] | None = None
    for passage in passages:
        for text in _texts(passage):
            for piece in _pieces(text):
                around = f"{passage.label or ''}\n{passage.caption or ''}\n{_header(text)}"
                held = holding([piece, around])
                if any(number not in held for number in stated):
                    continue
                if language_of(piece) == language:
                    share = _coverage(claim.text, piece, around)
                    enough = enough_said and share >= COVERED
                else:
                    own = holding([piece])
                    telling = sum(2 if number.telling else 1 for number in stated if number in own)
                    share = telling + len(_names(claim.text) & _names(piece))
                    enough = bool(telling) and share >= 2
                if enough and (best is None or share > best[0]):
                    best = share, Statement(claim.text, passage.node_id, piece)
    return best[1] if best else None


def _seen(claim: Claim, figures: Sequence[Passage], model: str, *, asked: str) -> Statement | None:
    """The claim as what the model read in a figure that it was shown.

    It must share a telling word with the question or with what the paper says of the figure: what has nothing to do
    with either was not read there. Tables and formulas have words of their own, which must be found.
    """
    for passage in figures:
        about = [asked, passage.text, passage.caption, passage.context]
        if _telling(claim.text) & set(terms("\n".join(part or "" for part in about))):
            return Statement(claim.text, passage.node_id, claim.quote.strip() or claim.text, read_by=model)
    return None


def _texts(passage: Passage) -> Iterator[str]:
    """What may be quoted: the paper's words first, then what a model read."""
    yield passage.text
    if passage.description is not None:
        yield passage.description.quotable


def _pieces(text: str) -> Iterator[str]:
    """The sentences of a text and the rows of its tables, verbatim."""
    prose: list[str] = []
    for line in [*text.splitlines(keepends=True), "|"]:
        if not line.lstrip().startswith("|"):
            prose.append(line)
            continue
        yield from (sentence.text for sentence in sentences("".join(prose)))
        prose.clear()
        if fold_letters(line).letters:
            yield line.strip()


def _header(text: str) -> str:
    """The first row of a table in `text`, which says what its columns hold."""
    return next((line for line in text.splitlines() if line.lstrip().startswith("|")), "")


def _whole_rows(text: str, place: Place) -> str:
    """The words at `place`; where they are of a table's rows, the whole rows."""
    start, end = place.start, place.end
    begin = text.rfind("\n", 0, start) + 1
    if text[begin:].lstrip().startswith("|"):
        start = begin
        stop = text.find("\n", end)
        end = len(text) if stop < 0 else stop
    return text[start:end].strip()


def _coverage(claim: str, piece: str, around: str) -> float:
    """Share of the claim's telling terms in the piece, those in its heading or caption counting half; 0 to 1."""
    wanted = _telling(claim)
    if not wanted:
        return 0.0
    own = set(terms(piece))
    about = set(terms(around)) - own
    return (len(wanted & own) + 0.5 * len(wanted & about)) / len(wanted)


def _telling(claim: str) -> set[str]:
    return set(query_terms(claim)) - STOP_TERMS


def _names(text: str) -> set[str]:
    return {name.casefold() for name in _NAME.findall(text)}
