"""Search hits as every view of them shows them: terminal, gallery and contact sheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from rag_app.captioning.pictures import READ
from rag_app.render.hit_words import HIT_WORDS, HitWords
from rag_app.render.rtl import reads_right_to_left, visual_line
from rag_app.render.terminal import Screen, printable, shorten
from rag_app.store.strangers import crop_file

if TYPE_CHECKING:
    from rag_app.evidence import Passage
    from rag_app.imaging.records import ImageResult
    from rag_app.reports import SearchResult

_TEXT_LIMIT = 240  # characters of a hit's text shown
_TWINS_NAMED = 3


class Pictures(Protocol):
    """What showing hits needs of a library: its folder with the crops, and nodes by their ids."""

    path: Path

    def passages(self, node_ids: Sequence[str]) -> list[Passage]: ...


@dataclass(frozen=True, slots=True)
class Twin:
    """A near-duplicate of a hit. picture: the crop's path, or None."""

    document: str
    page: int
    label: str | None
    picture: Path | None


@dataclass(frozen=True, slots=True)
class Card:
    """One hit to be shown; the fields as in ImageHit and SearchHit. picture: the crop's path, or None.

    caption: first line of its caption; text: what matched, "" where that is the caption or the picture itself.
    """

    rank: int
    document: str
    page: int
    kind: str
    label: str | None
    caption: str
    text: str
    score: float
    found_by: tuple[str, ...]
    why: Mapping[str, float]
    picture: Path | None
    twins: tuple[Twin, ...] = ()


@dataclass(frozen=True, slots=True)
class Hits:
    """The hits of one search, best first, and what was asked.

    without: words of what is not wanted; picture: the file searched with; seconds in all.
    models: names of what found them. note: what could not be used, in a sentence.
    """

    query: str
    cards: tuple[Card, ...]
    seconds: float
    without: str = ""
    picture: Path | None = None
    models: tuple[str, ...] = ()
    note: str | None = None

    @property
    def language(self) -> str:
        """Of the words around the hits: "fa" for a right-to-left query, else "en"."""
        return "fa" if reads_right_to_left(self.query or self.without) else "en"

    @property
    def words(self) -> HitWords:
        return HIT_WORDS[self.language]


def image_hits(result: ImageResult, library: Pictures, *, picture: Path | None = None) -> Hits:
    """What an image search found; `picture`: the file it was asked with."""
    twins = {
        passage.node_id: Twin(passage.document, passage.page, passage.label, _crop(library, passage.image))
        for passage in library.passages([twin for hit in result.hits for twin in hit.duplicates])
    }
    cards = []
    for rank, hit in enumerate(result.hits, start=1):
        caption = _first_line(hit.caption or "")
        cards.append(
            Card(
                rank=rank,
                document=hit.document,
                page=hit.page,
                kind=hit.kind,
                label=hit.label,
                caption=caption,
                text=_beside(hit.text, hit.caption or "") if set(hit.found_by) - {"image"} else "",
                score=hit.score,
                found_by=hit.found_by,
                why=hit.parts,
                picture=_crop(library, hit.image),
                twins=tuple(twins[twin] for twin in hit.duplicates if twin in twins),
            )
        )
    return Hits(
        query=result.query.text or "",
        cards=tuple(cards),
        seconds=_total(result.seconds),
        without=result.query.without or "",
        picture=picture,
        models=tuple(dict.fromkeys(name for name in result.models.values() if name)),
        note=result.note,
    )


def passage_hits(result: SearchResult, library: Pictures) -> Hits:
    """What a text search found."""
    cards = []
    for rank, hit in enumerate(result.hits, start=1):
        caption = _first_line(hit.text) if hit.kind == "figure" else ""
        cards.append(
            Card(
                rank=rank,
                document=hit.document,
                page=hit.page,
                kind=hit.kind,
                label=hit.label,
                caption=caption,
                text=_beside(hit.text, caption),
                score=hit.score,
                found_by=hit.found_by,
                why={},
                picture=_crop(library, hit.image),
            )
        )
    return Hits(query=result.query, cards=tuple(cards), seconds=_total(result.seconds))


def place(found: Card | Twin, words: HitWords) -> str:
    """Document and page in words."""
    page = page_of(found, words)
    return f"{found.document}{words.comma}{page}" if page else found.document


def page_of(found: Card | Twin, words: HitWords) -> str:
    """ "page 4"; "" for a picture file, which has one page."""
    if found.page == 1 and Path(found.document).suffix.lower() in READ:
        return ""
    return f"{words.common.page} {words.common.digits(found.page)}"


def hits_text(hits: Hits, screen: Screen) -> str:
    """The hits for a terminal, best first: label and place, what found them, caption, text, crop, near-duplicates."""
    english = HIT_WORDS["en"]
    lines: list[str] = []
    for card in hits.cards:
        what = f" · {card.label or card.kind}" if card.label or card.kind != "figure" else ""
        head = f"{card.rank}. {printable(place(card, english))}{what}"
        found = f"{card.score:.3f}" + (f" by {', '.join(card.found_by)}" if card.found_by else "")
        head = visual_line(head, right_to_left=False) if screen.reorder else head
        lines.append(f"{click.style(head, bold=True)}  {click.style(found, dim=True)}")
        for text in (card.caption, card.text):
            lines += screen.paragraph(shorten(text, _TEXT_LIMIT), indent="   ") if text else []
        lines += [f"   crop: {card.picture}"] if card.picture else []
        if card.twins:
            named = "; ".join(printable(place(twin, english)) for twin in card.twins[:_TWINS_NAMED])
            more = "; …" if len(card.twins) > _TWINS_NAMED else ""
            folded = f"{english.folded(len(card.twins))}: {named}{more}"
            folded = visual_line(folded, right_to_left=False) if screen.reorder else folded
            lines.append(f"   {click.style(folded, dim=True)}")
        lines.append("")
    if not lines:
        lines = [english.nothing, ""]
    lines += [click.style(hits.note, fg="yellow")] if hits.note else []
    return "\n".join(lines).rstrip()


def _crop(library: Pictures, name: str | None) -> Path | None:
    return crop_file(library.path / "crops", name) if name else None


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def _beside(text: str, caption: str) -> str:
    """What `text` says beside the caption, with which a figure's text begins."""
    return " ".join(text.split()).removeprefix(" ".join(caption.split())).strip()


def _total(seconds: Mapping[str, float]) -> float:
    return seconds.get("total", sum(seconds.values()))
