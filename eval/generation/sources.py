"""Which passages are asked about: spread over papers and kinds, in an order that hangs on a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from rag_app.evidence import Passage
from rag_app.library import Library
from rag_app.sentences import sentences

KINDS = ("text", "table", "figure")  # a formula's text layer has no words that an answer could be copied from
_TEXT_LETTERS, _CAPTION_LETTERS = 150, 40
_SENTENCES, _ROWS = 2, 2


def sources(
    library: Library, *, papers: Sequence[str] = (), kinds: Sequence[str] = KINDS, seed: int = 0
) -> Iterator[Passage]:
    """Passages that hold a fact to ask about, each once: one of each paper in turn, its kinds taking turns too.

    papers: only these documents, by name or id. A paper is read when its first turn comes.
    """
    dice = random.Random(seed)
    names = list(papers) or [document.document_id for document in library.documents()]
    dice.shuffle(names)
    waiting = [_of_paper(library, name, kinds, dice.random()) for name in names]
    while waiting:
        still: list[Iterator[Passage]] = []
        for passages in waiting:
            passage = next(passages, None)
            if passage is not None:
                yield passage
                still.append(passages)
        waiting = still


def _of_paper(library: Library, paper: str, kinds: Sequence[str], seed: float) -> Iterator[Passage]:
    dice = random.Random(seed)
    by_kind: dict[str, list[Passage]] = {kind: [] for kind in kinds}
    for passage in library.passages_of(paper, kinds=kinds):
        if worth_asking(passage):
            by_kind[passage.kind].append(passage)
    for passages in by_kind.values():
        dice.shuffle(passages)
    while any(by_kind.values()):
        for passages in by_kind.values():
            if passages:
                yield passages.pop()


def worth_asking(passage: Passage) -> bool:
    """Whether it is long enough to hold a fact and to be found again by a question."""
    letters = sum(character.isalpha() for character in passage.text)
    if passage.kind == "table":
        return passage.cells is not None and len(passage.cells) - passage.header_rows >= _ROWS
    if passage.kind == "figure":
        return letters >= _CAPTION_LETTERS
    return letters >= _TEXT_LETTERS and len(sentences(passage.text)) >= _SENTENCES
