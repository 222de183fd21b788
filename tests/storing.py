"""Small made-up papers for the tests of the store and the vectors."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from llama_index.core.schema import TextNode

from ingestion.elements import PageSize, Paper, Problem
from rag_app.store import CommitResult, Store

SPACE = "text:made-up:8"
DIM = 8
VOCABULARY = [f"w{i}" for i in range(60)]


def sha(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def paper(content: str, name: str = "paper.pdf", *, title: str = "On tests", problems: Sequence[Problem] = ()) -> Paper:
    pages = tuple(PageSize(600.0, 800.0) for _ in range(5))
    return Paper(sha(content), name, title, "en", pages, (), tuple(problems), "parser 1", {"year": "2020"})


def node(content: str, number: int, text: str, **metadata: Any) -> TextNode:  # Any: metadata is JSON
    kind = metadata.get("kind", "text")
    page = metadata.get("page", 1)
    return TextNode(
        id_=f"{sha(content)[:16]}-{kind}-{number:05}",
        text=text,
        metadata={
            "document": "paper.pdf",
            "document_id": sha(content),
            "title": "On tests",
            "kind": kind,
            "page": page,
            "pages": [page],
            "section": "",
            "label": None,
            "mentions": [],
            "caption": None,
            "context": "",
            "image": None,
            **metadata,
        },
        excluded_embed_metadata_keys=["pages"],
    )


def nodes(content: str, count: int = 6, *, words: int = 12) -> list[TextNode]:
    """Nodes of random words; every third is a table; two to a page. The same content gives the same nodes."""
    draw = random.Random(content)
    return [
        node(
            content,
            i,
            " ".join(draw.choice(VOCABULARY) for _ in range(draw.randint(3, words))),
            kind="table" if i % 3 == 2 else "text",
            page=i // 2 + 1,
            section=draw.choice(VOCABULARY),
            label=f"Table {i // 3 + 1}" if i % 3 == 2 else None,
            mentions=["Table 1"] if i == 0 else [],
        )
        for i in range(count)
    ]


def vectors(content: str, count: int, dim: int = DIM) -> np.ndarray:
    seed = int(sha(content)[:8], 16)
    return np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)


def put(
    store: Store, content: str, name: str = "paper.pdf", *, path: Path | None = None, count: int = 6
) -> CommitResult:
    """Commit the paper made from `content`, with its nodes and vectors."""
    made = nodes(content, count)
    return store.commit(paper(content, name), made, {SPACE: vectors(content, count)}, path=path)


def state(store: Store) -> dict[str, list[tuple[str, str, bytes]]]:
    """Everything a library answers from: document -> (node id, text, vector) in reading order."""
    found = {}
    for info in store.documents():
        rows = store.rows_of([n.node_id for n in nodes_of(store, info.document_id)])
        held = store.vectors(SPACE, list(rows.values()))
        found[info.document_id] = [
            (n.node_id, n.text, held[n.row].tobytes()) for n in store.nodes(sorted(rows.values()))
        ]
    return found


def nodes_of(store: Store, document_id: str):
    rows = store.rows_where("document = (SELECT id FROM documents WHERE document_id = ?)", [document_id])
    return store.nodes(rows.tolist())
