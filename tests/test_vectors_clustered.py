"""A clustered space: what came and went since the file, filters, broken files; and how much of the nearest it finds."""

from __future__ import annotations

import random
from pathlib import Path

import faiss
import numpy as np
import pytest

from rag_app.store import Filter, Store
from rag_app.vectors import clustered, files, space
from rag_app.vectors.clustered import Clustered
from rag_app.vectors.space import Space
from tests.storing import DIM, SPACE, nodes, paper, put, vectors
from tests.test_vectors import assert_same, plain


@pytest.fixture
def store(tmp_path: Path):
    with Store.open(tmp_path / "library") as opened:
        yield opened


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clusters from 20 vectors on, all of them searched, so that results must be exact."""
    monkeypatch.setattr(clustered, "CLUSTERED_ABOVE", 20)
    monkeypatch.setattr(clustered, "RECALL", 2.0)
    monkeypatch.setattr(space, "_FEW", 2)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.usefixtures("small")
def test_it_finds_the_same_whatever_happened_before(store: Store, seed: int):
    """Papers come, change and go, across the size where clusters begin; the file is saved at some of the moments."""
    draw, searched, kinds = random.Random(seed), Space(store, SPACE), set()
    for step in range(30):
        if draw.random() < 0.75 or not store.documents():
            put(store, f"{seed}-{step}", f"p{draw.randrange(7)}.pdf", count=draw.randint(3, 14))
        else:
            store.remove(draw.choice(store.documents()).document_id)
        if draw.random() < 0.3:
            searched.save()
        if draw.random() < 0.3:
            searched = Space(store, SPACE)
        query = vectors(f"query {seed} {step}", 1)[0]
        assert_same(searched, query, draw.randint(1, 12))
        assert_same(searched, query, 4, store.row_ids(Filter(kinds=("table",))))
        if found := store.documents():
            assert_same(searched, query, 20, store.row_ids(Filter(documents=(found[-1].document_id,))))
        kinds.add(type(searched._index))
    assert Clustered in kinds


@pytest.mark.usefixtures("small")
def test_a_large_file_that_lacks_little_is_written_when_it_is_to_be_whole(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space, "_LARGE", 20)
    put(store, "a", "a.pdf", count=30)
    searched = Space(store, SPACE)
    searched.save()
    put(store, "b", "b.pdf", count=3)
    before = searched.path.read_bytes()
    searched.save()
    assert searched.path.read_bytes() == before
    searched.save(whole=True)
    assert files.read_origin(searched.path).generation == store.generation()


@pytest.mark.usefixtures("small")
def test_what_came_and_went_stands_beside_a_mapped_file(store: Store):
    first = put(store, "a", "a.pdf", count=30)
    Space(store, SPACE).save()
    opened = Space(store, SPACE)
    assert_same(opened, np.ones(DIM), 5)
    written = opened.path.read_bytes()
    put(store, "b", "b.pdf", count=5)
    store.remove_rows(first.rows[:3])
    store.add_vectors(SPACE, first.rows[3:4], np.full((1, DIM), 9.0, np.float32))
    assert opened.search(np.ones(DIM), k=1)[0] == (first.rows[3], pytest.approx(72.0))
    assert_same(opened, np.ones(DIM), 50)
    assert opened.path.read_bytes() == written
    assert opened._mapped
    assert_same(Space(store, SPACE), np.ones(DIM), 50)


@pytest.mark.usefixtures("small")
def test_it_is_folded_in_without_being_clustered_anew(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(space, "_SAVE_AFTER", 3)
    first = put(store, "a", "a.pdf", count=60)
    opened = Space(store, SPACE)
    opened.save()
    monkeypatch.setattr(clustered, "build", None)  # calling it would fail
    put(store, "b", "b.pdf", count=8)
    store.remove_rows(first.rows[:4])
    assert_same(opened, np.ones(DIM), 50)
    later = Space(store, SPACE)
    assert_same(later, np.ones(DIM), 50)
    assert isinstance(later._index, Clustered)
    assert not later._index.changed
    assert later._index.ntotal == 64


@pytest.mark.usefixtures("small")
def test_it_grows_into_clusters_and_shrinks_out_of_them(store: Store):
    searched, kinds = Space(store, SPACE), []
    for step in range(4):
        put(store, f"p{step}", f"p{step}.pdf", count=8)
        searched.rebuild()
        kinds.append(isinstance(searched._index, Clustered))
    for info in store.documents()[1:]:
        store.remove(info.document_id)
    searched.save()
    assert_same(searched, np.ones(DIM), 50)
    assert kinds == [False, False, True, True]
    assert not isinstance(Space(store, SPACE)._index, Clustered)
    assert isinstance(searched._index, faiss.IndexIDMap)


@pytest.mark.parametrize("harm", ["missing", "cut", "head", "flat"])
@pytest.mark.usefixtures("small")
def test_a_broken_file_is_built_again(store: Store, harm: str):
    put(store, "a", count=40)
    opened = Space(store, SPACE)
    opened.save()
    content = opened.path.read_bytes()
    if harm == "missing":
        opened.path.unlink()
    else:
        opened.path.write_bytes({"cut": content[:200], "head": b"\xff" * 64 + content[64:], "flat": b"IxFI"}[harm])
        assert "not usable" in (opened.check() or "")
    later = Space(store, SPACE)
    assert_same(later, np.ones(DIM), 6)
    put(store, "b", "b.pdf", count=3)
    later.save()
    assert later.check() is None


@pytest.mark.usefixtures("small")
def test_an_older_snapshot_never_finds_what_came_later(store: Store):
    put(store, "a", "a.pdf", count=40)
    searched = Space(store, SPACE)
    searched.save()
    with store.snapshot():
        store.generation()  # the snapshot begins with the first read
        with Store.open(store.folder) as writer:
            writer.commit(paper("b", "b.pdf"), nodes("b", 5), {SPACE: 100 * np.ones((5, DIM), np.float32)})
            ahead = Space(writer, SPACE)
            ahead.search(np.ones(DIM), k=1)
        searched._index, searched._generation = ahead._index, ahead._generation
        assert_same(searched, np.ones(DIM), 5)


def test_recall_where_only_some_clusters_are_searched(store: Store, monkeypatch: pytest.MonkeyPatch):
    """Vectors around centres, so that neighbours are near; with and without filters of all widths."""
    monkeypatch.setattr(clustered, "CLUSTERED_ABOVE", 1_000)
    monkeypatch.setattr(space, "_FEW", 10)
    draw = np.random.default_rng(3)
    centres = draw.normal(size=(60, DIM))
    made = (centres[draw.integers(60, size=3_000)] + 0.3 * draw.normal(size=(3_000, DIM))).astype(np.float32)
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    rows = store.commit(paper("a"), nodes("a", 3_000, words=4), {SPACE: made}).rows
    searched = Space(store, SPACE)
    searched.save()
    searched = Space(store, SPACE)
    every = np.array(rows)
    for share in (1.0, 0.5, 0.1, 0.02):
        allowed = None if share == 1.0 else np.sort(draw.choice(every, int(share * len(every)), replace=False))
        found = 0
        for query in made[draw.integers(3_000, size=40)] + 0.1 * draw.normal(size=(40, DIM)).astype(np.float32):
            best = {row for row, _ in plain(store, query, 10, allowed)}
            found += len(best & {hit.row for hit in searched.search(query, k=10, rows=allowed)})
        assert found >= 0.97 * 400
    assert isinstance(searched._index, Clustered)
    assert searched._index.clusters < searched._index.base.nlist
