"""The figures of a library in the order they came, each with everything that is said of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ingestion import keys
from rag_app.evidence import Description
from rag_app.store import Caption, Filter, Store


@dataclass(frozen=True, slots=True)
class StoredFigure:
    """A figure of the library.

    page, label  where it stands, 1-based, and "Figure 3" or None
    caption      the paper's own, or None; description: what a model read in it, or None
    image        file name of its picture inside the library's crops folder, or None
    captions     stored for it, each with who wrote it
    """

    node_id: str
    document: str
    document_id: str
    page: int
    label: str | None
    caption: str | None
    image: str | None
    description: Description | None
    captions: tuple[Caption, ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """Some figures of a library, and how many there are in all."""

    total: int
    shown: tuple[StoredFigure, ...]


def stored_figures(store: Store, *, documents: Sequence[str], first: int, count: int) -> Figures:
    """`count` figures from the `first` on (0-based), of these document ids, of all where there are none."""
    with store.snapshot():
        rows = store.row_ids(Filter(documents=tuple(documents), kinds=("figure",)))
        assert rows is not None  # a filter was given
        chosen = rows[first : first + count].tolist()
        said: dict[str, list[Caption]] = {}
        for node in store.nodes(store.captions_of(chosen)):
            caption = Caption(node.text, node.metadata.get(keys.LANGUAGE) or "und", node.metadata.get(keys.MODEL))
            said.setdefault(node.metadata[keys.OF], []).append(caption)
        found = store.nodes(chosen)
    shown = []
    for node in found:
        description = node.metadata.get(keys.DESCRIPTION)
        shown.append(
            StoredFigure(
                node_id=node.node_id,
                document=node.document,
                document_id=node.document_id,
                page=node.page,
                label=node.label,
                caption=node.metadata.get(keys.CAPTION),
                image=node.metadata.get(keys.IMAGE),
                description=Description.from_dict(description) if description else None,
                captions=tuple(said.get(node.node_id, ())),
            )
        )
    return Figures(len(rows), tuple(shown))
