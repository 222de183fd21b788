"""Text embeddings of an Ollama server."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest
from llama_index.core.schema import TextNode

from adapters.names import load_model, parse_model_name
from adapters.ollama.embedding import OllamaEmbedding
from adapters.ollama.failures import BrokenReply
from adapters.ollama.prefixes import prefixes_of
from adapters.served_embedding import unit_vectors
from rag_app.errors import (
    ModelNotInstalled,
    ModelUnreachable,
    ModelUnsuitable,
    UnknownName,
    UnusableReply,
)
from rag_app.settings import Ollama, Settings
from tests.ollama_models import at, model_at, ollama
from tests.ollama_server import Fault, Model, OllamaServer

__all__ = ["ollama"]


def embedding_at(server: OllamaServer, name: str = "tinyembed", **more: Any) -> OllamaEmbedding:
    return OllamaEmbedding(name, settings=at(server, **more))


def inputs(server: OllamaServer) -> list[list[str]]:
    return [request.body["input"] for request in server.requests if request.path == "/api/embed"]


def test_it_is_loaded_by_name_and_asks_nobody(ollama: OllamaServer) -> None:
    model = load_model("text_embedding", parse_model_name("ollama:TinyEmbed:latest"), at(ollama))
    assert (type(model), model.model_name, model.languages) == (OllamaEmbedding, "ollama:tinyembed", None)
    assert ollama.requests == []
    with pytest.raises(UnknownName):
        load_model("text_embedding", parse_model_name("ollama:x+lora"), at(ollama))


def test_vectors_come_in_order_in_batches_of_unit_length(ollama: OllamaServer) -> None:
    model = OllamaEmbedding("tinyembed", settings=at(ollama), batch=4)
    texts = [f"text {i % 5}" for i in range(10)]
    vectors = model.get_text_embedding_batch(texts)
    assert [len(batch) for batch in inputs(ollama)] == [4, 4, 2]
    assert vectors[0] == vectors[5] != vectors[1]
    assert all(math.isclose(math.hypot(*vector), 1.0) for vector in vectors)
    assert model.dimensions == 64 and len(inputs(ollama)) == 3
    assert embedding_at(ollama).dimensions == 64
    body = ollama.requests[-1].body
    assert (body["truncate"], body["keep_alive"], body["options"]) == (False, "5m", {"num_ctx": 2048})


def test_sync_and_async_are_the_same(ollama: OllamaServer) -> None:
    model = embedding_at(ollama)

    async def work() -> list[list[float]]:
        return [
            await model.aget_query_embedding("a fox"),
            await model.aget_text_embedding("a fox"),
            (await model.aget_text_embedding_batch(["a fox", "b"]))[0],
        ]

    wanted = model.get_text_embedding("a fox")
    assert asyncio.run(work()) == asyncio.run(work()) == [wanted] * 3 == [model.get_query_embedding("a fox")] * 3


def test_a_text_that_is_too_long_is_shortened_and_counted(ollama: OllamaServer) -> None:
    model = embedding_at(ollama)
    long = "word " * 4000
    vectors = model.get_text_embedding_batch(["one", long, "two", long + "x"])
    assert model.shortened == 2
    assert vectors[0] == model.get_text_embedding("one") and vectors[2] == model.get_text_embedding("two")
    sent = [text for batch in inputs(ollama) for text in batch if text.startswith("word")]
    assert all(long.startswith(text[:-1]) for text in sent)
    kept = min(len(text) for text in sent)
    assert 0.75 < kept / (4 * 2048) <= 1.0, "no more is cut off than a step"


def test_queries_and_documents_get_the_prefixes_of_the_family(ollama: OllamaServer) -> None:
    ollama.models.append(Model("nomic-embed-text:v1.5", {"embedding"}, family="nomic-bert"))
    model = embedding_at(ollama, "nomic-embed-text:v1.5")
    model.get_query_embedding("q")
    model.get_text_embedding_batch(["d"])
    assert inputs(ollama) == [["search_query: q"], ["search_document: d"]]


@pytest.mark.parametrize(
    ("name", "query", "document"),
    [
        ("mxbai-embed-large", "Represent this sentence for searching relevant passages: ", ""),
        ("jeffh/intfloat-multilingual-e5-large:q8_0", "query: ", "passage: "),
        ("snowflake-arctic-embed2:568m", "query: ", ""),
        ("embeddinggemma", "task: search result | query: ", "title: none | text: "),
        ("bge-m3", "", ""),
        ("all-minilm:22m", "", ""),
    ],
)
def test_prefixes(name: str, query: str, document: str) -> None:
    assert (prefixes_of(name).query, prefixes_of(name).document) == (query, document)


def test_a_model_that_does_not_embed_is_refused(ollama: OllamaServer) -> None:
    for do in (lambda model: model.check(), lambda model: model.dimensions):
        with pytest.raises(ModelUnsuitable, match="Installed embedding models: tinyembed"):
            do(embedding_at(ollama, "tinytext"))
    with pytest.raises(ModelNotInstalled, match="did you mean tinyembed"):
        embedding_at(ollama, "tinyembedd").check()
    with pytest.raises(ModelUnsuitable, match="only embeds"):
        model_at(ollama, "tinyembed").check()
    assert inputs(ollama) == []
    with pytest.raises(ModelUnreachable, match="ollama serve"):
        OllamaEmbedding("x", settings=Settings(ollama=Ollama(host="127.0.0.1:1", retries=0))).get_query_embedding("q")


@pytest.mark.parametrize("fault", [Fault.EMBED_EMPTY, Fault.EMBED_TOO_FEW])
def test_a_wrong_count_is_asked_for_once_more_and_then_refused(ollama: OllamaServer, fault: Fault) -> None:
    model = embedding_at(ollama)
    ollama.fail(fault)
    assert len(model.get_text_embedding_batch(["a", "b"])) == 2
    ollama.fail(fault, times=9)
    with pytest.raises(UnusableReply, match="for 2 texts"):
        model.get_text_embedding_batch(["a", "b"])


@pytest.mark.parametrize(
    "rows",
    [
        [[1.0, float("nan")]],
        [[1.0, float("inf")]],
        [[1.0, None]],
        [[0.0, 0.0]],
        [[]],
        [[1.0], [1.0]],
        [["1.0"]],
        {"0": [1.0]},
        None,
    ],
)
def test_what_is_no_vector_is_refused(rows: Any) -> None:
    with pytest.raises(BrokenReply):
        unit_vectors(rows, 1, "m")


def test_a_model_of_another_width_is_noticed(ollama: OllamaServer) -> None:
    model = embedding_at(ollama)
    model.get_text_embedding("a")
    next(one for one in ollama.models if one.name == "tinyembed").embedding_length = 32
    with pytest.raises(UnusableReply, match="32 numbers after 64"):
        model.get_text_embedding("b")


def test_it_is_a_step_of_a_llama_index_pipeline(ollama: OllamaServer) -> None:
    nodes = embedding_at(ollama)([TextNode(text="a fox"), TextNode(text="a hen")])
    assert all(node.embedding and len(node.embedding) == 64 for node in nodes)
