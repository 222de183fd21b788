"""What is said about the figures of a library, gathered from its nodes: stored captions, their own, descriptions, text.

All of it is held in memory while the library does not change, up to MOST_TEXTS; in a larger one each search gathers it
for the images that words or meaning lead to.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

import numpy as np

from ingestion import keys
from rag_app.retrieval.image_text import ImageTexts, StoredText
from rag_app.searchable import query_terms
from rag_app.store import Filter, Scored, Store, StoredNode
from rag_app.vectors.protocol import VectorSpace

MOST_TEXTS = 20_000  # nodes; about 1 ms and 3 KB each to prepare
_CANDIDATES = 500  # of words and of meaning, in a library that has more


class Said:
    """The texts of some images, by node row. ready: None where nothing is said."""

    def __init__(self, texts: Sequence[StoredText]) -> None:
        self.texts = texts
        self.ready = ImageTexts(texts) if texts else None


class TextsOfImages:
    """Gathers texts; safe between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._kept: tuple[object, Said] | None = None

    def about(
        self,
        kinds: Sequence[str],
        space: VectorSpace | None,
        asked: str,
        vector: np.ndarray | None,
        rows: np.ndarray | None,
    ) -> Said:
        """The texts of all images of these kinds, or in a large library of those that the words asked lead to.

        Args:
            space: where the vectors of texts are.
            vector: of the words asked, in that space; None where its model does not know the language.
            rows: only images in these rows (int64, ascending) are wanted; None for all.

        Call it inside a snapshot of the store.
        """
        everything = self._store.row_ids(Filter(kinds=(*kinds, "caption")))
        assert everything is not None
        if len(everything) > MOST_TEXTS:
            return self._gathered(self._leading(kinds, space, asked, vector, rows), space)
        key = (self._store.generation(), tuple(kinds), space.name if space else None)
        with self._lock:
            if self._kept is None or self._kept[0] != key:
                self._kept = key, self._gathered(everything.tolist(), space)
            return self._kept[1]

    def _leading(
        self,
        kinds: Sequence[str],
        space: VectorSpace | None,
        asked: str,
        vector: np.ndarray | None,
        rows: np.ndarray | None,
    ) -> list[int]:
        """Rows of the best images by their own texts and by stored captions, with all their captions."""
        own, captions = Filter(kinds=tuple(kinds)), Filter(kinds=("caption",))
        words = query_terms(asked)
        found: list[Scored] = []
        for one in (own, captions):
            found += self._store.lexical(words, k=_CANDIDATES, allowed=one)
            if space is not None and vector is not None:
                found += space.search(vector, k=_CANDIDATES, allowed=one)
        nodes = self._store.nodes(list(dict.fromkeys(hit.row for hit in found)))
        images = {node.row for node in nodes if node.kind != "caption"}
        images.update(
            self._store.rows_of([node.metadata[keys.OF] for node in nodes if node.kind == "caption"]).values()
        )
        if rows is not None:
            images.intersection_update(rows.tolist())
        return [*images, *self._store.captions_of(sorted(images))]

    def _gathered(self, rows: Sequence[int], space: VectorSpace | None) -> Said:
        nodes = self._store.nodes(rows)
        vectors = self._store.vectors(space.name, rows) if space is not None else {}
        row_of = {node.node_id: node.row for node in nodes}
        texts = [text for node in nodes for text in _texts(node, vectors.get(node.row), row_of)]
        return Said([text for text in texts if text.text.strip()])


def _texts(node: StoredNode, vector: np.ndarray | None, row_of: dict[str, int]) -> Iterable[StoredText]:
    """The texts of an image, or the one of a stored caption.

    An image has one vector for all its own texts: it goes with the one that says most of what is shown.
    """
    if node.kind == "caption":
        of = row_of.get(node.metadata[keys.OF])
        return [StoredText(of, "caption", node.text, vector)] if of is not None else []
    metadata = node.metadata
    description, caption = metadata.get(keys.DESCRIPTION), metadata[keys.CAPTION] or ""
    told = "\n".join((description["summary"], description["text"])) if description else ""
    inside = node.text.removeprefix(caption)
    kinds = {"description": told, "caption": caption, "text in figure": inside}
    given = [(kind, text) for kind, text in kinds.items() if text.strip()]
    return [StoredText(node.row, kind, text, vector if i == 0 else None) for i, (kind, text) in enumerate(given)]
