"""ImageSearch: images by words, by a picture, or by both, without what is not wanted; which part matched is told."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ingestion import keys
from rag_app.embeddings import languages_of
from rag_app.errors import CorruptPicture, UsageError
from rag_app.imaging.duplicates import grouped
from rag_app.imaging.filling import FILL, FilledImages, knows
from rag_app.imaging.records import ImageHit, ImageQuery, ImageResult
from rag_app.imaging.scoring import Found, Scale, Weights, score
from rag_app.imaging.texts import TextsOfImages
from rag_app.retrieval.image_text import KNOWN, UNKNOWN, StoredText
from rag_app.retrieval.question import language_of
from rag_app.store import Filter, Scored, Store, StoredNode

if TYPE_CHECKING:
    from llama_index.core.base.embeddings.base import BaseEmbedding

    from rag_app.vectors.space import Space

_CANDIDATES = 100  # asked of each part, at least; the worst of them sets the low end of a scale
_KIND_OF_TEXT = {"caption": "caption", "description": "description", "text in figure": "text"}


@dataclass(frozen=True, slots=True)
class _Asked:
    """Words, as each part understands them. look, meaning: vectors (dim,), None where that model cannot read them."""

    text: str
    look: np.ndarray | None
    meaning: np.ndarray | None
    known: bool


class ImageSearch:
    """Finds the images of a library. pictures, texts: the models and spaces that answer now, asked for at each search.

    texts may name no space: the texts of images are then found by their words alone.
    """

    def __init__(
        self,
        store: Store,
        crops: Path,
        pictures: Callable[[], FilledImages | None],
        texts: Callable[[], tuple[BaseEmbedding, Space | None]],
        *,
        weights: Weights | None = None,
    ) -> None:
        self._store = store
        self._crops = crops
        self._pictures = pictures
        self._texts = texts
        self._weights = weights or Weights()
        self._said = TextsOfImages(store)

    def search(
        self,
        text: str | None = None,
        *,
        image: Path | bytes | None = None,
        without: str | None = None,
        k: int = 10,
        filter: Filter | None = None,
    ) -> ImageResult:
        """The `k` best images, near-duplicates under the best of them.

        Args:
            text: words that say what is shown; with `image`, how it is to differ ("like this, but a line chart").
            image: a picture file or an encoded picture; images that look like it are found.
            without: words that say what must not be shown.
            filter: which images may be found; its kinds say what counts as an image.

        Raises UsageError when nothing is asked; CorruptPicture, EmptyFile, TooLarge for the picture; WeightsMissing.
        """
        text, without = (text or "").strip() or None, (without or "").strip() or None
        if text is None and image is None:
            raise UsageError("Say what to look for: words, a picture, or both.")
        if k < 1:
            raise UsageError(f"k is {k}; ask for 1 image or more.")
        started = time.perf_counter()
        model, (embedding, space) = self._pictures(), self._texts()
        like = _vector_of(image, model) if image is not None else None
        wanted = _asked(text, model, embedding, space) if text else None
        unwanted = _asked(without, model, embedding, space) if without else None
        asked_s = time.perf_counter() - started
        filter = filter or Filter(kinds=("figure",))
        with self._store.snapshot():
            look = _Look(self._store, model, self._store.row_ids(filter), max(_CANDIDATES, 5 * k))
            found, told = self._found(look, like, wanted, unwanted, space, filter)
            scores = score(found, look.scales, self._weights)
            best = sorted(scores, key=lambda row: (-scores[row], row))
            hits = self._hits(best, k, found, scores, told, model)
        seconds = {"vectors": asked_s, "total": time.perf_counter() - started}
        name = image.name if isinstance(image, Path) else f"{len(image)} bytes" if image is not None else None
        return ImageResult(
            ImageQuery(text, name, without),
            tuple(hits),
            seconds,
            {
                "image_embedding": model.embedding.model_name if model else None,
                "text_embedding": embedding.model_name if space else None,
            },
            _note(text, image, model, hits, self._store.pictures()),
        )

    def _found(
        self,
        look: _Look,
        like: np.ndarray | None,
        wanted: _Asked | None,
        unwanted: _Asked | None,
        space: Space | None,
        filter: Filter,
    ) -> tuple[dict[int, Found], dict[int, StoredText]]:
        """What is known of every candidate, by row, and the text of each that fits best."""
        found: dict[int, Found] = {}
        told: dict[int, StoredText] = {}
        if like is not None:
            look.candidates("image", like, found)
        if wanted is not None:
            if wanted.look is not None:
                look.candidates("look", wanted.look, found)
            told = self._from_texts(wanted, look, space, filter, found)
        look.complete("image", like, found)
        look.complete("look", wanted.look if wanted else None, found)
        if unwanted is not None:
            if unwanted.look is not None:
                look.candidates("unwanted_look", unwanted.look, {})
                look.complete("unwanted_look", unwanted.look, found)
            self._unwanted_texts(unwanted, look, space, filter, found)
        return found, told

    def _from_texts(
        self, asked: _Asked, look: _Look, space: Space | None, filter: Filter, found: dict[int, Found]
    ) -> dict[int, StoredText]:
        """Candidates by what is said about them; every candidate gets its score of texts."""
        said = self._said.about(filter.kinds, space, asked.text, asked.meaning, look.rows)
        if said.ready is None:
            return {}
        weights = KNOWN if asked.known else UNKNOWN
        hits = said.ready.search(asked.text, asked.meaning, k=look.most, weights=weights, among=look.allowed)
        others = said.ready.search(
            asked.text, asked.meaning, k=len(found), weights=weights, among=found.keys() - {hit.image for hit in hits}
        )
        told = {}
        for hit in [*hits, *others]:
            row = int(str(hit.image))
            one = found.setdefault(row, Found())
            one.meaning, one.words = hit.meaning, hit.words
            told[row] = said.texts[hit.text]
        return told

    def _unwanted_texts(
        self, asked: _Asked, look: _Look, space: Space | None, filter: Filter, found: dict[int, Found]
    ) -> None:
        said = self._said.about(filter.kinds, space, asked.text, asked.meaning, look.rows)
        if said.ready is None:
            return
        scores = said.ready.scores(asked.text, asked.meaning, weights=KNOWN if asked.known else UNKNOWN)
        for row, value in zip(said.ready.images, scores, strict=True):
            if row in found:
                found[int(str(row))].unwanted_texts = float(value)

    def _hits(
        self,
        best: list[int],
        k: int,
        found: dict[int, Found],
        scores: dict[int, float],
        told: dict[int, StoredText],
        model: FilledImages | None,
    ) -> list[ImageHit]:
        """The `k` best groups of near-duplicates, each as its best image."""
        looked_at = 3 * k + 10
        stored = {node.row: node for node in self._store.nodes(best[:looked_at])}
        rows = [row for row in best[:looked_at] if row in stored]
        files = {row: self._crops / str(stored[row].metadata[keys.IMAGE]) for row in rows if _image(stored[row])}
        vectors = self._store.vectors(model.space.name, rows) if model else {}
        return [
            _hit(
                stored[row],
                scores[row],
                found[row],
                told.get(row),
                tuple(stored[other].node_id for other in others),
            )
            for row, *others in grouped(rows, files, vectors)[:k]
        ]


class _Look:
    """Cosines of pictures, in the image space that answers, among the rows allowed."""

    def __init__(self, store: Store, model: FilledImages | None, rows: np.ndarray | None, most: int) -> None:
        self._store = store
        self._space = model.space if model else None
        self.rows = rows
        self.allowed = set(rows.tolist()) if rows is not None else None
        self.most = most
        self.scales: dict[str, Scale] = {}

    def candidates(self, part: str, vector: np.ndarray, found: dict[int, Found]) -> None:
        """The best pictures for a vector (dim,) join `found`; they set the part's scale."""
        if self._space is None:
            return
        best: list[Scored] = self._space.search(vector, k=self.most, rows=self.rows)
        self.scales[part] = Scale.of(np.array([hit.score for hit in best]))
        for hit in best:
            found.setdefault(hit.row, Found())

    def complete(self, part: str, vector: np.ndarray | None, found: dict[int, Found]) -> None:
        """Every candidate with a picture vector gets its cosine."""
        if self._space is None or vector is None:
            return
        for row, own in self._store.vectors(self._space.name, list(found)).items():
            setattr(found[row], part, float(own @ vector))


