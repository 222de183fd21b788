"""StoreVectorStore inside LlamaIndex: add, query, filter, delete."""

from __future__ import annotations

from pathlib import Path

import pytest
from llama_index.core import Document, MockEmbedding, VectorStoreIndex
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)

from rag_app.errors import UsageError
from rag_app.store import Store
from rag_app.vectors.vector_store import StoreVectorStore
from tests.storing import DIM, SPACE, put, sha

PAPERS = {
    "a": {"year": 2019, "venue": "ACL", "tags": ["vision", "text"], "score": 0.5},
    "b": {"year": 2020, "venue": "EMNLP", "tags": ["text"], "score": 0.9},
    "c": {"year": 2021, "venue": "ACL"},
    "d": {"venue": "ICML workshop", "tags": []},
}


@pytest.fixture
def vector_store(tmp_path: Path):
    with Store.open(tmp_path / "library") as store:
        made = StoreVectorStore(store, space=SPACE)
        made.add(
            [
                TextNode(id_=id_, text=f"text {id_}", metadata=metadata, embedding=[float(i)] * DIM)
                for i, (id_, metadata) in enumerate(PAPERS.items())
            ]
        )
        yield made


def matching(store: StoreVectorStore, *filters: MetadataFilter | MetadataFilters, how=FilterCondition.AND) -> str:
    chosen = MetadataFilters(filters=list(filters), condition=how)
    queried = store.query(VectorStoreQuery(query_embedding=[1.0] * DIM, similarity_top_k=9, filters=chosen))
    got = [node.node_id for node in store.get_nodes(filters=chosen)]
    assert sorted(queried.ids or []) == sorted(got)
    return "".join(sorted(got))


def is_(key: str, operator: str, value: object) -> MetadataFilter:
    return MetadataFilter(key=key, operator=FilterOperator(operator), value=value)  # pyright: ignore[reportArgumentType]  # wrong ones too


@pytest.mark.parametrize(
    ("key", "operator", "value", "expected"),
    [
        ("year", "==", 2020, "b"),
        ("venue", "==", "ACL", "ac"),
        ("year", "!=", 2020, "acd"),
        ("year", ">", 2019, "bc"),
        ("year", ">=", 2020, "bc"),
        ("year", "<", 2020, "a"),
        ("score", "<=", 0.5, "a"),
        ("year", "in", [2019, 2021], "ac"),
        ("year", "nin", [2019, 2021], "bd"),
        ("venue", "in", ["EMNLP", "none"], "b"),
        ("tags", "any", ["vision", "sound"], "a"),
        ("tags", "all", ["vision", "text"], "a"),
        ("tags", "contains", "text", "ab"),
        ("venue", "text_match", "work", "d"),
        ("venue", "text_match_insensitive", "icml", "d"),
        ("tags", "is_empty", None, "cd"),
        ("it's; DROP TABLE nodes", "==", "x", ""),
    ],
)
def test_filter_operators(vector_store: StoreVectorStore, key: str, operator: str, value: object, expected: str):
    assert matching(vector_store, is_(key, operator, value)) == expected


def test_filters_join_and_nest(vector_store: StoreVectorStore):
    acl, late = is_("venue", "==", "ACL"), is_("year", ">", 2019)
    assert matching(vector_store, acl, late) == "c"
    assert matching(vector_store, acl, late, how=FilterCondition.OR) == "abc"
    assert matching(vector_store, acl, how=FilterCondition.NOT) == "bd"
    inner = MetadataFilters(filters=[acl, late], condition=FilterCondition.OR)
    assert matching(vector_store, inner, is_("year", "!=", 2020)) == "ac"


@pytest.mark.parametrize(
    ("operator", "value"),
    [("==", ["a"]), (">", None), ("in", "ACL"), ("any", 3), ("text_match", 3), ("contains", ["a"])],
)
def test_a_filter_without_meaning_is_an_error(vector_store: StoreVectorStore, operator: str, value: object):
    with pytest.raises(UsageError, match=f"'venue' {operator} takes"):
        matching(vector_store, is_("venue", operator, value))


