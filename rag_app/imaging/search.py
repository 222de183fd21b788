"""ImageSearch: images by words, by a picture, or by both, without what is not wanted; which part matched is told."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Hashable, Sequence
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
from rag_app.imaging.scoring import SAME, Found, Scale, Weights, score
from rag_app.imaging.texts import Said, TextsOfImages
from rag_app.outside import whole_characters
from rag_app.retrieval.image_text import KNOWN, UNKNOWN
from rag_app.retrieval.image_text import Weights as TextWeights
from rag_app.retrieval.question import language_of
from rag_app.store import Filter, Store, StoredNode
from rag_app.store.strangers import crop_file

if TYPE_CHECKING:
    from llama_index.core.base.embeddings.base import BaseEmbedding

    from rag_app.vectors.protocol import VectorSpace

PICTURED = ("figure",)  # all that an image space holds
_CANDIDATES = 100  # asked of each part, at least; the worst of them sets the low end of a scale


@dataclass(frozen=True, slots=True)
class _Words:
    """Words, as each part understands them.

    look, meaning: vectors (dim,) in the space of pictures and in that of texts; None where the model of that space does
    not know the language.
    """

    text: str
    look: np.ndarray | None
    meaning: np.ndarray | None

    @property
    def weights(self) -> TextWeights:
        return KNOWN if self.meaning is not None else UNKNOWN


@dataclass(frozen=True, slots=True)
class _Question:
    """like: vector (dim,) of the picture asked with."""

    like: np.ndarray | None
    wanted: _Words | None
    unwanted: _Words | None


class ImageSearch:
    """Finds the images of a library. pictures, texts: the models and spaces that answer now, asked for at each search.

    texts may name no space: the texts of images are then found by their words alone.
    """

    def __init__(
        self,
        store: Store,
        crops: Path,
        pictures: Callable[[], FilledImages | None],
        texts: Callable[[], tuple[BaseEmbedding, VectorSpace | None]],
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
            filter: which images may be found; its kinds, figures where it has none, say what counts as an image.

        Raises UsageError when nothing is asked; CorruptPicture, EmptyFile, TooLarge for the picture; WeightsMissing.
        """
        text, without = (whole_characters(said or "").strip() or None for said in (text, without))
        if text is None and image is None:
            raise UsageError("Say what to look for: words, a picture, or both.")
        if k < 1:
            raise UsageError(f"k is {k}; ask for 1 image or more.")
        started = time.perf_counter()
        model, (embedding, space) = self._pictures(), self._texts()
        asked = _Question(
            like=_vector_of(image, model) if image is not None else None,
            wanted=_words(text, model, embedding, space) if text else None,
            unwanted=_words(without, model, embedding, space) if without else None,
        )
        asked_s = time.perf_counter() - started
        filter = filter or Filter()
        if not filter.kinds:
            filter = dataclasses.replace(filter, kinds=PICTURED)
        with self._store.snapshot():
            among = _Among(self._store, filter, model.space if model else None, space, max(_CANDIDATES, 5 * k))
            found = self._found(asked, among)
            score(found, among.scales, self._weights)
            hits = self._hits(found, k, model)
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

    def _found(self, asked: _Question, among: _Among) -> dict[int, Found]:
        """What is known of every candidate, by row."""
        found: dict[int, Found] = {}
        wanted, unwanted = asked.wanted, asked.unwanted
        if asked.like is not None:
            among.look_for("image", asked.like, found)
        if wanted is not None:
            if wanted.look is not None:
                among.look_for("look", wanted.look, found)
            self._read_for(wanted, among, found)
        among.look_at("image", asked.like, found)
        among.look_at("look", wanted.look if wanted else None, found)
        if unwanted is not None:
            if unwanted.look is not None:
                among.look_for("unwanted_look", unwanted.look, {})
                among.look_at("unwanted_look", unwanted.look, found)
            said = self._said_about(unwanted, among)
            if said.ready is not None:
                values = said.ready.scores(unwanted.text, unwanted.meaning, weights=unwanted.weights)
                for image, value in zip(said.ready.images, values, strict=True):
                    if image in found:
                        found[_row(image)].unwanted_texts = float(value)
        return found

    def _read_for(self, words: _Words, among: _Among, found: dict[int, Found]) -> None:
        """Candidates by what is said about them join `found`; every candidate there gets its score of texts."""
        said = self._said_about(words, among)
        if said.ready is None:
            return
        some = among.of(said.ready.images)
        hits = said.ready.search(words.text, words.meaning, k=among.most, weights=words.weights, among=some)
        left = found.keys() - {hit.image for hit in hits}
        hits += said.ready.search(words.text, words.meaning, k=len(left), weights=words.weights, among=left)
        for hit in hits:
            one = found.setdefault(_row(hit.image), Found())
            one.meaning, one.words, one.told = hit.meaning, hit.words, said.texts[hit.text]

    def _said_about(self, words: _Words, among: _Among) -> Said:
        return self._said.about(among.kinds, among.texts, words.text, words.meaning, among.rows)

    def _hits(self, found: dict[int, Found], k: int, model: FilledImages | None) -> list[ImageHit]:
        """The `k` best groups of near-duplicates, each as its best image."""
        best = sorted(found, key=lambda row: (-found[row].total, row))[: 3 * k + 10]
        stored = {node.row: node for node in self._store.nodes(best)}
        named = ((row, node.metadata.get(keys.IMAGE)) for row, node in stored.items())
        files = {row: crop_file(self._crops, name) for row, name in named if name}
        vectors = self._store.vectors(model.space.name, best) if model else {}
        return [
            _hit(stored[row], found[row], tuple(stored[other].node_id for other in others))
            for row, *others in grouped([row for row in best if row in stored], files, vectors)[:k]
        ]


