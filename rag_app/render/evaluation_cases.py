"""The worst items of a run, with what was asked, said and found, and the pages where it stands."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from eval.failures import GROUPS, Diagnosis, Group, Shelf
from eval.gold import passages_of
from eval.runs.rows import Row
from rag_app.citations import Citation
from rag_app.errors import LibraryDamaged, UnknownDocument
from rag_app.render.evaluation_groups import TITLES, question
from rag_app.render.page import CitedPage, cited_pages, draw_page
from rag_app.render.self_contained import Embedded, embedded

WORST = 20
_DPI = 88  # a page is read at half a laptop's screen here
_MOST_PAGES = 3  # of a case
_MOST_LETTERS = 600  # of a value shown
_MOST_PASSAGES = 8
_SIDE = 480  # pixels of a captioned picture
_SHOWN_APART = ("question", "answer", "checked", "hits", "passages", "image")
_GOLD = 0  # the number of a box that shows where the answer stands; citations count from 1
# The most misleading first: what is wrong and looks right, then what is missing.
_HARM: tuple[Group, ...] = (
    "answered_wrongly",
    "wrong",
    "miscited",
    "not_used",
    "unsupported",
    "not_extracted",
    "not_retrieved",
    "refused_wrongly",
    "failed",
)
assert {*_HARM, "right"} == set(GROUPS)


@dataclass(frozen=True, slots=True)
class Found:
    """One passage that was found. gold: it holds what answers; cited: the answer cites it."""

    rank: int
    where: str
    text: str
    gold: bool
    cited: bool


@dataclass(frozen=True, slots=True)
class Case:
    """One item as the report shows it.

    anchor        its name on the page, letters and digits
    group, title  of its failure group; empty where the kind of run has none
    wanted        (where, words) of each piece of what answers
    answer        Markdown with [n]; None where nothing was answered
    details       what else the record holds, for kinds of runs without questions and answers
    picture       of a captioned image
    pages         boxes with n 0 show where the answer stands, the others what was cited
    """

    anchor: str
    id: str
    group: str
    title: str
    reason: str
    groups: Mapping[str, str]
    question: str
    accepted: tuple[str, ...]
    wanted: tuple[tuple[str, str], ...]
    answer: str | None
    refused: bool
    confidence: float | None
    cited: tuple[int, ...]
    scores: tuple[tuple[str, str], ...]
    found: tuple[Found, ...]
    details: tuple[tuple[str, str], ...]
    picture: Embedded | None
    pages: tuple[CitedPage, ...]


@dataclass
class Album:
    """Pictures of pages, each drawn once however many cases show it. names: (document id, page) -> its name."""

    shelf: Shelf
    names: dict[tuple[str, int], str | None] = field(default_factory=dict)
    pictures: dict[str, str] = field(default_factory=dict)

    def has(self, document_id: str) -> bool:
        try:
            self.shelf.paper(document_id)
        except UnknownDocument:  # taken out of the library since
            return False
        return True

    def name(self, document_id: str, page: int) -> str | None:
        """The picture's name, "pg1"; None where it cannot be drawn."""
        key = document_id, page
        if key not in self.names:
            try:
                webp = draw_page(self.shelf, document_id, page, dpi=_DPI)
            except LibraryDamaged:  # the report goes on and says that this page cannot be shown
                webp = None
            self.names[key] = f"pg{len(self.pictures) + 1}" if webp else None
            if webp:
                self.pictures[f"pg{len(self.pictures) + 1}"] = base64.b64encode(webp).decode("ascii")
        return self.names[key]


def worst(
    rows: Sequence[Row], diagnoses: Mapping[str, Diagnosis], *, metric: str | None, most: int = WORST
) -> list[Row]:
    """The worst items, the worst first.

    Where failures are grouped: the worst of each group in turn, the most misleading group first, within a group those
    that were said with most confidence. Else what failed, then what has the lowest score in the metric.
    """
    if diagnoses:
        by_group = [
            sorted(
                (row for row in rows if row.id in diagnoses and diagnoses[row.id].group == group),
                key=lambda row: -(_confidence(row) or 0.0),
            )
            for group in _HARM
        ]
        turns = [row for turn in zip_longest(*by_group) for row in turn if row is not None]
        return turns[:most]
    failed = [row for row in rows if row.error is not None]
    scored = [row for row in rows if metric in row.scores]
    best = max((row.scores[metric] for row in scored), default=0.0) if metric else 0.0
    low = sorted(
        (row for row in scored if metric and row.scores[metric] < best), key=lambda row: row.scores[metric or ""]
    )
    return [*failed, *low][:most]


