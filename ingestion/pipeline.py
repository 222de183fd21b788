"""The LlamaIndex IngestionPipeline from a paper's Document to embedded nodes, run one paper at a time.

One paper a run, because one bad document would otherwise lose the whole batch, and without LlamaIndex's cache and
docstore strategies, which lose vectors when a step fails (see docs/architecture.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import Field
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.schema import BaseNode, MetadataMode, TransformComponent

from ingestion.chunking import PaperNodeParser, approximate_tokens, paper_document
from ingestion.elements import Paper
from ingestion.keys import (
    CAPTION,
    CELLS,
    CONTEXT,
    DESCRIPTION,
    ELEMENTS,
    HEADER_ROWS,
    KIND,
    LANGUAGE,
    SECTION,
)

EMBEDDED_TOKENS = 240  # about; the builtin embedding reads 256 word pieces, and the end of what is longer is lost


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
        if node.metadata.get(KIND) == "reference":
            return False
        language = node.metadata.get(LANGUAGE)  # missing in nodes that came from another LlamaIndex program
        return self.languages is None or language is None or language in self.languages


def embedded_text(node: BaseNode) -> str:
    """What is embedded of a node: its text under its section; of a table what it is about, not its numbers.

    What a model read in it comes right after its caption, so that it is not lost where the text is long.
    """
    m = node.metadata
    description, cells = m.get(DESCRIPTION), m.get(CELLS)
    if not description and not cells:
        return node.get_content(metadata_mode=MetadataMode.EMBED)
    parts = [m[SECTION], m[CAPTION]]
    if description:
        parts.append(description["summary"])
        if m[KIND] == "figure":  # of a table it would be numbers, of a formula LaTeX
            parts.append(shortened(description["text"], EMBEDDED_TOKENS // 2))
    if cells:
        parts += [m[CONTEXT], *_headings(cells, m[HEADER_ROWS])]
    else:
        parts += [node.get_content().removeprefix(m[CAPTION] or ""), m[CONTEXT]]
    text = "\n".join(part.strip() for part in parts if part and part.strip())
    return shortened(text, EMBEDDED_TOKENS) if description else text


def shortened(text: str, tokens: int) -> str:
    """The beginning of `text`, of at most about so many word pieces, cut between words."""
    if approximate_tokens(text) <= tokens:
        return text
    words = text.split()
    return " ".join(words[: int((tokens - 2) * len(words) / (approximate_tokens(text) - 2))])


class KnownDescriptions(TransformComponent):
    """Puts what models have read already into the nodes of equal crops, before they are embedded.

    descriptions: by element id, a `rag_app.evidence.Description` as a dict.
    """

    descriptions: dict[str, dict[str, Any]] = Field(default_factory=dict)  # Any: JSON

    def __call__(self, nodes: Sequence[BaseNode], **kwargs: Any) -> Sequence[BaseNode]:  # Any: LlamaIndex's signature
        for node in nodes:
            elements = node.metadata[ELEMENTS]
            if len(elements) == 1 and elements[0] in self.descriptions:
                node.metadata[DESCRIPTION] = self.descriptions[elements[0]]
                node.excluded_embed_metadata_keys.append(DESCRIPTION)
                node.excluded_llm_metadata_keys.append(DESCRIPTION)
        return nodes


def build_pipeline(
    embedding: BaseEmbedding,
    *,
    languages: frozenset[str] | None = None,
    chunk_tokens: int | None = None,
    descriptions: Mapping[str, dict[str, Any]] | None = None,  # Any: JSON
) -> IngestionPipeline:
    """The pipeline for papers; hand it to Documents made by `paper_document`. descriptions: see KnownDescriptions."""
    steps: list[TransformComponent] = [
        PaperNodeParser(chunk_tokens=chunk_tokens) if chunk_tokens else PaperNodeParser(),
        KnownDescriptions(descriptions=dict(descriptions or {})),
        NodeEmbedder(embedding=embedding, languages=languages),
    ]
    return IngestionPipeline(transformations=steps, disable_cache=True)


def _headings(cells: Sequence[Sequence[str]], header_rows: int) -> list[str]:
    """The header rows of a table and its first column, each as a line."""
    header = [" ".join(dict.fromkeys(row)) for row in cells[:header_rows]]
    return [*header, " ".join(dict.fromkeys(row[0] for row in cells[header_rows:]))]


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
