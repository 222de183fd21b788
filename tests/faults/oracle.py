"""What a library holds and answers, to be compared with one that nothing happened to."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from rag_app.searchable import query_terms
from rag_app.store import Filter, Store
from rag_app.vectors.space import Space

Node = tuple[Any, ...]  # Any: id, text, metadata as JSON, class and relations as JSON, rounded vectors by space


@dataclass(frozen=True)
class Contents:
    """What two equal libraries have in common: all but row numbers, times and random marks.

    documents   sha256 -> its nodes in reading order
    names       sha256 -> name, title, pages, places it was found at
    ledger      rows of the ledger; answers: questions with what was answered
    active      the text space that answers
    """

    documents: dict[str, list[Node]]
    names: dict[str, tuple[Any, ...]]  # Any: strings and a number
    ledger: list[tuple[Any, ...]]  # Any: columns
    answers: list[tuple[str, str]]
    active: str | None


def contents(folder: Path, *, made: bool = False) -> Contents:
    """All that is in the library, after `assert_sound`. made: its papers were made in memory, without files."""
    with Store.open(folder, create=False) as store, store.snapshot():
        assert_sound(store, made=made)
        infos = store.documents()
        spaces = [info.name for info in store.spaces()]
        documents = {}
        for info in infos:
            rows = store.row_ids(Filter(documents=(info.document_id,)))
            assert rows is not None
            vectors = {name: store.vectors(name, rows.tolist()) for name in spaces}
            documents[info.document_id] = [
                (
                    node.node_id,
                    node.text,
                    json.dumps(node.metadata, sort_keys=True, ensure_ascii=False),
                    json.dumps(node.node.model_dump(mode="json", exclude={"metadata", "text", "embedding"})),
                    {name: _rounded(held.get(node.row)) for name, held in vectors.items()},
                )
                for node in store.nodes(rows.tolist())
            ]
        return Contents(
            documents,
            {
                info.document_id: (info.name, info.title, info.pages, sorted(str(a.path) for a in info.aliases))
                for info in infos
            },
            [
                (row.document_id, row.element_id, row.kind, row.image, row.model, row.state, row.result)
                for row in store.ledger.rows()
            ],
            [(answer.question, str(answer.body["answer"])) for answer in reversed(store.answers(last=1000))],
            store.active_space("text"),
        )


def assert_sound(store: Store, *, made: bool = False) -> None:
    """SQLite, full text, sums, crops and originals are whole, and searches give what the stored nodes say."""
    found = store.integrity()
    assert found.damage == (), found.damage
    assert found.missing_crops == (), found.missing_crops
    assert made or found.missing_files == (), found.missing_files
    named = {name for info in store.documents() for name in store.crops(info.document_id)}
    for name in named:
        assert hashlib.sha256((store.folder / "crops" / name).read_bytes()).hexdigest() == Path(name).stem, name
    kept = {info.document_id for info in store.documents()}
    for path in (store.folder / "files").glob("*"):
        if path.stem in kept and path.suffix != ".tmp":
            assert hashlib.sha256(path.read_bytes()).hexdigest() == path.stem, f"{path.name} is not whole"
    for info in store.spaces():
        assert_exact(store, info.name)
        assert not (info.active and info.role == "text") or not store.vectors_behind(info.name)
    assert_words(store)


def assert_exact(store: Store, name: str) -> None:
    """A search by vector gives what the stored vectors give."""
    with store.snapshot():
        rows, matrix = store.vectors_since(name, 0)
        if len(rows) == 0:
            return
        space = Space(store, name)
        for at in (0, len(rows) // 2, len(rows) - 1):
            query = matrix[at]
            hits = space.search(query, k=min(5, len(rows)))
            best = np.sort(matrix @ query)[::-1][: len(hits)]
            np.testing.assert_allclose([hit.score for hit in hits], best, rtol=1e-4, atol=1e-4)
            by_row = dict(zip(rows.tolist(), matrix @ query, strict=True))
            np.testing.assert_allclose([by_row[hit.row] for hit in hits], best, rtol=1e-4, atol=1e-4)
        assert len(space.search(matrix[0], k=len(rows) + 10)) == len(rows)


def assert_words(store: Store) -> None:
    """A search by a word gives exactly the nodes that hold it."""
    with store.snapshot():
        size = store.database.connection.execute("SELECT coalesce(max(row), 0) FROM nodes").fetchone()[0]
        nodes = store.nodes(range(1, size + 1))
        holding: dict[str, set[int]] = {}
        for node in nodes:
            for column in node.terms:
                for term in column:
                    holding.setdefault(term, set()).add(node.row)
        for node in nodes[:: max(1, len(nodes) // 12)]:
            for term in query_terms(node.text)[:3]:
                hits = store.lexical([term], k=size)
                assert {hit.row for hit in hits} == holding.get(term, set()), term


def assert_same(found: Contents, goal: Contents) -> None:
    """Raises AssertionError that shows the first difference."""
    assert found.documents.keys() == goal.documents.keys(), found.documents.keys() ^ goal.documents.keys()
    for document in goal.documents:
        assert_same_document(found, goal, document)
    assert found.ledger == goal.ledger
    assert found.answers == goal.answers
    assert found.active == goal.active


def assert_same_document(found: Contents, goal: Contents, document: str) -> None:
    assert found.names[document] == goal.names[document]
    for ours, theirs in zip_longest(found.documents[document], goal.documents[document]):
        assert ours == theirs, f"{goal.names[document]}\n  now    {ours}\n  before {theirs}"


def assert_between(found: Contents, before: Contents, after: Contents) -> int:
    """Each document is wholly as it was before, or wholly as it is after; returns how many have changed already.

    Documents are told by their names here: another version has another sha256.
    """
    changed = 0
    now, was, will = (_by_name(contents) for contents in (found, before, after))
    assert set(now) <= set(was) | set(will), "a document came from nowhere"
    for name in set(was) | set(will):
        if now.get(name) == was.get(name) == will.get(name):
            continue
        if now.get(name) == will.get(name):
            changed += 1
        else:
            assert now.get(name) == was.get(name), f"{name} is neither as it was nor as it should be"
    for answer in before.answers:
        assert answer in found.answers, f"the answer to {answer[0]!r} was lost"
    return changed


def _by_name(held: Contents) -> dict[str, Any]:  # Any: what is compared of a document
    return {names[0]: (document, names, held.documents[document]) for document, names in held.names.items()}


def _rounded(vector: np.ndarray | None) -> tuple[float, ...] | None:
    """A vector to three digits: batches of other sizes differ in the last bits."""
    return None if vector is None else tuple((np.round(vector, 3) + 0.0).tolist())
