"""Image search: does the image that a caption is about come first, and the caption that an image is about?

Every caption is asked with once while other captions of its image are stored, never itself (eval.images.rounds). What
ranks is the product's own search over a library (eval.images.gallery), looked at as a whole and part by part: `fused`
as users get it, `image tower` by the vectors of the pictures alone, `texts` by captions and words in the picture alone,
and of these by `text vectors` alone and by `words` alone.

    text→image     queries are captions; the rank of the caption's image among all images
    image→text     queries are images; the rank of the first of its captions among all held-out captions, by the scores
                   that the search for each caption gave the image; where an image tower takes part, the fused scale is
                   another one for each caption (rag_app.imaging.scoring), which the other kinds are free of
    image→image    queries are images with a label; the other images in order of likeness
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from eval.images.data import CaptionedImage, ImageSet
from eval.images.metrics import NOT_FOUND, best_rank, by_class, lead, measures, rank_of
from eval.images.records import (
    FUSED,
    KINDS,
    TO_IMAGE,
    TO_TEXT,
    TOWER,
    ClassReport,
    ImagesReport,
    LanguageReport,
    Query,
    Row,
)
from eval.images.rounds import HoldOut, rounds
from rag_app.errors import RagAppError

DEPTH = 250  # images looked at of each search; one that comes later counts as not found
SHOWN_FIRST = 5  # images kept of each search, for looking at misses
ONE_CAPTION = "only one caption, so that none is left to be stored"
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Seen:
    """What one search found. order: images as users get them; scores by kind, of KINDS as far as they were used, are
    (n_images,), higher is better, -inf did not come."""

    order: Sequence[int]
    scores: Mapping[str, np.ndarray]


class Gallery(Protocol):
    """A searchable collection; image i of every array is `images[i]`."""

    @property
    def images(self) -> Sequence[CaptionedImage]: ...

    @property
    def failed(self) -> Mapping[str, str]:
        """Images that are not in it, with the reason."""
        ...

    @property
    def models(self) -> Mapping[str, str]:
        """Names of the models by role."""
        ...

    def sees_words(self, language: str) -> bool:
        """Whether pictures are found by words in that language without captions."""
        ...

    def store(self, captions: Sequence[Sequence[str]], language: str) -> None:
        """Let these be the stored captions, (n_images,) lists; those of before go."""
        ...

    def search(self, text: str) -> Seen:
        """What comes for a text. Raises RagAppError."""
        ...

    def alike(self, image: int) -> Sequence[int]:
        """The other images, most alike first. Raises RagAppError."""
        ...


def run(
    data: ImageSet,
    gallery: Gallery,
    *,
    hold_out: HoldOut | None = None,
    languages: Sequence[str] = (),
    versions: Mapping[str, str] | None = None,
    on_progress: Progress | None = None,
) -> ImagesReport:
    """Ask with every caption and every labelled image of `gallery`.

    Cost: one search a caption and a labelled image; memory 12 bytes a pair of image and caption.

    Args:
        hold_out: what is stored and what is asked with; by default each caption in turn, all others being stored.
        languages: only these; all of the file when empty.
        on_progress: called with searches done and in all.
    """
    chosen = [one for one in data.languages() if not languages or one in languages]
    labels = Counter(image.label for image in gallery.images if image.label is not None)
    plans = {language: _asked_for(gallery, language) for language in chosen}
    hold_out = hold_out or HoldOut()
    captions = sum(
        min(len(gallery.images[i].captions[language]), hold_out.asked or sys.maxsize)
        for language, kept in plans.items()
        for i in kept
    )
    counter = _Counter(on_progress, captions + sum(n for n in labels.values() if n > 1))
    reports = tuple(_language(gallery, one, plans[one], hold_out, counter) for one in chosen)
    classes = _classes(gallery, labels, counter) if labels else None
    return ImagesReport(data, tuple(gallery.images), gallery.models, versions or {}, hold_out, reports, classes)


def _asked_for(gallery: Gallery, language: str) -> list[int]:
    """Images that can be asked for: by a caption while another is stored, or by their picture."""
    least = 1 if gallery.sees_words(language) else 2
    return [i for i, image in enumerate(gallery.images) if len(image.captions.get(language, ())) >= least]


def _language(
    gallery: Gallery, language: str, asked_for: Sequence[int], hold_out: HoldOut, counter: _Counter
) -> LanguageReport:
    captions = [image.captions.get(language, ()) for image in gallery.images]
    allowed = set(asked_for)
    queries: list[Query] = []
    columns: list[Mapping[str, np.ndarray]] = []
    for number in rounds([len(texts) for texts in captions], hold_out):
        gallery.store([[captions[i][j] for j in kept] for i, kept in enumerate(number.stored)], language)
        for image, index in number.asked:
            if image in allowed:
                query, scores = _ask(gallery, language, image, captions[image][index], number.stored[image])
                queries.append(query)
                if query.error is None:
                    columns.append(scores)
                counter.step()
    asked = [query for query in queries if query.error is None]
    scored = {query.image for query in asked}
    heat_images = [i for i in asked_for if i in scored]
    first = {query.image: at for at, query in reversed(list(enumerate(asked)))}
    heat = np.array([[columns[first[j]][FUSED][i] for j in heat_images] for i in heat_images])
    errors = {gallery.images[q.image].name: q.error for q in queries if q.error is not None and q.image not in scored}
    few = [i for i, texts in enumerate(captions) if texts and i not in allowed]
    none = sum(not texts for texts in captions)
    skipped = {f"no caption in {language}": none, ONE_CAPTION: len(few)}
    rows = [*_to_image(language, asked, len(captions)), *_to_text(language, asked, columns)]
    return LanguageReport(
        language,
        len(gallery.images) + len(gallery.failed),
        len(scored),
        {reason: n for reason, n in skipped.items() if n},
        {**gallery.failed, **errors},
        tuple(rows),
        tuple(queries),
        heat,
        tuple(heat_images),
    )


def _ask(
    gallery: Gallery, language: str, image: int, caption: str, stored: Sequence[int]
) -> tuple[Query, Mapping[str, np.ndarray]]:
    """One search. Where none of its captions is stored, texts are no way to the image, and have no rank for it."""
    try:
        seen = gallery.search(caption)
    except RagAppError as exc:
        return Query(language, image, caption, {}, error=str(exc)), {}
    kinds = [kind for kind in seen.scores if kind != FUSED and (stored or kind == TOWER)]
    ranks = {FUSED: seen.order.index(image) + 1 if image in seen.order else NOT_FOUND}
    ranks |= {kind: rank_of(seen.scores[kind], image) for kind in kinds}
    first = tuple((i, float(seen.scores[FUSED][i])) for i in seen.order[:SHOWN_FIRST])
    return Query(language, image, caption, ranks, first), seen.scores


def _to_image(language: str, asked: Sequence[Query], gallery: int) -> list[Row]:
    rows = []
    for kind in KINDS:
        mine = [query for query in asked if kind in query.ranks]
        if mine:
            images = [query.image for query in mine]
            ranks, fused = [query.ranks[kind] for query in mine], [query.ranks[FUSED] for query in mine]
            ahead = None if kind == FUSED else lead(fused, ranks, images)
            values = measures(ranks, images, gallery=gallery)
            rows.append(Row(language, TO_IMAGE, kind, len(mine), gallery, values, ahead))
    return rows


def _to_text(language: str, asked: Sequence[Query], columns: Sequence[Mapping[str, np.ndarray]]) -> list[Row]:
    own: dict[int, list[int]] = {}
    for at, query in enumerate(asked):
        own.setdefault(query.image, []).append(at)
    rows = []
    fused: dict[int, int] = {}
    for kind in KINDS:
        images = [image for image, mine in own.items() if any(kind in asked[at].ranks for at in mine)]
        if not images:
            continue
        held = np.stack([column[kind] for column in columns])  # (n_queries, n_images)
        ranks = [best_rank(held[:, image], own[image]) for image in images]
        fused = fused or dict(zip(images, ranks, strict=True))
        ahead = None if kind == FUSED else lead([fused[image] for image in images], ranks, images)
        values = measures(ranks, images, gallery=len(columns))
        rows.append(Row(language, TO_TEXT, kind, len(images), len(columns), values, ahead))
    return rows


def _classes(gallery: Gallery, labels: Mapping[str, int], counter: _Counter) -> ClassReport:
    """Only labelled images are ranked: of the others it is not known what they show."""
    kept = [i for i, image in enumerate(gallery.images) if image.label is not None and labels.get(image.label, 0) > 1]
    failed: dict[str, str] = dict(gallery.failed)
    found: dict[int, Sequence[int]] = {}
    for image in kept:
        try:
            found[image] = gallery.alike(image)
        except RagAppError as exc:
            failed[gallery.images[image].name] = str(exc)
        counter.step()
    kept = [i for i in kept if i in found]
    sizes = Counter(gallery.images[i].label for i in kept)
    kept = [i for i in kept if sizes[gallery.images[i].label] > 1]
    place = {image: at for at, image in enumerate(kept)}
    order = [[place[other] for other in found[image] if other in place] for image in kept]
    names = [str(gallery.images[i].label) for i in kept]
    return ClassReport(
        by_class(order, names),
        {label: by_class(order, names, only=label) for label in sorted(set(names))},
        len(kept),
        sum(n == 1 for n in labels.values()),
        sum(image.label is None for image in gallery.images),
        failed,
    )


class _Counter:
    def __init__(self, heard: Progress | None, total: int) -> None:
        self._heard, self._total, self._done = heard, total, 0

    def step(self) -> None:
        self._done += 1
        if self._heard:
            self._heard(self._done, self._total)
