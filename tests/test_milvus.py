"""Vectors in Milvus against a plain search over all vectors, whatever has happened to the library or to Milvus."""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
)

from rag_app.errors import SpaceMismatch
from rag_app.store import Filter, Store
from rag_app.vectors import milvus_space
from rag_app.vectors.milvus_collection import names
from rag_app.vectors.milvus_server import Milvus
from rag_app.vectors.milvus_space import MilvusSpace
from rag_app.vectors.space import Space
from rag_app.vectors.vector_store import StoreVectorStore
from tests.milvus_servers import milvus_server
from tests.storing import DIM, SPACE, nodes, paper, put, sha, vectors

SETTINGS = Path("settings.toml")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with milvus_server(tmp_path_factory.mktemp("milvus") / "data.db") as served:
        yield served


@pytest.fixture
def milvus(address: str) -> Milvus:
    return Milvus(address, settings_file=SETTINGS)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
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


def assert_same(space: MilvusSpace, query: np.ndarray, k: int, allowed: Filter | None = None) -> None:
    found = space.search(query, k=k, allowed=allowed)
    expected = plain(space.store, query, k, space.store.row_ids(allowed))
    assert [hit.row for hit in found] == [row for row, _ in expected]
    assert [hit.score for hit in found] == pytest.approx([score for _, score in expected], abs=1e-5)


@pytest.mark.parametrize("stays_s", [60.0, -5.0], ids=["what went stays a minute", "what went goes at once"])
@pytest.mark.parametrize("seed", range(2))
def test_it_is_the_exact_search_whatever_happened_before(
    store: Store, milvus: Milvus, monkeypatch: pytest.MonkeyPatch, seed: int, stays_s: float
):
    """Papers come, change and go; it is saved, made anew and opened by others at some of the moments."""
    monkeypatch.setattr(milvus_space, "_STAYS_S", stays_s)
    monkeypatch.setattr(milvus_space, "_BATCH", 5)
    draw, space = random.Random(seed), MilvusSpace(store, SPACE, milvus)
    for step in range(14):
        if draw.random() < 0.75 or not store.documents():
            put(store, f"{seed}-{step}", f"p{draw.randrange(6)}.pdf", count=draw.randint(1, 8))
        else:
            store.remove(draw.choice(store.documents()).document_id)
        if draw.random() < 0.2:
            space.save()
        if draw.random() < 0.1:
            space.rebuild()
        if draw.random() < 0.3:
            space = MilvusSpace(store, SPACE, milvus)
        query = vectors(f"query {seed} {step}", 1)[0]
        assert_same(space, query, draw.randint(1, 12))
        assert_same(space, query, 4, Filter(kinds=("table",)))
        if found := store.documents():
            assert_same(space, query, 20, Filter(documents=(found[-1].document_id,)))
    assert space.check() is None
    assert len(names(milvus, space._prefix())) == 1
    space.rebuild()
    assert len(entities(milvus, space)) == len(store.vectors_since(SPACE, 0)[0])


def entities(milvus: Milvus, space: MilvusSpace) -> list[int]:
    """Ids of all vectors in the collection, of those too that do not count any more."""
    (name,) = names(milvus, space._prefix())
    found = milvus.client().query(name, filter="id > 0", output_fields=["id"])
    return [entity["id"] for entity in found]


def test_an_empty_space(store: Store, milvus: Milvus):
    space = MilvusSpace(store, SPACE, milvus)
    assert space.search(np.ones(DIM), k=5) == []
    space.save()
    assert names(milvus, space._prefix()) == []
    put(store, "a")
    assert len(space.search(np.ones(DIM), k=50)) == 6
    assert space.search(np.ones(DIM), k=0) == []
    assert space.search(np.ones(DIM), k=5, rows=np.empty(0, np.int64)) == []
    with pytest.raises(SpaceMismatch, match=r"text:made-up:8 \(8\), the query has 9"):
        space.search(np.ones(9), k=3)


FILTERS = [
    Filter(kinds=("table",)),
    Filter(exclude_kinds=("table", 'an "odd\\ kind')),
    Filter(kinds=("text", "نمودار")),
    Filter(pages=(2, 3)),
    Filter(pages=(1,), kinds=("text",)),
    Filter(documents=(sha("b"), sha("c"))),
    Filter(documents=(sha("nobody"),)),
    Filter(folders=("/papers/2023",)),
    Filter(folders=("/papers/2023",), pages=(1,), exclude_kinds=("table",)),
    Filter(metadata=(("label", "Table 1"),)),
    Filter(metadata=(("year", "2020"),), documents=(sha("c"),)),
]


