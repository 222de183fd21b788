"""The stock LlamaIndex pipeline: PDFReader (pypdf), SentenceSplitter, HuggingFaceEmbedding, FAISS (see contract.py).

Passages are of 256 tokens: all-MiniLM-L6-v2 reads no more of one, and of the splitter's 1,024 would lose the rest.
$PEER_WEIGHTS is the folder of its weights.
"""

# Runs in an environment of its own, with packages that this project's has not.
# pyright: reportMissingImports=false

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import contract

DIM = 384


class LlamaIndex:
    packages = (
        "llama-index-core",
        "llama-index-readers-file",
        "llama-index-embeddings-huggingface",
        "llama-index-vector-stores-faiss",
        "faiss-cpu",
        "pypdf",
        "torch",
    )

    def ingest(self, folder: Path, papers: Sequence[Path]) -> int:
        from llama_index.core.ingestion import IngestionPipeline
        from llama_index.core.node_parser import SentenceSplitter
        from llama_index.readers.file import PDFReader

        pages = []
        for path in papers:
            for number, page in enumerate(PDFReader().load_data(path), start=1):
                page.metadata["page"] = number
                page.excluded_embed_metadata_keys.append("page")  # the reader's own label stays, as it comes
                pages.append(page)
        splitter = SentenceSplitter(chunk_size=256, chunk_overlap=20)
        nodes = IngestionPipeline(transformations=[splitter, self._embedding()]).run(documents=pages)
        self._write(folder, nodes)
        return len(nodes)

    def open(self, folder: Path) -> None:
        self._load(folder, self._embedding())

    def search(self, question: str, k: int) -> list[tuple[str, list[int]]]:
        found = self._index.as_retriever(similarity_top_k=k).retrieve(question)
        return [(hit.metadata["file_name"], [hit.metadata["page"]]) for hit in found]

    def build(self, folder: Path, corpus: Path) -> None:
        import numpy as np
        from llama_index.core.schema import TextNode

        matrix = np.load(corpus / "vectors.npy")
        kept = contract.passages(corpus)
        nodes = [
            TextNode(id_=one["id"], text=one["text"], metadata={"file_name": one["document"]}, embedding=row.tolist())
            for one, row in zip(kept, matrix, strict=True)
        ]
        self._write(folder, nodes)

    def open_corpus(self, folder: Path, corpus: Path) -> None:
        from llama_index.core.embeddings import MockEmbedding

        self._load(folder, MockEmbedding(embed_dim=DIM))

    def find(self, question: str, vector: list[float], k: int) -> list[str]:
        from llama_index.core.schema import QueryBundle

        retriever = self._index.as_retriever(similarity_top_k=k)
        return [hit.node_id for hit in retriever.retrieve(QueryBundle(question, embedding=vector))]

    def _embedding(self) -> Any:  # Any: imported late
        from llama_index.embeddings.huggingface import HuggingFaceEmbedding

        return HuggingFaceEmbedding(model_name=os.environ["PEER_WEIGHTS"], device="cpu")

    def _write(self, folder: Path, nodes: Sequence[Any]) -> None:
        import faiss
        from llama_index.core import StorageContext, VectorStoreIndex
        from llama_index.core.embeddings import MockEmbedding
        from llama_index.vector_stores.faiss import FaissVectorStore

        vectors = FaissVectorStore(faiss_index=faiss.IndexFlatIP(DIM))
        context = StorageContext.from_defaults(vector_store=vectors)
        # The nodes have their vectors: the embedding named here is not asked.
        VectorStoreIndex(list(nodes), storage_context=context, embed_model=MockEmbedding(embed_dim=DIM))
        context.persist(str(folder))

    def _load(self, folder: Path, embedding: Any) -> None:
        from llama_index.core import StorageContext, load_index_from_storage
        from llama_index.vector_stores.faiss import FaissVectorStore

        vectors = FaissVectorStore.from_persist_dir(str(folder))
        context = StorageContext.from_defaults(vector_store=vectors, persist_dir=str(folder))
        self._index = load_index_from_storage(context, embed_model=embedding)


if __name__ == "__main__":
    contract.main(LlamaIndex())
