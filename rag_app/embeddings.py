"""Text embeddings of a library: the model whose space answers, the one the settings ask for, and going from one to the
other without a moment in which the library does not answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from adapters.names import SCHEMES, ModelName, load_model, parse_model_name
from rag_app.errors import SpaceMismatch, UnknownName
from rag_app.reports import ReembedReport
from rag_app.settings import FILE_NAME, Settings
from rag_app.store import Store
from rag_app.store.lock import ProcessLock
from rag_app.store.spaces import parse

if TYPE_CHECKING:
    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.schema import BaseNode

    from rag_app.store.store import Embed
    from rag_app.vectors.protocol import VectorSpace

BUILTIN = "builtin-minilm"  # what the builtin embedding calls itself in the name of its space
_BATCH_NODES = 32


@dataclass(frozen=True, slots=True)
class Filled:
    """An embedding, the space that its vectors go into, and its languages (ISO 639-1), None for all."""

    embedding: BaseEmbedding
    space: VectorSpace
    languages: frozenset[str] | None

    def vectors(self, nodes: Sequence[BaseNode]) -> np.ndarray:
        """Vectors (len(nodes), dim) of the nodes that the embedding takes; NaN for the others."""
        return text_vectors(nodes, self.embedding, self.languages, dim=self.space.dim)


class Embeddings:
    """Which embedding answers a library's questions and which are filled with its papers."""

    def __init__(self, folder: Path, store: Store, settings: Settings, space: Callable[[str], VectorSpace]) -> None:
        self._folder = folder
        self._store = store
        self._settings = settings
        self._space = space
        self._loaded: dict[str, BaseEmbedding] = {}

    def answering(self) -> tuple[BaseEmbedding, VectorSpace | None]:
        """The embedding of the space that answers now, and the space; None in a library without vectors.

        Raises SpaceMismatch when no model of that name can be loaded here.
        """
        wanted, active = self._wanted(), self._store.active_space("text")
        if active is None:
            return wanted, None
        if _model(active) == wanted.model_name:
            return wanted, self._space(active)
        return self._of_space(active), self._space(active)

    def filled(self) -> list[Filled]:
        """Where new papers go: into the space that answers, and into the wanted one when it has been begun."""
        embedding, space = self.answering()
        wanted = self._wanted()
        if space is None:
            return [self._filled(wanted, self._space_for(wanted))]
        found = [self._filled(embedding, space)]
        begun = self._begun(wanted)
        if begun is not None and begun != space.name:
            found.append(self._filled(wanted, self._space(begun)))
        return found

    def ready(self) -> list[Filled]:
        """As `filled`, with the models loaded; raises now what would fail later."""
        found = self.filled()
        for one in found:
            one.embedding.get_query_embedding("ready?")
        return found

    def note(self) -> str | None:
        """What the user has to know about the swap to another embedding, in a sentence; None when there is none."""
        active = self._store.active_space("text")
        asked = str(parse_model_name(self._settings.models.text_embedding))
        cheap = BUILTIN if asked == "builtin" else asked  # known without loading anything
        if active is None or _model(active) == cheap:
            return None
        try:
            if _model(active) == self._wanted().model_name:
                return None
        except UnknownName as exc:
            return str(exc)
        return f"{self._mismatch(active)} Until then questions are answered from {_shown(active)}."

    def catch_up(self) -> int:
        """Make the vectors of nodes that were described since anew, in every space that is filled; returns how many."""
        done = 0
        for one in self.filled() if self._store.size() else ():
            done += self._fill(one, self._store.vectors_behind(one.space.name))
            one.space.save()
        return done

    def for_describing(self) -> Embed | None:
        """Makes the vectors of described nodes; None where the model runs on a server, and `catch_up` has to do it.

        A server that has to load the embedding for each description would throw the vision model out each time.
        """
        active = self._store.active_space("text")
        if active is None or _model(active) != BUILTIN:
            return None
        embedding, space = self.answering()
        assert space is not None
        one = self._filled(embedding, space)
        return lambda nodes: {space.name: one.vectors(nodes)}

    def vectors(self, nodes: Sequence[BaseNode]) -> dict[str, np.ndarray]:
        """By space that is filled, vectors (len(nodes), dim) of the nodes; NaN for those a model does not take."""
        return {one.space.name: one.vectors(nodes) for one in self.filled()}

    def save(self) -> None:
        """Write the index files that are behind."""
        for one in self.filled():
            one.space.save()

    def complete(self, rows: Sequence[int]) -> None:
        """Make the vectors of these nodes in every space that is filled."""
        for one in self.filled():
            self._fill(one, rows)

    def reembed(self, on_progress: Callable[[int, int], None] | None = None) -> ReembedReport:
        """Fill the space of the embedding that the settings ask for, then let it answer.

        What was filled stays filled: it can be stopped anywhere and called again, and papers may come in meanwhile.

        Args:
            on_progress: called with nodes done and nodes in all.

        Raises LibraryBusy when another process does the same, LibraryReadOnly, DiskFull, and what the model raises.
        """
        started = time.perf_counter()
        wanted = self._wanted()
        lock = ProcessLock(self._folder, "reembedding", doing="embedded anew")
        with lock.hold():
            one = self._filled(wanted, self._space_for(wanted))
            name = one.space.name
            self._store.begin_space(name)
            done, without = 0, set[int]()
            while True:
                lacking = {*self._store.unembedded(name), *self._store.missing_vectors(name)}
                rows = sorted(lacking.difference(without))
                done += self._fill(one, rows, without, _counted(on_progress, done, len(rows)))
                if not rows:
                    active = self._store.activate(name, without=without)
                    if active.active:
                        break
            one.space.save()
        return ReembedReport(name, done, len(without), time.perf_counter() - started)

    def _fill(
        self,
        one: Filled,
        rows: Sequence[int],
        without: set[int] | None = None,
        heard: Callable[[int], None] | None = None,
    ) -> int:
        """Vectors of these nodes into a space, batch by batch; those its model does not take are put into `without`."""
        filled = 0
        for start in range(0, len(rows), _BATCH_NODES):
            with self._store.snapshot():
                as_of = self._store.generation()
                stored = self._store.nodes(rows[start : start + _BATCH_NODES])
            matrix = one.vectors([node.node for node in stored])
            has = np.isfinite(matrix).all(axis=1)
            made = [stored[i].row for i in np.flatnonzero(has).tolist()]
            self._store.fill(one.space.name, made, matrix[has], as_of=as_of)
            filled += len(made)
            if without is not None:
                without.update({node.row for node in stored}.difference(made))
            if heard is not None:
                heard(start + len(stored))
        return filled

    def _wanted(self) -> BaseEmbedding:
        return self._load(parse_model_name(self._settings.models.text_embedding))

    def _of_space(self, space: str) -> BaseEmbedding:
        model = _model(space)
        if model != BUILTIN and not model.startswith(tuple(f"{scheme}:" for scheme in SCHEMES)):
            raise SpaceMismatch(self._mismatch(space))
        try:
            return self._load(model_name(space))
        except UnknownName as exc:
            raise SpaceMismatch(self._mismatch(space)) from exc

    def _load(self, name: ModelName) -> BaseEmbedding:
        if str(name) not in self._loaded:
            self._loaded[str(name)] = load_model("text_embedding", name, self._settings)
        return self._loaded[str(name)]

    def _filled(self, embedding: BaseEmbedding, space: VectorSpace) -> Filled:
        return Filled(embedding, space, languages_of(embedding))

    def _space_for(self, embedding: BaseEmbedding) -> VectorSpace:
        """The space this embedding fills."""
        dim = getattr(embedding, "dimensions", None) or len(embedding.get_query_embedding("dimension"))
        return self._space(f"text:{embedding.model_name}:{dim}")

    def _begun(self, embedding: BaseEmbedding) -> str | None:
        """The name of its space, if there is one; asks no server."""
        for info in self._store.spaces():
            if info.role == "text" and _model(info.name) == embedding.model_name:
                return info.name
        return None

    def _mismatch(self, space: str) -> str:
        wanted = self._wanted()
        begun = self._begun(wanted)
        if begun is None and wanted.model_name == BUILTIN:
            begun = self._space_for(wanted).name
        asked = _shown(begun) if begun else self._settings.models.text_embedding
        return (
            f"This library's text space is {_shown(space)}, settings ask for {asked}. "
            f"Run: rag-app ingest --reembed, or set models.text_embedding in {self._folder / FILE_NAME}."
        )


