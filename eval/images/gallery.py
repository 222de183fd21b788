"""The gallery of an evaluation: a library of its own in a temporary folder, searched as a user's is.

The pictures are read once; for each state of the stored captions the library is copied and given those. Nothing of a
user's library is read but its settings, and nothing of it is changed.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Self

import numpy as np

from adapters.names import load_model, parse_model_name
from eval.images.data import CaptionedImage, ImageSet
from eval.images.records import FUSED, TEXTS, TOWER, VECTORS, WORDS
from eval.images.searching import DEPTH, Seen
from ingestion.reading import sha256_of
from rag_app.embeddings import languages_of
from rag_app.errors import InputError
from rag_app.imaging.filling import knows
from rag_app.imaging.records import ImageHit
from rag_app.imaging.search import ImageSearch
from rag_app.library import Library
from rag_app.models import ImageEmbedding
from rag_app.settings import Models, Settings
from rag_app.store import Filter, Store
from rag_app.vectors.space import Space

_USUAL = 10  # images that a search gives where nobody asks for another number
_NEVER_CHANGE = ("crops", "files")  # folders whose files can be the same ones in a copy


class LibraryGallery:
    """Implements eval.images.searching.Gallery. A context: leaving it takes its folder away.

    images: those that the library holds; files with equal content are one, with the captions of all. failed: the rest.
    """

    def __init__(self, data: ImageSet, settings: Settings, *, beside: Path | None = None) -> None:
        """Cheap; see `read_pictures`. beside: where the temporary folder is made; the system's place when None."""
        self.images: tuple[CaptionedImage, ...] = ()
        self.failed: dict[str, str] = {}
        self.notes: list[str] = []
        self._data = data
        self._settings = settings
        self._look: ImageEmbedding = load_model(
            "image_embedding", parse_model_name(settings.models.image_embedding), settings
        )
        self._texts = load_model("text_embedding", parse_model_name(settings.models.text_embedding), settings)
        self._temporary = tempfile.TemporaryDirectory(prefix="rag-app-eval-", dir=beside)
        self._folder = Path(self._temporary.name)
        self._language = ""  # of the stored captions
        self._sha256: tuple[str, ...] = ()
        self._image_of: dict[str, int] = {}
        self._pictures = np.empty((0, 0), dtype=np.float32)
        self._library: Library | None = None
        self._store: Store | None = None
        self._by_texts: ImageSearch | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        self._temporary.cleanup()

    @property
    def models(self) -> Mapping[str, str]:
        return {"image embedding": self._look.model_name, "text embedding": self._texts.model_name}

    def read_pictures(self, *, on_progress: Callable[[int, int], None] | None = None) -> None:
        """Read the pictures into the library; to be called once, before all else.

        on_progress: called with pictures done and in all. Raises WeightsMissing before any work, DiskFull.
        """
        self._look.embed_images([])
        self._texts.get_query_embedding("ready?")
        wanted, twice = self._distinct()
        with Library.open(self._folder / "pictures", settings=self._settings) as library:
            report = library.ingest([image.path for image in wanted.values()], on_progress=on_progress)
            reasons = {one.document: one.error for one in report.documents if one.error}
            held = {document.document_id for document in library.documents()}
            problems = library.index_images().problems
        place: dict[str, int] = {}
        for sha256, image in wanted.items():
            if sha256 in held:
                place[sha256] = len(place)
            else:
                self.failed[image.name] = reasons.get(image.path.name) or "It could not be read."
        self._sha256 = tuple(place)
        self.images = tuple(wanted[sha256] for sha256 in place)
        self._look_up(place)
        self.notes += [_copies(twice)] if twice else []
        self.notes += [f"{len(problems)} pictures have no picture vector."] if problems else []

    def _reads(self, language: str) -> bool:
        languages = languages_of(self._texts)
        return languages is None or language in languages

    def sees_words(self, language: str) -> bool:
        return knows(self._look, language)

    def store(self, captions: Sequence[Sequence[str]], language: str) -> None:
        self._close()
        self._language = language
        trial = self._folder / "trial"
        if trial.exists():
            shutil.rmtree(trial)
        _copy(self._folder / "pictures", trial)
        lines = self._folder / "captions.jsonl"
        with lines.open("w", encoding="utf-8") as file:
            for image, sha256, texts in zip(self.images, self._sha256, captions, strict=True):
                if texts:
                    record = {"image": image.name, "sha256": sha256, "captions": {language: list(texts)}}
                    file.write(json.dumps(record, ensure_ascii=False) + "\n")
        self._library = Library.open(trial, settings=self._settings, create=False)
        if any(captions):
            stored = self._library.add_captions(lines)
            missing = sum(map(len, captions)) - stored.added
            if missing > 0 or stored.unmatched:  # then it would not be known what was searched
                raise InputError(f"{missing} captions and {len(stored.unmatched)} pictures could not be stored.")
        if self.sees_words(language):
            self._store = Store.open(trial, create=False, read_only=True)
            name = self._store.active_space("text")
            space = Space(self._store, name) if name else None
            self._by_texts = ImageSearch(self._store, trial / "crops", lambda: None, lambda: (self._texts, space))

    def search(self, text: str) -> Seen:
        """What users see first, then the rest of the first DEPTH images; scores by kind."""
        assert self._library is not None, "captions are stored before anything is asked"
        usual = self._library.search_images(text, k=_USUAL)
        whole = self._library.search_images(text, k=DEPTH)
        order = list(dict.fromkeys([*self._order(usual.hits), *self._order(whole.hits)]))
        scores = {FUSED: self._scores(whole.hits, lambda hit: hit.score)}
        texts = whole
        if self._by_texts is not None:
            texts = self._by_texts.search(text, k=DEPTH)
            near = self._pictures @ self._look.embed_texts([text])[0]
            scores[TOWER] = np.where(np.isnan(near), -np.inf, near)
            scores[TEXTS] = self._scores(texts.hits, lambda hit: hit.score)
        if self._reads(self._language):
            scores[VECTORS] = self._scores(texts.hits, lambda hit: hit.parts.get("meaning", -np.inf))
        scores[WORDS] = self._scores(texts.hits, lambda hit: hit.parts.get("words", -np.inf))
        return Seen(order, scores)

    def alike(self, image: int) -> Sequence[int]:
        if self._library is None:  # pictures are all it takes
            self._library = Library.open(self._folder / "pictures", settings=self._settings, create=False)
        hits = self._library.search_images(image=self.images[image].path, k=DEPTH).hits
        return [other for other in self._order(hits) if other != image]

    def _distinct(self) -> tuple[dict[str, CaptionedImage], int]:
        """The images by the sha256 of their file, and how many are copies of others; `failed` gets those without."""
        found: dict[str, CaptionedImage] = {}
        twice = 0
        for image in self._data.images:
            if image.name in self._data.failed:
                self.failed[image.name] = self._data.failed[image.name]
                continue
            try:
                sha256 = sha256_of(image.path)
            except InputError as exc:
                self.failed[image.name] = str(exc)
                continue
            twice += sha256 in found
            found[sha256] = found[sha256].joined(image) if sha256 in found else image
        return found, twice

    def _look_up(self, place: Mapping[str, int]) -> None:
        """Which image each figure of the library shows, and the picture vectors (n_images, dimensions)."""
        with Store.open(self._folder / "pictures", create=False, read_only=True) as store:
            rows = store.row_ids(Filter(kinds=("figure",)))
            nodes = store.nodes(rows.tolist() if rows is not None else [])
            self._image_of = {node.node_id: place[node.document_id] for node in nodes}
            space = store.active_space("image")
            vectors = store.vectors(space, [node.row for node in nodes]) if space else {}
        self._pictures = np.full((len(place), self._look.dimensions), np.nan, dtype=np.float32)
        for node in nodes:
            if node.row in vectors:
                self._pictures[self._image_of[node.node_id]] = vectors[node.row]

    def _order(self, hits: Iterable[ImageHit]) -> list[int]:
        """Images as they come; near-duplicates stand behind the one that they are shown under."""
        ids = [node_id for hit in hits for node_id in (hit.node_id, *hit.duplicates)]
        return list(dict.fromkeys(self._image_of[node_id] for node_id in ids))

    def _scores(self, hits: Iterable[ImageHit], score: Callable[[ImageHit], float]) -> np.ndarray:
        """(n_images,) float32, -inf for what did not come."""
        values = np.full(len(self.images), -np.inf, dtype=np.float32)
        for hit in hits:
            for node_id in (hit.node_id, *hit.duplicates):
                image = self._image_of[node_id]
                values[image] = max(values[image], score(hit))
        return values

    def _close(self) -> None:
        self._by_texts = None
        for one in (self._library, self._store):
            if one is not None:
                one.close()
        self._library = self._store = None


def _copy(library: Path, to: Path) -> None:
    """A copy of a library that nobody has open; pictures, which never change, are the same files where possible."""

    def fast(source: str, target: str) -> str:
        inside = Path(source).relative_to(library).parts
        if inside[0] in _NEVER_CHANGE:
            try:
                os.link(source, target)
                return target
            except OSError:  # a file system without links
                pass
        return shutil.copy2(source, target)

    shutil.copytree(library, to, copy_function=fast)


def versions(models: Models) -> dict[str, str]:
    """Versions of what decides the figures with these models: this program and the libraries below it."""
    packages = ["rag-app", "numpy", "faiss-cpu", "pillow", "onnxruntime"]
    if "openclip:" in models.image_embedding:
        packages += ["open-clip-torch", "torch"]
    return {package: version(package) for package in packages}


def _copies(count: int) -> str:
    which = "1 image is a copy of another" if count == 1 else f"{count} images are copies of others"
    return f"{which}; their captions were put together."
