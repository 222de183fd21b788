"""Hits and found passages: what the retriever hands on."""

from __future__ import annotations

from dataclasses import dataclass, field

from llama_index.core.schema import NodeWithScore

from ingestion import keys
from rag_app.evidence import Description, Passage, Question
from rag_app.store import StoredNode


@dataclass(frozen=True, slots=True)
class Hit:
    """A node found for a question.

    score     about 0 to 1, higher is better; comparable inside one search only
    found_by  which halves led to it: "dense", "lexical", "image", "label", "mention", "neighbour"
    parts     the score's parts by feature, for `/why`
    """

    stored: StoredNode
    score: float
    found_by: tuple[str, ...]
    parts: dict[str, float] = field(default_factory=dict)

    def with_score(self) -> NodeWithScore:
        return NodeWithScore(node=self.stored.node, score=self.score)

    def passage(self) -> Passage:
        m = self.stored.metadata
        cells = m.get(keys.CELLS)
        description = m.get(keys.DESCRIPTION)
        return Passage(
            node_id=self.stored.node_id,
            document=self.stored.document,
            document_id=self.stored.document_id,
            title=m[keys.TITLE],
            page=self.stored.page,
            places=tuple((page, (x0, y0, x1, y1)) for page, x0, y0, x1, y1 in m[keys.PLACES]),
            kind=self.stored.kind,
            text=self.stored.text,
            score=self.score,
            found_by=self.found_by,
            label=self.stored.label,
            section=m[keys.SECTION],
            caption=m[keys.CAPTION],
            spans=tuple((s, e, page, (x0, y0, x1, y1)) for s, e, page, x0, y0, x1, y1 in m[keys.SPANS]),
            context=m[keys.CONTEXT],
            cells=tuple(tuple(row) for row in cells) if cells else None,
            header_rows=m.get(keys.HEADER_ROWS, 0),
            image=m[keys.IMAGE],
            language=m[keys.LANGUAGE],
            description=Description.from_dict(description) if description else None,
        )


@dataclass(frozen=True, slots=True)
class Found:
    """The result of one search: hits best first, what diversification dropped, seconds by stage."""

    question: Question
    hits: tuple[Hit, ...]
    dropped: tuple[Hit, ...]
    seconds: dict[str, float]
    library_size: int