def test_filters_work_inside_the_search(vector_store: StoreVectorStore):
    query = VectorStoreQuery(
        query_embedding=[1.0] * DIM, similarity_top_k=1, filters=MetadataFilters(filters=[is_("year", "==", 2019)])
    )
    assert vector_store.query(query).ids == ["a"]  # the worst by similarity


def test_node_ids_doc_ids_and_scores(vector_store: StoreVectorStore):
    found = vector_store.query(VectorStoreQuery(query_embedding=[1.0] * DIM, similarity_top_k=2))
    assert (found.ids, found.similarities) == (["d", "c"], [24.0, 16.0])
    only = vector_store.query(VectorStoreQuery(query_embedding=[1.0] * DIM, similarity_top_k=2, node_ids=["a", "b"]))
    assert only.ids == ["b", "a"]
    assert [node.node_id for node in vector_store.get_nodes(["c"])] == ["c"]
    assert vector_store.get_nodes([]) == []


def test_what_it_does_not_do_is_said(vector_store: StoreVectorStore):
    with pytest.raises(UsageError, match="as_retriever"):
        vector_store.query(VectorStoreQuery(query_embedding=[1.0] * DIM, mode=VectorStoreQueryMode.MMR))
    with pytest.raises(UsageError, match="no embedding"):
        vector_store.query(VectorStoreQuery(query_str="x"))
    with pytest.raises(UsageError, match="Unknown options: colour"):
        vector_store.query(VectorStoreQuery(query_embedding=[1.0] * DIM), colour="red")
    with pytest.raises(UsageError, match="clear"):
        vector_store.delete_nodes()


def test_deleting(vector_store: StoreVectorStore):
    vector_store.delete_nodes(["a"])
    vector_store.delete_nodes(filters=MetadataFilters(filters=[is_("year", "==", 2020)]))
    assert matching(vector_store, is_("venue", "!=", "x")) == "cd"
    vector_store.delete("c")  # no source: a node is its own document
    vector_store.delete("unknown")
    assert [node.node_id for node in vector_store.get_nodes()] == ["d"]
    vector_store.clear()
    assert vector_store.get_nodes() == []


def test_an_added_node_with_a_known_id_replaces_it(vector_store: StoreVectorStore):
    vector_store.add([TextNode(id_="a", text="new", embedding=[7.0] * DIM)])
    found = vector_store.query(VectorStoreQuery(query_embedding=[1.0] * DIM, similarity_top_k=9))
    assert (found.ids or [])[0] == "a"
    assert len(found.ids or []) == 4


def test_an_index_over_it(vector_store: StoreVectorStore):
    vector_store.clear()
    index = VectorStoreIndex.from_vector_store(vector_store, embed_model=MockEmbedding(embed_dim=DIM))
    for name in ("one", "two"):
        index.insert(Document(id_=name, text=f"A document about {name}.", metadata={"file_name": f"{name}.txt"}))
    assert len(index.as_retriever(similarity_top_k=5).retrieve("anything")) == 2
    index.delete_ref_doc("one")
    (left,) = index.as_retriever(similarity_top_k=5).retrieve("anything")
    assert left.node.ref_doc_id == "two"
    assert left.node.metadata["file_name"] == "two.txt"


def test_a_pipeline_into_it(vector_store: StoreVectorStore):
    vector_store.clear()
    pipeline = IngestionPipeline(
        transformations=[SentenceSplitter(chunk_size=32, chunk_overlap=0), MockEmbedding(embed_dim=DIM)],
        vector_store=vector_store,
    )
    made = pipeline.run(documents=[Document(id_="long", text="A sentence of some words. " * 40)])
    assert len(made) > 3
    stored = vector_store.get_nodes()
    assert [node.get_content() for node in stored] == [node.get_content() for node in made]
    assert {node.ref_doc_id for node in stored} == {"long"}


def test_it_reads_what_the_library_ingested(tmp_path: Path):
    with Store.open(tmp_path) as store:
        put(store, "a")
        found = StoreVectorStore(store, space=SPACE).query(
            VectorStoreQuery(
                query_embedding=[1.0] * DIM,
                similarity_top_k=9,
                filters=MetadataFilters(filters=[is_("kind", "==", "table"), is_("document_id", "==", sha("a"))]),
            )
        )
        assert len(found.ids or []) == 2