def text_vectors(
    nodes: Sequence[BaseNode], embedding: BaseEmbedding, languages: frozenset[str] | None, *, dim: int
) -> np.ndarray:
    """Vectors (len(nodes), dim) of the nodes that the embedding takes; NaN for the others."""
    from ingestion.pipeline import NodeEmbedder, vectors_of

    for node in nodes:
        node.embedding = None
    NodeEmbedder(embedding=embedding, languages=languages)(nodes)
    return vectors_of(nodes, dim=dim)


def model_name(space: str) -> ModelName:
    """The name under which the text embedding of a space is loaded. Raises UnknownName."""
    model = _model(space)
    return ModelName("builtin") if model == BUILTIN else parse_model_name(model)


def languages_of(embedding: BaseEmbedding) -> frozenset[str] | None:
    """Languages (ISO 639-1) the embedding was trained on, None for all of them."""
    return getattr(embedding, "languages", None)


def _model(space: str) -> str:
    """The model in a space's name; it may hold colons itself: "text:ollama:bge-m3:1024" -> "ollama:bge-m3"."""
    return parse(space)[1]


def _shown(space: str) -> str:
    _, model, dim = parse(space)
    return f"{'builtin' if model == BUILTIN else model} ({dim})"


def _counted(on_progress: Callable[[int, int], None] | None, before: int, more: int) -> Callable[[int], None] | None:
    if on_progress is None:
        return None
    return lambda done: on_progress(before + done, before + more)
