"""What the library tells of its work: records with `to_dict()` for `--json`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from ingestion.elements import Problem
from rag_app.evidence import BBox, Passage
from rag_app.store import DocumentInfo, Failure, ModelTally, SpaceInfo


@dataclass(frozen=True, slots=True)
class DocumentReport:
    """One file of an ingestion. document is its name in the library; id its sha256; nodes counts by kind.

    skipped  it was there already, unchanged
    error    why nothing of it could be read, in one sentence; problems are about parts
    """

    document: str
    id: str | None
    pages: int
    nodes: dict[str, int]
    problems: tuple[Problem, ...] = ()
    skipped: bool = False
    error: str | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What an ingestion did, file by file in the order they were finished.

    note: that the library answers from another embedding than the settings ask for, that workers of a cluster were
    lost; in sentences.
    """

    documents: tuple[DocumentReport, ...]
    seconds: float
    note: str | None = None

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class ReembedReport:
    """What embedding anew did: nodes embedded into `space` now, and nodes its model does not take (their language)."""

    space: str
    embedded: int
    without: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class DescribeReport:
    """What a run of describing did, counted in elements: done + failed + left = total.

    models     who was asked, in this order
    reused     of those done: equal crops that had been read already, and replies that an interrupted run had left
    verified   of those done: they agree with what the PDF says
    already    described before by the same model with the same prompt, so not counted in total
    skipped    left out as decoration, by the rule of ingestion.describe.selection
    failures   each with its reason; `retry` asks again
    stopped    why the run ended before its end, in a sentence
    note       of a run on a cluster: nodes that were left out, questions that were asked again; in sentences
    """

    models: tuple[str, ...]
    total: int
    done: int
    reused: int
    verified: int
    failed: int
    left: int
    already: int
    skipped: int
    failures: tuple[Failure, ...]
    stopped: str | None
    seconds: float
    note: str | None = None

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class DescriptionStatus:
    """What models have read in the library.

    models     how far each one has got
    described  elements with a description; so many of them with a verified one
    failures   elements without one though a model was asked, newest first
    running    the process that describes now: pid, host, since, command
    """

    models: tuple[ModelTally, ...]
    described: int
    verified: int
    failures: tuple[Failure, ...]
    running: dict[str, str | int] | None

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class SearchHit:
    """One found passage. image is the crop's file name inside the library's crops folder."""

    node_id: str
    document: str
    document_id: str
    title: str
    page: int
    bbox: BBox
    kind: str
    label: str | None
    section: str
    score: float
    found_by: tuple[str, ...]
    text: str
    image: str | None
    pages: tuple[int, ...]
    parts: dict[str, float]


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Hits best first; seconds by stage."""

    query: str
    hits: tuple[SearchHit, ...]
    seconds: dict[str, float]

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class LibraryStatus:
    """What a library holds. size_bytes counts every file in its folder; nodes counts by kind.

    note: that it answers from another embedding than the settings ask for, and what to do.
    """

    path: str
    documents: tuple[DocumentInfo, ...]
    pages: int
    nodes: dict[str, int]
    spaces: tuple[SpaceInfo, ...]
    size_bytes: int
    answers: int
    read_only: bool
    descriptions: DescriptionStatus
    note: str | None = None

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What was wrong and what was done, one sentence each; sound says whether nothing is wrong any more."""

    found: tuple[str, ...]
    done: tuple[str, ...]
    sound: bool

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return dataclasses.asdict(self)


def search_hit(passage: Passage, parts: dict[str, float]) -> SearchHit:
    """A found passage as it is reported; `parts` of its score by feature."""
    return SearchHit(
        node_id=passage.node_id,
        document=passage.document,
        document_id=passage.document_id,
        title=passage.title,
        page=passage.page,
        bbox=passage.bbox,
        kind=passage.kind,
        label=passage.label,
        section=passage.section,
        score=round(passage.score, 6),
        found_by=passage.found_by,
        text=passage.text,
        image=passage.image,
        pages=tuple(sorted({page for page, _ in passage.places})),
        parts=parts,
    )
