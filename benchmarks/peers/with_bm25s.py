"""A loop over pymupdf4llm, whose pages bm25s indexes: words alone, no vectors (see contract.py)."""

# Runs in an environment of its own, with packages that this project's has not.
# pyright: reportMissingImports=false

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import contract


class Bm25s:
    packages = ("bm25s", "PyStemmer", "pymupdf4llm")

    def ingest(self, folder: Path, papers: Sequence[Path]) -> int:
        import pymupdf4llm

        pages: list[dict[str, Any]] = []  # Any: JSON
        for path in papers:
            read: Any = pymupdf4llm.to_markdown(str(path), page_chunks=True)  # Any: a dict a page
            pages += [
                {"document": path.name, "page": number, "text": page["text"]} for number, page in enumerate(read, 1)
            ]
        self._index(folder, [page["text"] for page in pages])
        (folder / "pages.json").write_text(json.dumps(pages), encoding="utf-8")
        return len(pages)

    def open(self, folder: Path) -> None:
        self._load(folder)
        self._kept = json.loads((folder / "pages.json").read_text(encoding="utf-8"))

    def search(self, question: str, k: int) -> list[tuple[str, list[int]]]:
        return [(self._kept[row]["document"], [self._kept[row]["page"]]) for row in self._rows(question, k)]

    def build(self, folder: Path, corpus: Path) -> None:
        kept = contract.passages(corpus)
        self._index(folder, [one["text"] for one in kept])
        texts = [{"id": one["id"], "text": one["text"]} for one in kept]  # what was found has to be shown
        (folder / "pages.json").write_text(json.dumps(texts), encoding="utf-8")

    def open_corpus(self, folder: Path, corpus: Path) -> None:
        self.open(folder)

    def find(self, question: str, vector: list[float], k: int) -> list[str]:
        return [self._kept[row]["id"] for row in self._rows(question, k)]

    def _index(self, folder: Path, texts: list[str]) -> None:
        import bm25s
        import Stemmer

        index = bm25s.BM25()
        stemmer = Stemmer.Stemmer("english")
        index.index(bm25s.tokenize(texts, stopwords="en", stemmer=stemmer, show_progress=False), show_progress=False)
        index.save(str(folder / "bm25s"))

    def _load(self, folder: Path) -> None:
        import bm25s
        import Stemmer

        self._stemmer = Stemmer.Stemmer("english")
        self._bm25 = bm25s.BM25.load(str(folder / "bm25s"))

    def _rows(self, question: str, k: int) -> list[int]:
        import bm25s

        words = bm25s.tokenize(question, stopwords="en", stemmer=self._stemmer, show_progress=False)
        rows, scores = self._bm25.retrieve(words, k=min(k, len(self._kept)), show_progress=False)
        return [int(row) for row, score in zip(rows[0], scores[0], strict=True) if score > 0]


if __name__ == "__main__":
    contract.main(Bm25s())
