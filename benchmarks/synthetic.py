"""Papers made by recombining the sentences of real ones, for measuring at sizes of which there are no real ones here.

`wide=False` keeps the words of the few sources, so a term is as frequent at 100,000 nodes as at 1,000: the hard case
for a lexical index. `wide=True` gives every group of 40 papers its own form of the words that are special to one or two
source papers, so that the vocabulary grows with the library, as it does in real ones.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pymupdf
from llama_index.core.schema import TextNode

from ingestion.elements import PageSize, Paper

NODES_A_PAPER = 60
_WORD = re.compile(r"[A-Za-z]{4,}")
_GROUP = 40
_MARK = "qzzzzq"  # no group's letters


def sentences(folder: Path) -> dict[str, list[str]]:
    """The sentences of every PDF under `folder`, by file name; at least 20 for a file to count."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(folder.rglob("*.pdf")):
        with pymupdf.open(path) as pdf:
            for page in pdf:
                for block in page.get_text("blocks"):
                    text = re.sub(r"\s+", " ", block[4]).strip()
                    found[path.name] += [s for s in re.split(r"(?<=[.!?؟])\s+", text) if len(s) > 30]
    return {name: lines for name, lines in found.items() if len(lines) >= 20}


class Maker:
    """Makes papers of `NODES_A_PAPER` nodes of about 700 characters; the same seed gives the same papers."""

    def __init__(self, sources: dict[str, list[str]], *, wide: bool, seed: int = 1) -> None:
        self._sources = sources
        self._names = sorted(sources)
        self._wide = wide
        self._seed = seed
        papers_with: Counter[str] = Counter()
        for lines in sources.values():
            papers_with.update({word for line in lines for word in _WORD.findall(line)})
        self._special = {word for word, count in papers_with.items() if count <= 2}

    def paper(self, number: int) -> tuple[Paper, list[TextNode], list[list[str]]]:
        """A paper, its nodes, and the source sentences of each node."""
        draw = random.Random(self._seed * 1_000_003 + number)
        sha256 = hashlib.sha256(f"{self._seed}-{number}".encode()).hexdigest()
        own = self._sources[draw.choice(self._names)]
        title = self._words(draw.choice(own)[:80], number)
        nodes: list[TextNode] = []
        used: list[list[str]] = []
        for i in range(NODES_A_PAPER):
            text = ""
            lines = []
            while len(text) < 700:
                lines.append(draw.choice(own if draw.random() < 0.7 else self._sources[draw.choice(self._names)]))
                text += self._words(lines[-1], number) + " "
            used.append(lines)
            kind = "table" if i % 15 == 7 else "figure" if i % 15 == 11 else "reference" if i >= 52 else "text"
            page = i // 6 + 1
            nodes.append(
                TextNode(
                    id_=f"{sha256[:16]}-{kind}-{i:05}",
                    text=text.strip(),
                    metadata={
                        "document": f"paper{number:05}.pdf",
                        "document_id": sha256,
                        "title": title,
                        "kind": kind,
                        "page": page,
                        "pages": [page],
                        "places": [[page, 72.0, 90.0 + i, 300.0, 130.0 + i]],
                        "section": f"{i // 12 + 1} {draw.choice(own)[:30]}",
                        "label": f"Table {i // 15 + 1}" if kind == "table" else None,
                        "mentions": [f"Table {draw.randint(1, 4)}"] if i % 5 == 0 else [],
                        "context": draw.choice(own)[:200] if kind in ("table", "figure") else "",
                        "spans": [[0, len(text), page, 72.0, 90.0 + i, 300.0, 130.0 + i]],
                        "language": "en",
                        "image": None,
                        "elements": [f"e{i:04}"],
                        "caption": draw.choice(own)[:100] if kind in ("table", "figure") else None,
                        "ocr": False,
                    },
                )
            )
        pages = tuple(PageSize(612.0, 792.0) for _ in range(10))
        return Paper(sha256, f"paper{number:05}.pdf", title, "en", pages, (), (), "synthetic 1"), nodes, used

    def marked(self, line: str) -> str:
        """A sentence as every group has it, with a mark where its own letters stand."""
        return self._with(_MARK, line) if self._wide else line

    def unmarked(self, line: str, number: int) -> str:
        """What `marked` gave, as it stands in the paper of that number."""
        return line.replace(_MARK, _letters(number // _GROUP))

    def _words(self, line: str, number: int) -> str:
        return self._with(_letters(number // _GROUP), line) if self._wide else line

    def _with(self, letters: str, line: str) -> str:
        return _WORD.sub(lambda m: f"{m[0]}{letters}" if m[0] in self._special else m[0], line)


def vectors(used: list[list[str]], of_sentence: dict[str, np.ndarray], *, seed: int) -> np.ndarray:
    """(nodes, dim) float32 of length 1: the mean of a node's sentences, and noise so that no two are alike."""
    means = np.stack([np.mean([of_sentence[line] for line in lines], axis=0) for lines in used])
    dim = means.shape[1]
    noisy = means + np.random.default_rng(seed).normal(scale=0.3 / np.sqrt(dim), size=means.shape)
    return (noisy / np.linalg.norm(noisy, axis=1, keepdims=True)).astype(np.float32)


def _letters(number: int) -> str:
    return "q" + "".join(chr(ord("a") + int(digit)) for digit in str(number)) + "q"