@pytest.mark.parametrize("read", [2000, 0], ids=["few rows are read here", "rows are asked for until enough"])
@pytest.mark.parametrize("most", [16_384, 20], ids=["Milvus gives enough", "Milvus gives little at once"])
def test_every_filter_works_inside_the_search(
    store: Store, milvus: Milvus, monkeypatch: pytest.MonkeyPatch, read: int, most: int
):
    monkeypatch.setattr(milvus_space, "_READ", read)
    monkeypatch.setattr(milvus_space.collections, "MOST", most)
    for content, folder in (("a", "2022"), ("b", "2023"), ("c", "2023/late"), ("d", "2024")):
        put(store, content, f"{content}.pdf", path=Path(f"/papers/{folder}/{content}.pdf"), count=9)
    space, query = MilvusSpace(store, SPACE, milvus), vectors("query", 1)[0]
    for allowed in FILTERS:
        for k in (1, 4, 100):
            assert_same(space, query, k, allowed)
    rows = store.row_ids(Filter(pages=(2,)))
    assert [hit.row for hit in space.search(query, k=5, rows=rows)] == [row for row, _ in plain(store, query, 5, rows)]


def test_what_a_filter_names_travels_as_metadata_and_never_as_rows(store: Store, milvus: Milvus):
    put(store, "a", "a.pdf", path=Path("/papers/a.pdf"))
    with store.snapshot() as connection:
        told = [milvus_space.expression(connection, one) for one in FILTERS]
    assert told[0] == 'kind in ["table"]'
    assert told[3] == "array_contains_any(pages, [2, 3])"
    assert [one is None for one in told] == [False] * 5 + [True] * 6  # no such document here; metadata
    with store.snapshot() as connection:
        assert milvus_space.expression(connection, Filter(folders=("/papers",), pages=(1,))) == (
            "document in [1] and array_contains_any(pages, [1])"
        )


def test_a_vector_given_again_replaces_the_old_one(store: Store, milvus: Milvus, monkeypatch: pytest.MonkeyPatch):
    rows = put(store, "a").rows
    space = MilvusSpace(store, SPACE, milvus)
    space.save()
    store.add_vectors(SPACE, rows[:1], np.full((1, DIM), 9.0, np.float32))
    assert space.search(np.ones(DIM), k=1)[0] == (rows[0], pytest.approx(72.0))
    assert len(space.search(np.ones(DIM), k=50)) == 6
    assert len(entities(milvus, space)) == 7  # a search that began before may still want the old one
    monkeypatch.setattr(milvus_space, "_STAYS_S", -5.0)
    for content in ("b", "c"):  # what went is taken out by a change after the one that knew it
        put(store, content, f"{content}.pdf")
        assert len(space.search(np.ones(DIM), k=50)) == (12 if content == "b" else 18)
    assert len(entities(milvus, space)) == 18


def test_a_search_that_began_before_a_change_sees_the_library_as_it_was(store: Store, milvus: Milvus):
    put(store, "a", "a.pdf")
    space = MilvusSpace(store, SPACE, milvus)
    space.save()
    with store.snapshot():
        store.generation()  # the snapshot begins with the first read
        with Store.open(store.folder) as writer:
            writer.commit(paper("b", "a.pdf"), nodes("b", 40), {SPACE: 100 * np.ones((40, DIM), np.float32)})
            writer.remove(sha("a")) if writer.has(sha("a")) else None
            ahead = MilvusSpace(writer, SPACE, milvus)
            ahead.save()
            put(writer, "c", "c.pdf")  # a change after the one that knew it takes out what went long enough ago
            ahead.save()
        for one in (space, MilvusSpace(store, SPACE, milvus)):
            hits = one.search(np.ones(DIM), k=6)
            assert {found.document_id for found in store.nodes([hit.row for hit in hits])} == {sha("a")}
            assert len(hits) == 6
    hits = space.search(np.ones(DIM), k=6)
    assert {found.document_id for found in store.nodes([hit.row for hit in hits])} == {sha("b")}


@pytest.mark.parametrize("most", [16_384, 30], ids=["Milvus gives enough", "Milvus gives little at once"])
def test_rows_that_are_all_far_away_are_found(store: Store, milvus: Milvus, monkeypatch: pytest.MonkeyPatch, most: int):
    """The nearest nodes are none of those that may answer, so the first that Milvus gives are not enough."""
    monkeypatch.setattr(milvus_space, "_READ", 0)
    monkeypatch.setattr(milvus_space.collections, "MOST", most)
    put(store, "a", count=200)
    query = vectors("query", 1)[0]
    ranked = [row for row, _ in plain(store, query, 200)]
    far = np.sort(np.array(ranked[100:], np.int64))
    found = MilvusSpace(store, SPACE, milvus).search(query, k=3, rows=far)
    assert [hit.row for hit in found] == ranked[100:103]


