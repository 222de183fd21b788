"""A small library that holds one of everything, with its crops and originals, made without any model."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import numpy as np

from ingestion.elements import Problem
from rag_app.originals import Originals
from rag_app.store import Caption, Store
from tests.described_papers import crop, made_paper, plan, put_paper, reading, vectors_of
from tests.storing import SPACE, node, sha

IMAGES = "image:made-up:6"
CROPS = ("figure", "table", "formula")


def add_paper(store: Store, content: str, path: Path | None = None) -> None:
    """A paper with its crops and its original, of which `content` is the whole content."""
    paper = made_paper(content, name=f"{content}.pdf")
    paper = dataclasses.replace(paper, problems=(Problem("table", 1, f"A table of {content} has no header."),))
    (store.folder / "crops").mkdir(exist_ok=True)
    for kind in CROPS:
        (store.folder / "crops" / crop(f"{content} {kind}")).write_bytes(f"{content} {kind}".encode())
    source = store.folder.parent / f"{content}.pdf"
    source.write_bytes(content.encode())
    Originals(store.folder / "files").keep(source, paper.sha256)
    source.unlink()
    put_paper(store, paper, path=path)


def remove_paper(store: Store, content: str) -> None:
    with store.write_lock():
        store.remove(sha(content))
        store.remove_orphans()
        Originals(store.folder / "files").drop(sha(content))


def make(folder: Path) -> None:
    """Four papers, one of them gone again; descriptions of every state, captions, answers, spaces, bare nodes."""
    with Store.open(folder) as store:
        for content in ("a", "gone", "b", "سلام"):
            add_paper(store, content, Path(f"/papers/{content}.pdf"))
        store.add_alias(sha("a"), Path("/elsewhere/a copy.pdf"))
        remove_paper(store, "gone")
        figure, table, formula = plan(store, made_paper("a"))
        store.describe([reading(figure, "A zigzag curve sinks.")], embed=vectors_of)
        store.describe([reading(table, "| Model | Score |", score=0.4, verified=False)])  # its vector is behind
        store.ledger.failed(formula, error="ModelTimeout", reason="It took too long.", seconds=3.25)
        waiting, *_ = plan(store, made_paper("b"))
        store.ledger.keep(reading(waiting, "Kept, and not in its node yet."))
        shown = hashlib.sha256(b"a figure").hexdigest()
        store.add_captions({shown: [Caption("A curve.", "en"), Caption("یک منحنی", "fa", "model")]}, embed=vectors_of)
        figures = store.rows_where("kind = 'figure'", []).tolist()
        store.add_vectors(IMAGES, figures, np.arange(6 * len(figures), dtype=np.float32).reshape(-1, 6) + 0.1)
        store.begin_space("text:another:4")
        bare = node("bare", 1, "A node without a paper.", language="en")
        store.add_nodes("notes", "notes.txt", [bare], {SPACE: np.full((1, 8), 1 / 3, np.float32)})
        store.save_answer("What sinks?", {"text": "The loss «۱».", "citations": [{"image": crop("a figure")}]})
        store.save_answer("Why?", {"text": "No paper says."})