def case(row: Row, rank: int, diagnosis: Diagnosis | None, album: Album | None) -> Case:
    """What is shown of one item. rank: among the worst, from 1. album: of the library asked, if it is there."""
    answer: Mapping[str, Any] | None = row.record.get("answer")  # Any: JSON
    citations = [_citation(raw) for raw in answer["citations"]] if answer else []
    wanted = diagnosis.wanted if diagnosis else ()
    gold_ranks = {one.rank for one in wanted}
    cited_nodes = {citation.node_id for citation in citations}
    found = tuple(
        Found(
            passage.rank,
            f"{passage.document}, page {', '.join(map(str, passage.pages))}"
            + (f", {passage.label}" if passage.label else ""),
            _short(passage.text, 260),
            passage.rank in gold_ranks,
            passage.node_id in cited_nodes,
        )
        for passage in passages_of(row.record)
    )
    shown = [one for one in found if one.rank <= _MOST_PASSAGES or one.gold or one.cited]
    asked = row.record.get("question") or {}
    return Case(
        f"case{rank}",
        row.id,
        diagnosis.group if diagnosis else "",
        TITLES[diagnosis.group] if diagnosis else "",
        diagnosis.reason if diagnosis else row.error or "",
        row.groups,
        question(row),
        tuple(asked.get("answers") or ()),
        tuple((f"{one.document}, page {', '.join(map(str, one.pages))}", one.text) for one in wanted),
        answer["answer"] if answer else None,
        bool(answer and answer["refused"]),
        _confidence(row),
        tuple(citation.n for citation in citations),
        tuple((name, number(value)) for name, value in row.scores.items()),
        tuple(shown),
        tuple(_details({name: value for name, value in row.record.items() if name not in _SHOWN_APART})),
        embedded(Path(row.record["image"]), side=_SIDE) if "image" in row.record else None,
        _pages(diagnosis, citations, album) if album else (),
    )


def number(value: float) -> str:
    """A score as people read it."""
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def _pages(diagnosis: Diagnosis | None, citations: Sequence[Citation], album: Album) -> tuple[CitedPage, ...]:
    """The pages where the answer stands, then those that were cited."""
    gold: list[Citation] = []
    for one in diagnosis.wanted if diagnosis else ():
        if one.document_id is None or not album.has(one.document_id):
            continue
        sizes = album.shelf.paper(one.document_id).pages
        whole = [
            (page, (0.0, 0.0, sizes[page - 1].width, sizes[page - 1].height))
            for page in one.pages
            if page <= len(sizes) and page not in {place[0] for place in one.places}
        ]
        places = (*one.places, *whole)
        if places:
            gold.append(
                Citation(
                    _GOLD, one.document, one.document_id, "", places[0][0], places[0][1], places, "", None, "", "", None
                )
            )
    there = [citation for citation in citations if album.has(citation.document_id)]
    return tuple(cited_pages([*gold, *there], library=album.shelf, address=album.name)[:_MOST_PAGES])


def _citation(raw: Mapping[str, Any]) -> Citation:  # Any: JSON
    """A citation of a record, as far as boxes on pages need it."""
    places = tuple((page, tuple(box)) for page, box in raw["places"])
    kept = ("n", "document", "document_id", "title", "page", "kind", "label", "quote", "node_id", "image")
    return Citation(**{name: raw[name] for name in kept}, bbox=tuple(raw["bbox"]), places=places)


def _confidence(row: Row) -> float | None:
    answer = row.record.get("answer")
    return answer["confidence"] if answer else None


def _details(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:  # Any: JSON
    """Names and values of a record, whatever its shape."""
    for name, value in record.items():
        if isinstance(value, Mapping):
            yield from _details(value, f"{prefix}{name}.")
        elif value not in (None, "", [], ()):
            yield f"{prefix}{name}".replace("_", " "), _short(_written(value), _MOST_LETTERS)


def _written(value: object) -> str:
    """A JSON value as people read it: texts a line each."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return "\n".join(value)
    return json.dumps(value, ensure_ascii=False)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
