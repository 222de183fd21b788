"""The LlamaIndex IngestionPipeline from a paper's Document to embedded nodes, run one paper at a time.

One paper a run, because one bad document would otherwise lose the whole batch, and without LlamaIndex's cache and
docstore strategies, which lose vectors when a step fails (see docs/architecture.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import Field
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.schema import BaseNode, MetadataMode, TransformComponent

from ingestion.chunking import (
    CAPTION,
    CELLS,
    CONTEXT,
    HEADER_ROWS,
    KIND,
    LANGUAGE,
    SECTION,
    PaperNodeParser,
    paper_document,
)
from ingestion.elements import Paper


class NodeEmbedder(TransformComponent):
    """Embeds the nodes that can be evidence, in a language the model knows.

    Bibliography entries are found by their words alone. languages: ISO 639-1 codes; None means the model takes all.
    """

    embedding: BaseEmbedding = Field(exclude=True)
    languages: frozenset[str] | None = None

    def __call__(self, nodes: Sequence[BaseNode], **kwargs: Any) -> Sequence[BaseNode]:  # Any: LlamaIndex's signature
        wanted = [node for node in nodes if self.takes(node)]
        texts = [embedded_text(node) for node in wanted]
        for node, vector in zip(wanted, self.embedding.get_text_embedding_batch(texts), strict=True):
            node.embedding = vector
        return nodes

    def takes(self, node: BaseNode) -> bool:
        if node.metadata[KIND] == "reference":
            return False
        return self.languages is None or node.metadata[LANGUAGE] in self.languages


def embedded_text(node: BaseNode) -> str:
    """What is embedded of a node: its text under its section; of a table what it is about, not its numbers."""
    cells = node.metadata.get(CELLS)
    if not cells:
        return node.get_content(metadata_mode=MetadataMode.EMBED)
    header = [" ".join(dict.fromkeys(row)) for row in cells[: node.metadata[HEADER_ROWS]]]
    first_column = " ".join(dict.fromkeys(row[0] for row in cells[node.metadata[HEADER_ROWS] :]))
    parts = (node.metadata[SECTION], node.metadata[CAPTION], node.metadata[CONTEXT], *header, first_column)
    return "\n".join(part for part in parts if part)


def build_pipeline(
    embedding: BaseEmbedding, *, languages: frozenset[str] | None = None, chunk_tokens: int | None = None
) -> IngestionPipeline:
    """The pipeline for papers; hand it to Documents made by `paper_document`."""
    parser = PaperNodeParser(chunk_tokens=chunk_tokens) if chunk_tokens else PaperNodeParser()
    return IngestionPipeline(
        transformations=[parser, NodeEmbedder(embedding=embedding, languages=languages)], disable_cache=True
    )


def paper_nodes(pipeline: IngestionPipeline, paper: Paper) -> list[BaseNode]:
    """The nodes of `paper`, those that can be with their embedding."""
    return list(pipeline.run(documents=[paper_document(paper)]))


def vectors_of(nodes: Sequence[BaseNode], *, dim: int) -> np.ndarray:
    """Embeddings (len(nodes), dim) float32; a row of NaN where a node has none."""
    matrix = np.full((len(nodes), dim), np.nan, dtype=np.float32)
    for i, node in enumerate(nodes):
        if node.embedding is not None:
            matrix[i] = node.embedding
    return matrix
