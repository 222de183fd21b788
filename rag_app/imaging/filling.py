"""Image spaces of a library: the model whose vectors answer, the one the settings ask for, and filling what is missing.

The same rules as for text (rag_app.embeddings): the first space answers; another model fills a space beside it, which
answers once it is complete. What an image space holds is every figure with a picture, whatever its words.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from adapters.names import ModelName, load_model, parse_model_name
from ingestion import keys
from rag_app.errors import SpaceMismatch, UnknownName
from rag_app.imaging.records import ImageIndexReport
from rag_app.settings import FILE_NAME, Settings
from rag_app.store import Store
from rag_app.store.lock import ProcessLock
from rag_app.store.spaces import parse
from rag_app.store.strangers import crop_file

if TYPE_CHECKING:
    from rag_app.models import ImageEmbedding
    from rag_app.vectors.protocol import VectorSpace

BUILTIN = "builtin-visual"  # what the builtin image embedding calls itself in the name of its space
FILL = "rag-app ingest --reembed"
_BATCH = 64


@dataclass(frozen=True, slots=True)
class FilledImages:
    """An image embedding and the space that its vectors go into."""

    embedding: ImageEmbedding
    space: VectorSpace

    def vectors(self, files: Sequence[Path | None]) -> tuple[np.ndarray, dict[int, str]]:
        """See `picture_vectors`."""
        return picture_vectors(files, self.embedding, dim=self.space.dim)


class ImageSpaces:
    """Which image embedding answers a library's searches and which are filled with its pictures."""

    def __init__(self, folder: Path, store: Store, settings: Settings, space: Callable[[str], VectorSpace]) -> None:
        self._folder = folder
        self._crops = folder / "crops"
        self._store = store
        self._settings = settings
        self._space = space
        self._loaded: dict[str, ImageEmbedding] = {}

    def answering(self) -> FilledImages | None:
        """The embedding of the space that answers now; None in a library without picture vectors.

        Raises SpaceMismatch when no model of that name can be loaded here.
        """
        active = self._store.active_space("image")
        return FilledImages(self._of_space(active), self._space(active)) if active else None

    def take_words(self) -> bool:
        """Whether the embedding that answers may take words; cheap.

        Only the one that the settings ask for: whoever takes it out of them no longer waits for its weights to load.
        """
        active = self._store.active_space("image")
        return active is not None and _model(active) != BUILTIN and _model(active) == self._asked()

    def for_questions(self, language: str) -> tuple[ImageEmbedding, VectorSpace] | None:
        """The embedding that finds pictures by words in that language, and its space; None where there is none."""
        found = self.answering()
        return (found.embedding, found.space) if found is not None and knows(found.embedding, language) else None

    def filled(self) -> list[FilledImages]:
        """Where new pictures go: into the space that answers, and into the wanted one when it has been begun."""
        answering, wanted = self.answering(), self._wanted()
        if answering is None:
            return [FilledImages(wanted, self._space_for(wanted))]
        if wanted.model_name == answering.embedding.model_name:
            return [answering]
        begun = self._begun(wanted.model_name)
        return [answering, FilledImages(wanted, self._space(begun))] if begun else [answering]

    def ready(self) -> list[FilledImages]:
        """As `filled`, with the models loaded; raises now what would fail later."""
        found = self.filled()
        for one in found:
            one.embedding.embed_images([])
        return found

    def save(self) -> None:
        """Write the index files that are behind."""
        for one in self.filled():
            one.space.save()

    def index(self, on_progress: Callable[[int, int], None] | None = None) -> ImageIndexReport:
        """Fill the space of the embedding that the settings ask for, then let it answer.

        What was filled stays filled: it can be stopped anywhere and called again, and papers may come in meanwhile.

        Args:
            on_progress: called with pictures done and pictures in all.

        Raises, before any change, WeightsMissing and what else loading the model raises; LibraryBusy when another
        process does the same, LibraryReadOnly, DiskFull, ModelFailed.
        """
        started = time.perf_counter()
        wanted = self._wanted()
        wanted.embed_images([])
        with ProcessLock(self._folder, "image-indexing", doing="indexed by picture").hold():
            one = FilledImages(wanted, self._space_for(wanted))
            name = one.space.name
            self._store.begin_space(name)
            done, problems = 0, dict[int, str]()
            names = dict[str, str]()
            while True:
                rows = [row for row in self._store.unembedded(name) if row not in problems]
                if not rows and self._store.activate(name, without=problems).active:
                    break
                for start in range(0, len(rows), _BATCH):
                    batch = rows[start : start + _BATCH]
                    filled = self._fill(one, batch, problems, names)
                    done += filled
                    if on_progress is not None:
                        on_progress(done + len(problems), done + len(problems) + len(rows) - start - len(batch))
            one.space.save()
        return ImageIndexReport(name, done, names, time.perf_counter() - started)

    def note(self) -> str | None:
        """What the user has to know about picture vectors, in a sentence; None when there is nothing. Cheap."""
        pictures = self._store.pictures()
        active = self._store.active_space("image")
        if active is None:
            return f"{_many(pictures)} cannot be searched by picture yet. Run: {FILL}" if pictures else None
        have = next(info.vectors for info in self._store.spaces() if info.name == active)
        missing = f"{_many(pictures - have)} have no picture vector. Run: {FILL}" if have < pictures else None
        try:
            if _model(active) == self._asked():
                return missing
        except UnknownName as exc:
            return str(exc)
        return (
            f"Pictures are found by {_shown(active)}, settings ask for {self._settings.models.image_embedding}. "
            f"Run: {FILL}, or set models.image_embedding in {self._folder / FILE_NAME}."
        )

    def _fill(self, one: FilledImages, rows: Sequence[int], problems: dict[int, str], names: dict[str, str]) -> int:
        """Vectors of these nodes into a space; what has none is put into `problems`. Returns how many have one."""
        with self._store.snapshot():
            as_of = self._store.generation()
            stored = self._store.nodes(rows)
        files = [self._file(node.metadata) for node in stored]
        matrix, wrong = one.vectors(files)
        for i, why in wrong.items():
            problems[stored[i].row] = why
            names[str(stored[i].metadata[keys.IMAGE])] = why
        has = np.isfinite(matrix).all(axis=1)
        made = [stored[i].row for i in np.flatnonzero(has).tolist()]
        self._store.fill(one.space.name, made, matrix[has], as_of=as_of)
        return len(made)

    def _file(self, metadata: Mapping[str, object]) -> Path | None:
        image = picture_of(metadata)
        return crop_file(self._crops, image) if image else None

    def _asked(self) -> str:
        """The model in the name of the space that the settings ask for; loads no weights."""
        name = parse_model_name(self._settings.models.image_embedding)
        return BUILTIN if name == ModelName("builtin") else self._load(name).model_name

    def _wanted(self) -> ImageEmbedding:
        return self._load(parse_model_name(self._settings.models.image_embedding))

    def _of_space(self, space: str) -> ImageEmbedding:
        try:
            return self._load(model_name(space))
        except UnknownName as exc:
            raise SpaceMismatch(
                f"This library's pictures were embedded by {_shown(space)}, which cannot be used here ({exc}). Set "
                f"models.image_embedding in {self._folder / FILE_NAME} to one that can, then run: {FILL}"
            ) from exc

    def _load(self, name: ModelName) -> ImageEmbedding:
        if str(name) not in self._loaded:
            self._loaded[str(name)] = load_model("image_embedding", name, self._settings)
        return self._loaded[str(name)]

    def _space_for(self, embedding: ImageEmbedding) -> VectorSpace:
        return self._space(f"image:{embedding.model_name}:{embedding.dimensions}")

    def _begun(self, model: str) -> str | None:
        """The name of its space, if there is one."""
        for info in self._store.spaces():
            if info.role == "image" and _model(info.name) == model:
                return info.name
        return None


