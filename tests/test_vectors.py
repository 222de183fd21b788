"""Spaces against a plain search over all vectors, whatever has happened to the library or to the index file."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from rag_app.errors import SpaceMismatch
from rag_app.store import Filter, Store
from rag_app.vectors.space import Space
from tests.storing import DIM, SPACE, nodes, paper, put, sha, vectors


@pytest.fixture
def store(tmp_path: Path):
    with Store.open(tmp_path / "library") as opened:
        yield opened


def plain(store: Store, query: np.ndarray, k: int, rows: np.ndarray | None = None) -> list[tuple[int, float]]:
    every, matrix = store.vectors_since(SPACE, 0)
    if rows is not None:
        keep = np.isin(every, rows)
        every, matrix = every[keep], matrix[keep]
    scores = matrix @ query
    order = np.lexsort((every, -scores))[:k]
    return [(int(every[i]), float(scores[i])) for i in order]


def assert_same(space: Space, query: np.ndarray, k: int, rows: np.ndarray | None = None) -> None:
    found, expected = space.search(query, k=k, rows=rows), plain(space.store, query, k, rows)
    assert [hit.row for hit in found] == [row for row, _ in expected]
    assert [hit.score for hit in found] == pytest.approx([score for _, score in expected], abs=1e-5)


@pytest.mark.parametrize("seed", range(6))
def test_it_is_the_exact_search_whatever_happened_before(store: Store, seed: int):
    """Papers come, change and go; the file is saved and other searchers open it at some of the moments."""
    draw, space = random.Random(seed), Space(store, SPACE)
    for step in range(25):
        if draw.random() < 0.75 or not store.documents():
            put(store, f"{seed}-{step}", f"p{draw.randrange(6)}.pdf", count=draw.randint(1, 8))
        else:
            store.remove(draw.choice(store.documents()).document_id)
        if draw.random() < 0.2:
            space.save()
        if draw.random() < 0.3:
            space = Space(store, SPACE)
        query = vectors(f"query {seed} {step}", 1)[0]
        assert_same(space, query, draw.randint(1, 12))
        assert_same(space, query, 4, store.row_ids(Filter(kinds=("table",))))
        if found := store.documents():
            assert_same(space, query, 20, store.row_ids(Filter(documents=(found[-1].document_id,))))


def test_an_empty_space(store: Store):
    space = Space(store, SPACE)
    assert space.search(np.ones(DIM), k=5) == []
    space.save()
    put(store, "a")
    assert len(space.search(np.ones(DIM), k=50)) == 6
    assert space.search(np.ones(DIM), k=0) == []
    assert space.search(np.ones(DIM), k=5, rows=np.empty(0, np.int64)) == []


def test_the_file_is_mapped_when_it_is_current_and_read_when_it_has_to_change(store: Store):
    put(store, "a", "a.pdf")
    Space(store, SPACE).save()
    space = Space(store, SPACE)
    assert_same(space, np.ones(DIM), 3)
    assert space._mapped
    put(store, "b", "b.pdf")  # FAISS aborts the process when a mapped index is added to
    assert_same(space, np.ones(DIM), 12)
    assert not space._mapped


@pytest.mark.parametrize("harm", ["missing", "cut", "head", "end", "empty", "text"])
def test_a_broken_file_is_built_again(store: Store, harm: str):
    put(store, "a")
    space = Space(store, SPACE)
    space.save()
    content = space.path.read_bytes()
    if harm == "missing":
        space.path.unlink()
    else:
        broken = {
            "cut": content[: len(content) // 2],
            "head": b"\xff" * 64 + content[64:],
            "end": content[:-20] + b"?" * 20,
            "empty": b"",
            "text": b"not an index",
        }[harm]
        space.path.write_bytes(broken)
        assert "not usable" in (space.check() or "")
    later = Space(store, SPACE)
    assert_same(later, np.ones(DIM), 6)
    later.save()
    assert later.check() is None
    assert_same(Space(store, SPACE), np.ones(DIM), 6)


def test_a_byte_changed_in_the_middle_is_found_by_check(store: Store):
    for i in range(60):
        put(store, f"p{i}", f"p{i}.pdf", count=8)
    space = Space(store, SPACE)
    space.save()
    content = bytearray(space.path.read_bytes())
    content[10_000] ^= 1
    space.path.write_bytes(content)
    assert "was changed" in (space.check() or "")
    space.rebuild()
    assert space.check() is None


def test_a_file_of_a_diverged_copy_is_not_believed(store: Store, tmp_path: Path):
    put(store, "a", "a.pdf")
    store.close()
    shutil.copytree(store.folder, tmp_path / "copy")
    with Store.open(tmp_path / "copy") as copy, Store.open(store.folder) as opened:
        put(copy, "b", "b.pdf")
        put(opened, "c", "c.pdf")  # the same generation number, another history
        Space(copy, SPACE).save()
        space = Space(opened, SPACE)
        (opened.folder / "spaces").mkdir(exist_ok=True)
        shutil.copy(Space(copy, SPACE).path, space.path)
        assert_same(space, np.ones(DIM), 12)


def test_a_reader_follows_another_process(store: Store):
    """Two stores on one folder stand for two processes."""
    space = Space(store, SPACE)
    put(store, "a", "a.pdf")
    assert len(space.search(np.ones(DIM), k=50)) == 6
    with Store.open(store.folder) as writer:
        put(writer, "b", "b.pdf")
        writer.remove(sha("a"))
    hits = space.search(np.ones(DIM), k=50)
    assert {found.document_id for found in store.nodes([hit.row for hit in hits])} == {sha("b")}


def test_an_index_ahead_of_a_snapshot_still_fills_k(store: Store):
    put(store, "a", "a.pdf")
    space = Space(store, SPACE)
    with store.snapshot():
        store.generation()  # the snapshot begins with the first read
        with Store.open(store.folder) as writer:
            writer.commit(paper("b", "b.pdf"), nodes("b", 40), {SPACE: 100 * np.ones((40, DIM), np.float32)})
            ahead = Space(writer, SPACE)
            ahead.search(np.ones(DIM), k=1)
        space._index, space._generation = ahead._index, ahead._generation
        hits = space.search(np.ones(DIM), k=5)
    assert len(hits) == 5
    assert {found.document_id for found in store.nodes([hit.row for hit in hits])} == {sha("a")}


def test_another_dimension_is_refused(store: Store):
    put(store, "a")
    with pytest.raises(SpaceMismatch, match=r"text:made-up:8 \(8\), the query has 9"):
        Space(store, SPACE).search(np.ones(9), k=3)
    with pytest.raises(SpaceMismatch, match="does not name an embedding space"):
        Space(store, "text:8")


def test_a_new_model_answers_when_no_node_is_missing(store: Store):
    rows = put(store, "a").rows
    new = "text:better:model:4"  # model names may hold colons
    assert store.active_space("text") == SPACE
    store.add_vectors(new, rows[:4], vectors("n", 4, 4))
    assert store.missing_vectors(new) == list(rows[4:])
    progress = store.activate(new)
    assert (progress.active, progress.missing, store.active_space("text")) == (False, 2, SPACE)
    store.add_vectors(new, rows[4:], vectors("m", 2, 4))
    assert store.activate(new).active
    assert store.active_space("text") == new
    assert len(Space(store, new).search(np.ones(4), k=9)) == 6
    with pytest.raises(SpaceMismatch, match="is the one that answers"):
        store.drop_space(new)
    store.drop_space(SPACE)
    assert [(space.name, space.vectors, space.active) for space in store.spaces()] == [(new, 6, True)]


def test_a_vector_given_again_replaces_the_old_one(store: Store):
    rows = put(store, "a").rows
    space = Space(store, SPACE)
    space.save()
    store.add_vectors(SPACE, rows[:1], np.full((1, DIM), 9.0, np.float32))
    assert space.search(np.ones(DIM), k=1)[0] == (rows[0], pytest.approx(72.0))
    assert len(space.search(np.ones(DIM), k=50)) == 6