class _Among:
    """The images that may be found, and where their vectors and those of their texts are. most: candidates a part."""

    def __init__(
        self, store: Store, filter: Filter, pictures: VectorSpace | None, texts: VectorSpace | None, most: int
    ) -> None:
        self._store = store
        self._pictures = pictures
        self.texts = texts
        self.kinds = filter.kinds
        self._allowed = None if filter == Filter(kinds=PICTURED) else filter
        self.rows = store.row_ids(self._allowed)
        self.most = most
        self.scales: dict[str, Scale] = {}

    def of(self, images: Sequence[Hashable]) -> set[Hashable] | None:
        """Those of `images` (rows) that may be found; None for all."""
        return None if self.rows is None else set(np.intersect1d(np.array(images, np.int64), self.rows).tolist())

    def look_for(self, part: str, vector: np.ndarray, found: dict[int, Found]) -> None:
        """The best pictures for a vector (dim,) join `found`; they set the part's scale."""
        if self._pictures is None:
            return
        best = self._pictures.search(vector, k=self.most, allowed=self._allowed)
        cosines = np.array([hit.score for hit in best])
        self.scales[part] = Scale.of(cosines, below=SAME) if part == "image" else Scale.of(cosines)
        for hit in best:
            found.setdefault(hit.row, Found())

    def look_at(self, part: str, vector: np.ndarray | None, found: dict[int, Found]) -> None:
        """Every candidate with a picture vector gets its cosine."""
        if self._pictures is None or vector is None:
            return
        for row, own in self._store.vectors(self._pictures.name, list(found)).items():
            setattr(found[row], part, float(own @ vector))


def _words(text: str, model: FilledImages | None, embedding: BaseEmbedding, space: VectorSpace | None) -> _Words:
    language = language_of(text)
    look = meaning = None
    if model is not None and knows(model.embedding, language):
        look = model.embedding.embed_texts([text])[0]
    languages = languages_of(embedding)
    if space is not None and (languages is None or language in languages):
        meaning = np.asarray(embedding.get_query_embedding(text), dtype=np.float32)
    return _Words(text, look, meaning)


def _vector_of(image: Path | bytes, model: FilledImages | None) -> np.ndarray:
    if model is None:
        raise UsageError(f"No picture of this library can be compared yet. Run: {FILL}")
    found = model.embedding.embed_images([image])
    for problem in found.problems.values():
        raise CorruptPicture(problem)
    return found.vectors[0]


def _hit(node: StoredNode, found: Found, duplicates: tuple[str, ...]) -> ImageHit:
    metadata, told = node.metadata, found.told
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
        score=round(found.total, 6),
        found_by=found.by,
        parts={name: round(part, 4) for name, part in found.parts.items()},
        text=told.text if told is not None else node.text,
        image=metadata[keys.IMAGE],
        duplicates=duplicates,
    )


def _row(image: Hashable) -> int:
    assert isinstance(image, int)  # images are told by the rows of their nodes
    return image


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