def picture_vectors(
    pictures: Sequence[Path | bytes | None], embedding: ImageEmbedding, *, dim: int
) -> tuple[np.ndarray, dict[int, str]]:
    """Vectors (len(pictures), dim), NaN where there is none or it cannot be read; and why not, by index.

    pictures: files, or encoded pictures.
    """
    matrix = np.full((len(pictures), dim), np.nan, dtype=np.float32)
    at = [i for i, picture in enumerate(pictures) if picture is not None]
    if not at:
        return matrix, {}
    found = embedding.embed_images([picture for picture in pictures if picture is not None])
    matrix[at] = found.vectors
    return matrix, {at[i]: problem for i, problem in found.problems.items()}


def picture_of(metadata: Mapping[str, object]) -> str | None:
    """File name of the crop of a node that is a figure; None for others, and for one without a picture."""
    image = metadata.get(keys.IMAGE)
    return str(image) if metadata.get(keys.KIND) == "figure" and image else None


def model_name(space: str) -> ModelName:
    """The name under which the image embedding of a space is loaded. Raises UnknownName."""
    model = _model(space)
    return ModelName("builtin") if model == BUILTIN else parse_model_name(model)


def knows(embedding: ImageEmbedding, language: str) -> bool:
    """Whether its texts may be in that language."""
    return embedding.languages is None or language in embedding.languages


def _model(space: str) -> str:
    return parse(space)[1]


def _shown(space: str) -> str:
    _, model, dim = parse(space)
    return f"{'builtin' if model == BUILTIN else model} ({dim})"


def _many(count: int) -> str:
    return f"{count} figure" if count == 1 else f"{count} figures"
