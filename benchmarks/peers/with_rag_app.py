"""This project, with its builtin models, asked as the other programs are (see contract.py)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import contract

SPACE = "text:builtin-minilm:384"


class RagApp:
    packages = ("rag-app", "pymupdf4llm", "faiss-cpu", "onnxruntime")

    def ingest(self, folder: Path, papers: Sequence[Path]) -> int:
        from rag_app import Library

        with Library.open(folder / "library") as library:
            report = library.ingest(papers)
        failed = [f"{one.document}: {one.error}" for one in report.documents if one.error]
        if failed:
            raise RuntimeError("; ".join(failed))
        return sum(sum(one.nodes.values()) for one in report.documents)

    def open(self, folder: Path) -> None:
        from rag_app import Library

        self._library = Library.open(folder / "library", create=False)

    def search(self, question: str, k: int) -> list[tuple[str, list[int]]]:
        hits = self._library.search(question, k=k).hits
        return [(hit.document, list(hit.pages)) for hit in hits]

    def build(self, folder: Path, corpus: Path) -> None:
        import numpy as np
        from llama_index.core.schema import TextNode

        from ingestion.elements import PageSize, Paper
        from rag_app import Library
        from rag_app.store import Store

        matrix = np.load(corpus / "vectors.npy", mmap_mode="r")
        page = (PageSize(612.0, 792.0),)
        with Store.open(folder / "library") as store, store.write_lock():
            for row, one in enumerate(contract.passages(corpus)):
                node = TextNode(id_=one["id"], text=one["text"], metadata=one["metadata"])
                paper = Paper(one["document_id"], one["document"], one["title"], "en", page, (), (), "synthetic 1")
                store.commit(paper, [node], {SPACE: matrix[row : row + 1]})
        with Library.open(folder / "library", create=False) as library, library._store.write_lock():
            library._store.fold_words()  # the end of an ingestion: index files are written
            library._vectors.space(SPACE).save()

    def open_corpus(self, folder: Path, corpus: Path) -> None:
        from llama_index.core.base.embeddings.base import BaseEmbedding

        from rag_app import Library
        from rag_app.retrieval.retriever import HybridRetriever

        class Given(BaseEmbedding):
            """The vector that was given with the question."""

            vector: list[float] = []  # noqa: RUF012  # pydantic copies it

            def _get_query_embedding(self, query: str) -> list[float]:
                return self.vector

            async def _aget_query_embedding(self, query: str) -> list[float]:
                return self.vector

            def _get_text_embedding(self, text: str) -> list[float]:
                raise NotImplementedError("only questions are asked")

        self._library = Library.open(folder / "library", create=False)
        _, space = self._library._embeddings.answering()
        if space is None or space.name != SPACE:
            raise RuntimeError(f"the library answers from {space}, not from {SPACE}")
        self._given = Given()
        self._retriever: Any = HybridRetriever(self._library._store, space, self._given)  # Any: imported late

    def find(self, question: str, vector: list[float], k: int) -> list[str]:
        self._given.vector = vector
        return [hit.stored.node_id for hit in self._retriever.find(question, k=k).hits]


if __name__ == "__main__":
    contract.main(RagApp())
