"""A corpus that is given to every program: passages, their vectors, and questions with theirs.

Texts are sentences of real papers put together anew (benchmarks/synthetic.py, its vocabulary growing with the corpus),
a vector is the mean of its sentences' builtin embeddings, with noise. A document is one passage of about 700
characters. A question is ten words in a row of one passage; its vector is the embedding of the sentence they are from.
So words lead to the passage more surely than vectors do: "own passage" shows that a program finds, not how well.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from adapters.names import load_model, parse_model_name
from benchmarks.synthetic import Maker, sentences, vectors

QUESTION_WORDS = 10


class Growth:
    """Writes corpora of any size from the PDFs below `sources`; the same size gives the same corpus."""

    def __init__(self, sources: Path) -> None:
        found = sentences(sources)
        if not found:
            raise SystemExit(f"{sources} holds no PDF with 20 sentences or more.")
        lines = sorted({line for of_paper in found.values() for line in of_paper})
        embedding = load_model("text_embedding", parse_model_name("builtin"))
        given = np.array(embedding.get_text_embedding_batch(lines), np.float32)
        self._of_sentence = dict(zip(lines, given, strict=True))
        self._maker = Maker(found, wide=True)

    def write(self, folder: Path, documents: int, questions: int) -> Path:
        """The folder with passages.jsonl, vectors.npy (documents, 384) float32, and questions.json."""
        folder.mkdir(parents=True)
        matrix = np.lib.format.open_memmap(
            folder / "vectors.npy", "w+", np.float32, (documents, len(next(iter(self._of_sentence.values()))))
        )
        draw = random.Random(documents)
        asked_of = set(draw.sample(range(documents), min(documents, questions)))
        asked: list[dict[str, Any]] = []  # Any: JSON
        with (folder / "passages.jsonl").open("w", encoding="utf-8") as out:
            for row, (passage, lines, vector) in zip(range(documents), self._passages(), strict=False):
                out.write(json.dumps(passage, ensure_ascii=False) + "\n")
                matrix[row] = vector
                if row in asked_of:
                    words = passage["text"].split()
                    start = draw.randrange(max(1, len(words) - QUESTION_WORDS))
                    question = " ".join(words[start : start + QUESTION_WORDS])
                    nearest = self._of_sentence[max(lines, key=lambda line: _shared(line, question))]
                    asked.append({"question": question, "vector": nearest.tolist(), "passage": passage["id"]})
        matrix.flush()
        (folder / "questions.json").write_text(json.dumps(asked, ensure_ascii=False), encoding="utf-8")
        return folder

    def _passages(self) -> Iterator[tuple[dict[str, Any], list[str], np.ndarray]]:
        """Each passage as a document of its own, the sentences it is made of, and its vector; without end."""
        number = row = 0
        while True:
            paper, nodes, used = self._maker.paper(number)
            for node, lines, vector in zip(nodes, used, vectors(used, self._of_sentence, seed=number), strict=True):
                if node.metadata["kind"] == "reference":  # searched only when asked for
                    continue
                document_id = hashlib.sha256(f"{paper.sha256}{node.node_id}".encode()).hexdigest()
                own = {"document": f"note{row:06}.pdf", "document_id": document_id, "page": 1, "pages": [1]}
                places = {
                    "places": [[1, *node.metadata["places"][0][1:]]],
                    "spans": [[0, *_on_page_one(node.metadata)]],
                }
                yield (
                    {
                        "id": f"{document_id[:16]}-{node.metadata['kind']}-00000",
                        "document": own["document"],
                        "document_id": document_id,
                        "title": paper.title,
                        "text": node.text,
                        "metadata": {**node.metadata, **own, **places},
                    },
                    lines,
                    vector,
                )
                row += 1
            number += 1


def _on_page_one(metadata: dict[str, Any]) -> list[float]:
    _, end, _, *box = metadata["spans"][0]
    return [end, 1, *box]


def _shared(line: str, question: str) -> int:
    return len(set(line.split()) & set(question.split()))
