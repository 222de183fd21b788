"""paper-qa's reader, chunks and retrieval (maximal marginal relevance), without a cloud model (see contract.py).

Its steps that ask a language model are left out: citations and metadata of papers, describing pictures, evidence
summaries, answers. Its default embedding is OpenAI's; here it is its SentenceTransformer class with all-MiniLM-L6-v2,
and chunks are of 1,000 characters instead of 5,000, since that model reads no more of one than 256 tokens.
$PEER_WEIGHTS is the folder of its weights. Its papers are kept as it keeps them in its own search index: pickled.
"""

# Runs in an environment of its own, with packages that this project's has not.
# pyright: reportMissingImports=false

from __future__ import annotations

import asyncio
import os
import pickle
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import contract

CHUNK_CHARACTERS, OVERLAP = 1000, 100
_PAGES = re.compile(r" pages (\d+)-(\d+)$")


class PaperQA:
    packages = ("paper-qa", "paper-qa-pypdf", "fhlmi", "pypdf", "sentence-transformers", "torch")

    def ingest(self, folder: Path, papers: Sequence[Path]) -> int:
        from paperqa import Doc, Docs
        from paperqa.readers import read_doc

        docs, embedding = Docs(), self._embedding()

        async def read() -> None:
            for path in papers:
                doc = Doc(docname=path.name, dockey=path.name, citation=path.name)
                texts = await read_doc(
                    path,
                    doc,
                    chunk_chars=CHUNK_CHARACTERS,
                    overlap=OVERLAP,
                    parse_pdf=self._settings().parsing.parse_pdf,
                    parse_media=False,
                )
                await docs.aadd_texts(texts, doc, settings=self._settings(), embedding_model=embedding)

        asyncio.run(read())
        self._write(folder, docs)
        return len(docs.texts)

    def open(self, folder: Path) -> None:
        self._read(folder)
        self._model = self._embedding()

    def search(self, question: str, k: int) -> list[tuple[str, list[int]]]:
        found = []
        for text in self._retrieve(question, k):
            pages = _PAGES.search(text.name)
            if pages is None:
                raise RuntimeError(f"a chunk without pages in its name: {text.name}")
            found.append((text.doc.docname, list(range(int(pages[1]), int(pages[2]) + 1))))
        return found

    def build(self, folder: Path, corpus: Path) -> None:
        import numpy as np
        from paperqa import Doc, Docs, Text

        docs, settings = Docs(), self._settings()

        async def add() -> None:
            for one, vector in zip(contract.passages(corpus), np.load(corpus / "vectors.npy"), strict=True):
                doc = Doc(docname=one["document"], dockey=one["document_id"], citation=one["title"])
                text = Text(text=one["text"], name=one["id"], doc=doc, embedding=vector.tolist())
                await docs.aadd_texts([text], doc, settings=settings)

        asyncio.run(add())
        self._write(folder, docs)

    def open_corpus(self, folder: Path, corpus: Path) -> None:
        from lmi import EmbeddingModel

        class Given(EmbeddingModel):
            """The vector that was given with the question."""

            name: str = "given"
            vector: list[float] = []  # noqa: RUF012  # pydantic copies it

            async def embed_documents(self, texts: list[str]) -> list[list[float]]:
                return [self.vector for _ in texts]

        self._read(folder)
        self._model = Given()

    def find(self, question: str, vector: list[float], k: int) -> list[str]:
        self._model.vector = vector
        return [text.name for text in self._retrieve(question, k)]

    def _retrieve(self, question: str, k: int) -> list[Any]:
        return asyncio.run(
            self._docs.retrieve_texts(question, k, settings=self._settings(), embedding_model=self._model)
        )

    def _embedding(self) -> Any:  # Any: imported late
        from lmi import SentenceTransformerEmbeddingModel

        return SentenceTransformerEmbeddingModel(name=os.environ["PEER_WEIGHTS"])

    def _settings(self) -> Any:  # Any: imported late
        from paperqa import Settings

        if not hasattr(self, "_kept_settings"):
            # Without deferring, adding texts that have their vectors would load the default embedding for nothing.
            self._kept_settings = Settings(parsing={"multimodal": False, "defer_embedding": True})
        return self._kept_settings

    def _write(self, folder: Path, docs: Any) -> None:
        (folder / "docs.zip").write_bytes(zlib.compress(pickle.dumps(docs)))

    def _read(self, folder: Path) -> None:
        self._docs = pickle.loads(zlib.decompress((folder / "docs.zip").read_bytes()))


if __name__ == "__main__":
    contract.main(PaperQA())
