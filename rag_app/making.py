"""From a paper to what is committed of it: its nodes, and their vectors in every space that is filled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ingestion.elements import Paper
from rag_app.embeddings import languages_of, text_vectors
from rag_app.imaging.filling import picture_of, picture_vectors
from rag_app.store.spaces import parse

if TYPE_CHECKING:
    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.schema import BaseNode

    from rag_app.models import ImageEmbedding


@dataclass(frozen=True, slots=True)
class Made:
    """nodes in reading order; vectors: by space, (len(nodes), dimension), NaN for a node without one."""

    nodes: list[BaseNode]
    vectors: dict[str, np.ndarray]


def make(
    paper: Paper,
    texts: Mapping[str, BaseEmbedding],
    pictures: Mapping[str, ImageEmbedding],
    *,
    crop: Callable[[str], Path | bytes],
    chunk_tokens: int,
    descriptions: Mapping[str, dict[str, Any]],  # Any: JSON
) -> Made:
    """The nodes of a paper and their vectors.

    Args:
        texts: text embeddings by the names of their spaces, at least one. pictures: image embeddings likewise.
        crop: a crop by its file name.
        descriptions: see `ingestion.pipeline.KnownDescriptions`.
    """
    from ingestion.pipeline import build_pipeline, paper_nodes, vectors_of

    (first, embedding), *others = texts.items()
    pipeline = build_pipeline(
        embedding, languages=languages_of(embedding), chunk_tokens=chunk_tokens, descriptions=descriptions
    )
    nodes = paper_nodes(pipeline, paper)
    vectors = {first: vectors_of(nodes, dim=_dim(first))}
    for name, other in others:
        vectors[name] = text_vectors(nodes, other, languages_of(other), dim=_dim(name))
    return Made(nodes, vectors | _of_pictures(nodes, pictures, crop))


def _of_pictures(
    nodes: Sequence[BaseNode], pictures: Mapping[str, ImageEmbedding], crop: Callable[[str], Path | bytes]
) -> dict[str, np.ndarray]:
    """A picture without a vector is left for `ImageSpaces.index`, which says why."""
    crops = [crop(name) if (name := picture_of(node.metadata)) else None for node in nodes]
    if not any(found is not None for found in crops):
        return {}
    return {name: picture_vectors(crops, model, dim=_dim(name))[0] for name, model in pictures.items()}


def _dim(space: str) -> int:
    return parse(space)[2]