def test_an_old_vector_that_is_still_there_does_not_count(
    store: Store, milvus: Milvus, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(milvus_space, "_SPARE", 0)
    rows = put(store, "a").rows
    space = MilvusSpace(store, SPACE, milvus)
    for value in (9.0, -9.0):  # the nearest of all, then the farthest
        store.add_vectors(SPACE, rows[:2], np.full((2, DIM), value, np.float32))
        assert_same(space, np.ones(DIM), 2)
    assert len(entities(milvus, space)) == 8


def test_libraries_on_one_server_do_not_mix(tmp_path: Path, milvus: Milvus):
    with Store.open(tmp_path / "one") as one, Store.open(tmp_path / "two") as two:
        put(one, "a")
        put(two, "b")
        first, second = MilvusSpace(one, SPACE, milvus), MilvusSpace(two, SPACE, milvus)
        for space in (first, second, first):
            assert_same(space, np.ones(DIM), 20)
        second.rebuild()
        assert_same(MilvusSpace(one, SPACE, milvus), np.ones(DIM), 20)


def test_a_copy_that_goes_its_own_way_gets_a_collection_of_its_own(
    tmp_path: Path, milvus: Milvus, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(milvus_space, "_STAYS_S", -5.0)
    with Store.open(tmp_path / "one") as one:
        for content in "abc":
            put(one, content, f"{content}.pdf")
        first = MilvusSpace(one, SPACE, milvus)
        first.save()
    shutil.copytree(tmp_path / "one", tmp_path / "copy")
    with Store.open(tmp_path / "one") as one, Store.open(tmp_path / "copy") as copy:
        first, second = MilvusSpace(one, SPACE, milvus), MilvusSpace(copy, SPACE, milvus)
        assert_same(second, np.ones(DIM), 30)
        assert len(names(milvus, first._prefix())) == 1  # they are the same so far
        for step in range(4):
            for store, space, mine in ((one, first, "one"), (copy, second, "two")):
                put(store, f"{mine} {step}", f"{step}.pdf", count=5)  # equal rows and generations, other vectors
                if step == 2:
                    store.remove(sha("a") if mine == "one" else sha("b"))
                assert_same(space, np.ones(DIM), 30)
                assert_same(MilvusSpace(store, SPACE, milvus), np.ones(DIM), 30)
        assert len(names(milvus, first._prefix())) == 2
        assert first.check() is None and second.check() is None


def test_two_copies_that_change_at_the_same_time_do_not_share(tmp_path: Path, milvus: Milvus):
    """Both know the collection; one writes it while the other is at it: who comes second notices and makes its own."""
    with Store.open(tmp_path / "one") as one:
        put(one, "a")
        MilvusSpace(one, SPACE, milvus).save()
    shutil.copytree(tmp_path / "one", tmp_path / "copy")
    with Store.open(tmp_path / "one") as one, Store.open(tmp_path / "copy") as copy:
        put(one, "b", "b.pdf")
        put(copy, "c", "c.pdf")
        first, second = MilvusSpace(one, SPACE, milvus), MilvusSpace(copy, SPACE, milvus)
        found, real = second._found(copy.generation()), second._fill
        assert found is not None

        def overtaken(collection, state, target):
            second._fill = real
            assert_same(first, np.ones(DIM), 20)
            return real(collection, state, target)

        second._fill = overtaken
        assert_same(second, np.ones(DIM), 20)
        assert_same(first, np.ones(DIM), 20)
        assert len(names(milvus, first._prefix())) == 2


def test_a_collection_that_somebody_dropped_is_filled_again(store: Store, milvus: Milvus):
    put(store, "a")
    space = MilvusSpace(store, SPACE, milvus)
    assert_same(space, np.ones(DIM), 9)
    (name,) = names(milvus, space._prefix())
    milvus.client().drop_collection(name)
    assert_same(space, np.ones(DIM), 9)
    assert names(milvus, space._prefix()) != [name]


def test_vectors_that_somebody_deleted_are_told_and_made_anew(store: Store, milvus: Milvus):
    put(store, "a")
    space = MilvusSpace(store, SPACE, milvus)
    space.save()
    assert space.check() is None
    (name,) = names(milvus, space._prefix())
    milvus.client().delete(name, filter="document == 1")
    assert space.check() == f"The Milvus collection {name} of {SPACE} lacks 6 of 6 vectors."
    space.rebuild()
    assert space.check() is None
    assert_same(space, np.ones(DIM), 9)


def test_a_large_space_gets_a_graph_and_a_small_one_is_compared_whole(
    store: Store, milvus: Milvus, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(milvus_space, "_FLAT", 40)
    put(store, "a", "a.pdf", count=30)
    space = MilvusSpace(store, SPACE, milvus)
    space.save()
    assert index_of(milvus, space) == "FLAT"
    put(store, "b", "b.pdf", count=300)
    assert_same(space, np.ones(DIM), 5)
    assert index_of(milvus, space) == "FLAT"  # a search does not stop for it
    space.save()
    assert index_of(milvus, space) == "HNSW"
    assert_same(space, np.ones(DIM), 5)
    assert_same(space, np.ones(DIM), 5, Filter(kinds=("table",)))


def index_of(milvus: Milvus, space: MilvusSpace) -> str:
    (name,) = names(milvus, space._prefix())
    return milvus.client().describe_index(name, "embedding")["index_type"]


OPERATORS: list[tuple[str, str, object]] = [
    ("year", "==", 2020),
    ("venue", "==", "ACL"),
    ("year", "!=", 2020),
    ("year", ">", 2019),
    ("year", ">=", 2020),
    ("year", "<", 2020),
    ("score", "<=", 0.5),
    ("year", "in", [2019, 2021]),
    ("year", "nin", [2019, 2021]),
    ("tags", "any", ["vision", "sound"]),
    ("tags", "all", ["vision", "text"]),
    ("tags", "contains", "text"),
    ("venue", "text_match", "work"),
    ("venue", "text_match_insensitive", "icml"),
    ("tags", "is_empty", None),
    ("it's; DROP TABLE nodes", "==", "x"),
]


def test_every_operator_of_llama_index_gives_the_same_nodes(
    store: Store, milvus: Milvus, monkeypatch: pytest.MonkeyPatch
):
    """As FAISS gives, whether few rows pass (they are read here) or many (Milvus is asked until there are enough)."""
    spaces = [StoreVectorStore(store, space=one) for one in (Space(store, SPACE), MilvusSpace(store, SPACE, milvus))]
    about = [
        {"year": 2019, "venue": "ACL", "tags": ["vision", "text"], "score": 0.5},
        {"year": 2020, "venue": "EMNLP", "tags": ["text"], "score": 0.9},
        {"year": 2021, "venue": "ACL"},
        {"venue": "ICML workshop", "tags": []},
    ]
    made = [
        TextNode(id_=f"n{i}", text="text", metadata=about[i % 4], embedding=one.tolist())
        for i, one in enumerate(vectors("operators", 40))
    ]
    spaces[0].add(made)
    query = vectors("query", 1)[0].tolist()
    some = [
        MetadataFilter(key=key, operator=FilterOperator(operator), value=value)  # pyright: ignore[reportArgumentType]  # all kinds
        for key, operator, value in OPERATORS
    ]
    asked = [MetadataFilters(filters=[one]) for one in some]
    asked += [MetadataFilters(filters=[*some[:2]], condition=how) for how in FilterCondition]
    asked.append(MetadataFilters(filters=[asked[-1], some[3]], condition=FilterCondition.OR))
    for read in (2000, 0):
        monkeypatch.setattr(milvus_space, "_READ", read)
        for one in asked:
            for k in (3, 50):
                wanted = VectorStoreQuery(query_embedding=query, similarity_top_k=k, filters=one)
                faiss, found = (each.query(wanted) for each in spaces)
                assert found.ids == faiss.ids, one
                assert found.similarities == pytest.approx(faiss.similarities, abs=1e-5)


def test_threads_search_while_papers_come(store: Store, milvus: Milvus):
    put(store, "a", "a.pdf")
    space, failed, stop = MilvusSpace(store, SPACE, milvus), [], threading.Event()

    def search() -> None:
        while not stop.is_set():
            try:
                with store.snapshot():
                    assert_same(space, np.ones(DIM), 7)
            except BaseException as exc:
                failed.append(exc)
                return
        store.database.release()

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for step in range(12):
        put(store, f"{step}", f"p{step % 3}.pdf")
        time.sleep(0.05)
    stop.set()
    for thread in threads:
        thread.join()
    assert not failed


def test_llama_index_reads_the_collection(store: Store, milvus: Milvus):
    """Its own Milvus store finds the same rows in it; what it cannot is in docs/scale.md."""
    from llama_index.vector_stores.milvus import MilvusVectorStore

    put(store, "a", count=30)
    space, query = MilvusSpace(store, SPACE, milvus), vectors("query", 1)[0]
    expected = [hit.row for hit in space.search(query, k=5, allowed=Filter(kinds=("text",)))]
    (name,) = names(milvus, space._prefix())
    theirs = MilvusVectorStore(
        uri=milvus.address,
        collection_name=name,
        dim=DIM,
        text_key="kind",
        output_fields=["row"],
        use_async_client=False,
    )
    asked = VectorStoreQuery(query_embedding=query.tolist(), similarity_top_k=5)
    found = theirs.query(asked, string_expr='kind == "text"')
    assert [node.metadata["row"] for node in found.nodes or []] == expected
