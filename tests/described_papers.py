"""Papers with figures, tables and formulas for the tests of descriptions, and descriptions of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from llama_index.core.schema import BaseNode

from ingestion.chunking import to_nodes
from ingestion.elements import Element, Kind, PageSize, Paper, Place
from rag_app.evidence import Description
from rag_app.store import CommitResult, LedgerKey, Reading, Store
from tests.storing import SPACE, sha

MODEL = "ollama:some:1b"
VERSIONS = {"figure": "figure-1", "table": "table-1", "formula": "formula-1"}
CELLS = (("Model", "Score"), ("A", "0.91"), ("B", "0.87"))


def crop(what: str) -> str:
    return f"{hashlib.sha256(what.encode()).hexdigest()}.png"


def element(number: int, kind: Kind, text: str, *, image: str | None = None, **more: object) -> Element:
    place = Place(1, (72.0, 90.0 + 40 * number, 300.0, 120.0 + 40 * number))
    return Element(f"e{number:04}", number, kind, (place,), ("1 Results",), text, image=image, **more)  # pyright: ignore[reportArgumentType]  # fields of Element


def made_paper(content: str = "a", *, name: str = "paper.pdf", parser: str = "parser 1", first: int = 0) -> Paper:
    """A text, a figure, a table and a formula, with crops named after `content`; element numbers begin at `first`."""
    elements = (
        element(first, "text", "The loss falls as Figure 1 shows.", mentions=("Figure 1",)),
        element(
            first + 1,
            "figure",
            "loss epoch 0 10 20",
            label="Figure 1",
            caption="Figure 1: Training loss.",
            image=crop(f"{content} figure"),
        ),
        element(
            first + 2,
            "table",
            "Model Score A 0.91 B 0.87",
            label="Table 1",
            caption="Table 1: Scores.",
            cells=CELLS,
            header_rows=1,
            image=crop(f"{content} table"),
        ),
        element(first + 3, "formula", "L = x + y", label="Equation 1", image=crop(f"{content} formula")),
    )
    return Paper(sha(content), name, "On losses", "en", (PageSize(600.0, 800.0),), elements, (), parser)


def vectors_of(nodes: Sequence[BaseNode]) -> dict[str, np.ndarray]:
    """A vector a node that depends on its text and its description: what `embed` must give."""
    rows = []
    for node in nodes:
        said = f"{node.get_content()} {node.metadata.get('description', {}).get('text')}"
        seed = int(hashlib.sha256(said.encode()).hexdigest()[:8], 16)
        rows.append(np.random.default_rng(seed).normal(size=8))
    return {SPACE: np.array(rows, dtype=np.float32)}


def put_paper(store: Store, paper: Paper, *, path: Path | None = None) -> CommitResult:
    nodes = to_nodes(paper)
    return store.commit(paper, nodes, vectors_of(nodes), path=path)


def plan(store: Store, paper: Paper, *, model: str = MODEL) -> list[LedgerKey]:
    """Plan everything describable; the keys of the new rows."""
    store.ledger.plan(paper.sha256, [e for e in paper.elements if e.image], model=model, prompt_versions=VERSIONS)
    return [row.key for row in store.ledger.rows(state="pending", model=model, document_id=paper.sha256)]


def reading(key: LedgerKey, text: str, *, score: float = 0.9, verified: bool = True) -> Reading:
    description = Description(
        key.model,
        key.prompt_version,
        key.kind,
        f"Summary of {text}",
        text,
        {"kind": key.kind},
        score,
        verified,
        ("ok",),
    )
    return Reading(key, description, 1.5)


def description_of(store: Store, kind: str, document_id: str | None = None) -> dict[str, object] | None:
    """The description that the (first) node of a kind carries."""
    rows = store.rows_where("kind = ?", [kind])
    for found in store.nodes(rows.tolist()):
        if document_id in (None, found.document_id):
            return found.metadata.get("description")
    raise AssertionError(f"there is no {kind}")