def _asked(text: str, model: FilledImages | None, embedding: BaseEmbedding, space: Space | None) -> _Asked:
    language = language_of(text)
    look = meaning = None
    if model is not None and knows(model.embedding, language):
        look = model.embedding.embed_texts([text])[0]
    languages = languages_of(embedding)
    known = space is not None and (languages is None or language in languages)
    if known:
        meaning = np.asarray(embedding.get_query_embedding(text), dtype=np.float32)
    return _Asked(text, look, meaning, known)


def _vector_of(image: Path | bytes, model: FilledImages | None) -> np.ndarray:
    if model is None:
        raise UsageError(f"No picture of this library can be compared yet. Run: {FILL}")
    found = model.embedding.embed_images([image])
    for problem in found.problems.values():
        raise CorruptPicture(problem)
    return found.vectors[0]


def _hit(
    node: StoredNode, value: float, found: Found, told: StoredText | None, duplicates: tuple[str, ...]
) -> ImageHit:
    metadata = node.metadata
    by = ["image"] if found.image is not None or found.parts.get("look") else []
    if told is not None and (found.parts.get("meaning", 0.0) > 0 or found.parts.get("words")):
        by.append(_KIND_OF_TEXT[told.kind])
    page, *box = metadata[keys.PLACES][0]
    return ImageHit(
        node_id=node.node_id,
        document=node.document,
        document_id=node.document_id,
        page=page,
        bbox=(box[0], box[1], box[2], box[3]),
        kind=node.kind,
        label=node.label,
        caption=metadata[keys.CAPTION] or (told.text if told is not None and told.kind == "caption" else None),
        score=round(value, 6),
        found_by=tuple(by),
        parts={name: round(part, 4) for name, part in found.parts.items()},
        text=told.text if told is not None else node.text,
        image=metadata[keys.IMAGE],
        duplicates=duplicates,
    )


def _image(node: StoredNode) -> bool:
    return bool(node.metadata.get(keys.IMAGE))


def _note(
    text: str | None, image: Path | bytes | None, model: FilledImages | None, hits: list[ImageHit], pictures: int
) -> str | None:
    """Why words could not be compared with pictures where that left nothing to find."""
    if text is None or image is not None or hits or not pictures:
        return None
    if model is None:
        return f"The pictures of this library have no vectors yet. Run: {FILL}"
    if knows(model.embedding, language_of(text)):
        return None
    return (
        f"Nothing that is said about the pictures fits, and {model.embedding.model_name} does not take these words. "
        "Store captions: rag-app ingest PATH --captions FILE.jsonl, or set models.image_embedding to a CLIP model."
    )
