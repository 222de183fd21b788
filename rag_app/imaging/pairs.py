"""Pictures of a library with what is said of them, for fine-tuning a CLIP model on one's own papers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ingestion import keys
from ingestion.captions import without_number
from rag_app.store import Filter, Store
from rag_app.store.strangers import crop_file


@dataclass(frozen=True, slots=True)
class CaptionedFigure:
    """A figure's crop with its own caption, without its number, and the captions stored for it; each once."""

    document_id: str
    image: Path
    captions: tuple[str, ...]


def captioned_figures(store: Store, crops: Path) -> list[CaptionedFigure]:
    """The figures of a library that have a picture and a caption, in the order they came."""
    with store.snapshot():
        rows = store.row_ids(Filter(kinds=("figure",)))
        assert rows is not None  # a filter was given
        figures = store.nodes(rows.tolist())
        stored: dict[str, list[str]] = {}
        for caption in store.nodes(store.captions_of(rows.tolist())):
            stored.setdefault(caption.metadata[keys.OF], []).append(caption.text)
    found = []
    for figure in figures:
        own = without_number(" ".join((figure.metadata[keys.CAPTION] or "").split()))
        captions = dict.fromkeys(text for text in (own, *stored.get(figure.node_id, [])) if text)
        if captions and (image := figure.metadata.get(keys.IMAGE)):
            found.append(CaptionedFigure(figure.document_id, crop_file(crops, image), tuple(captions)))
    return found
