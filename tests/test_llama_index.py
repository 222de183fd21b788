"""Our parts in LlamaIndex's own machinery, and its parts over ours: synchronous, asynchronous, streaming."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from llama_index.core import VectorStoreIndex, get_response_synthesizer
from llama_index.core.base.response.schema import AsyncStreamingResponse, Response, StreamingResponse
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.llms import MockLLM
from llama_index.core.postprocessor import SimilarityPostprocessor
from llama_index.core.query_engine import RetrieverQueryEngine, RouterQueryEngine
from llama_index.core.response_synthesizers import ResponseMode
from llama_index.core.retrievers import QueryFusionRetriever, RouterRetriever
from llama_index.core.schema import BaseNode
from llama_index.core.selectors import LLMSingleSelector
from llama_index.core.tools import QueryEngineTool, RetrieverTool

from adapters.builtin.minilm import load as load_minilm
from adapters.names import ModelName
from adapters.ollama.embedding import load as load_embedding
from ingestion.describe.transformation import ElementDescriber
from ingestion.keys import DESCRIPTION, KIND
from rag_app import Library
from rag_app.errors import ModelError
from rag_app.settings import Settings as OurSettings
from rag_app.store import Store
from rag_app.vectors.vector_store import StoreVectorStore
from tests.llama_index_parts import QUESTION, SAID, chosen, nothing_global  # noqa: F401  # a fixture
from tests.ollama_models import at, model_at, ollama  # noqa: F401  # a fixture
from tests.ollama_server import Fault, OllamaServer

pytestmark = pytest.mark.usefixtures("nothing_global")


@pytest.fixture
def library(sample_library: Path) -> Iterator[Library]:
    with Library.open(sample_library, read_only=True) as opened:
        yield opened


def replying(server: OllamaServer, number: int = 1) -> None:
    for model in server.models:
        model.replies = chosen(number)


# --- our retriever in their engines ----------------------------------------------------------------------------------
def test_our_retriever_in_their_engine(library: Library) -> None:
    engine = RetrieverQueryEngine.from_args(library.as_retriever(k=3), llm=MockLLM())
    response = engine.query(QUESTION)
    assert isinstance(response, Response)
    assert "0.07" in (response.response or "")  # MockLLM says its prompt again: our nodes stand in it
    assert len(response.source_nodes) == 3
    assert {"page", "document"} <= {key.replace("file_name", "document") for key in response.source_nodes[0].metadata}


def test_our_retriever_in_their_engine_without_blocking(library: Library) -> None:
    engine = RetrieverQueryEngine.from_args(library.as_retriever(k=3), llm=MockLLM())
    response = asyncio.run(engine.aquery(QUESTION))
    assert isinstance(response, Response)
    assert "0.07" in (response.response or "")


def test_their_engine_streams_over_our_retriever_and_model(library: Library, ollama: OllamaServer) -> None:  # noqa: F811
    replying(ollama)
    engine = RetrieverQueryEngine.from_args(
        library.as_retriever(k=3), llm=model_at(ollama, "tinytext", context_tokens=8192), streaming=True
    )
    response = engine.query(QUESTION)
    assert isinstance(response, StreamingResponse)
    pieces = list(response.response_gen)
    assert len(pieces) > 1 and "".join(pieces) == SAID

    async def streamed() -> str:
        answering = await engine.aquery(QUESTION)
        assert isinstance(answering, AsyncStreamingResponse)
        return "".join([piece async for piece in answering.response_gen])

    assert asyncio.run(streamed()) == SAID


def test_their_postprocessor_over_our_scores(library: Library) -> None:
    retriever = library.as_retriever(k=8)
    scores = sorted((node.score or 0.0 for node in retriever.retrieve(QUESTION)), reverse=True)
    engine = RetrieverQueryEngine.from_args(
        retriever, llm=MockLLM(), node_postprocessors=[SimilarityPostprocessor(similarity_cutoff=scores[2])]
    )
    assert len(engine.query(QUESTION).source_nodes) == 3


def test_our_retrievers_fused_by_theirs(library: Library) -> None:
    fused = QueryFusionRetriever(
        [library.as_retriever(k=4, kinds=["table"]), library.as_retriever(k=4, kinds=["text"])],
        llm=MockLLM(), num_queries=1, similarity_top_k=4, use_async=False,
    )  # fmt: skip
    assert {node.metadata[KIND] for node in fused.retrieve("What does Table 1 compare?")} == {"table", "text"}
    waited = QueryFusionRetriever(
        [library.as_retriever(k=4)], llm=MockLLM(), num_queries=1, similarity_top_k=2, use_async=True
    )
    assert len(asyncio.run(waited.aretrieve(QUESTION))) == 2


# --- choosing among ours ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("number", "kind"), [(1, "table"), (2, "formula")])
def test_their_router_chooses_among_our_retrievers(
    library: Library,
    ollama: OllamaServer,  # noqa: F811
    number: int,
    kind: str,
) -> None:
    replying(ollama, number)
    router = RouterRetriever(
        selector=LLMSingleSelector.from_defaults(llm=model_at(ollama, "tinytext")),
        retriever_tools=[
            RetrieverTool.from_defaults(library.as_retriever(k=2, kinds=[kind]), description=f"Finds each {kind}.")
            for kind in ("table", "formula")
        ],
        llm=MockLLM(),
    )
    assert {node.metadata[KIND] for node in router.retrieve("loss")} == {kind}


def routing(library: Library, server: OllamaServer) -> RouterQueryEngine:
    ours = QueryEngineTool.from_defaults(library.as_query_engine(), name="papers", description="Cited answers.")
    theirs = QueryEngineTool.from_defaults(
        RetrieverQueryEngine.from_args(library.as_retriever(k=2), llm=MockLLM()), name="raw", description="Raw text."
    )
    model = model_at(server, "tinytext")
    return RouterQueryEngine(
        selector=LLMSingleSelector.from_defaults(llm=model),
        query_engine_tools=[ours, theirs],
        llm=model,
        summarizer=get_response_synthesizer(llm=model, response_mode=ResponseMode.TREE_SUMMARIZE),  # pyright: ignore[reportArgumentType]  # it is one
    )


@pytest.mark.parametrize("number", [1, 2])
def test_their_router_chooses_our_engine(library: Library, ollama: OllamaServer, number: int) -> None:  # noqa: F811
    replying(ollama, number)
    router = routing(library, ollama)
    for response in (router.query(QUESTION), asyncio.run(router.aquery(QUESTION))):
        assert response.metadata is not None
        assert ("answer" in response.metadata) == (number == 1)  # ours brings its Answer along
        assert "0.07" in str(response)
        assert response.source_nodes


def test_our_engine_as_their_tool(library: Library) -> None:
    tool = QueryEngineTool.from_defaults(library.as_query_engine(), name="papers", description="Cited answers.")
    for output in (tool(QUESTION), tool.call(QUESTION), asyncio.run(tool.acall(QUESTION))):
        assert "0.07" in output.content and "[1]" in output.content
        answer = output.raw_output.metadata["answer"]
        assert answer["citations"][0]["page"] >= 1


# --- their synthesizers over our nodes -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "mode",
    [
        ResponseMode.COMPACT,
        ResponseMode.REFINE,
        ResponseMode.TREE_SUMMARIZE,
        ResponseMode.SIMPLE_SUMMARIZE,
        ResponseMode.ACCUMULATE,
        ResponseMode.COMPACT_ACCUMULATE,
    ],
)
def test_their_synthesizers_over_our_nodes(library: Library, ollama: OllamaServer, mode: ResponseMode) -> None:  # noqa: F811
    replying(ollama)
    nodes = library.as_retriever(k=3).retrieve(QUESTION)
    synthesizer = get_response_synthesizer(llm=model_at(ollama, "tinytext"), response_mode=mode)
    for response in (synthesizer.synthesize(QUESTION, nodes), asyncio.run(synthesizer.asynthesize(QUESTION, nodes))):
        assert SAID in str(response)
        assert [node.node_id for node in response.source_nodes] == [node.node_id for node in nodes]
    prompts = "".join(
        request.body["messages"][-1]["content"] for request in ollama.requests if "messages" in request.body
    )
    assert "0.07" in prompts


def test_a_failing_model_reaches_the_caller_as_ours(library: Library, ollama: OllamaServer) -> None:  # noqa: F811
    ollama.fail(Fault.RUNNER_KILLED, times=1)
    engine = RetrieverQueryEngine.from_args(library.as_retriever(k=2), llm=model_at(ollama, "tinytext", retries=0))
    with pytest.raises(ModelError, match="tinytext"):
        engine.query(QUESTION)


# --- our embeddings and store in their index -------------------------------------------------------------------------
def test_an_index_over_the_library_with_our_embedding(library: Library, sample_library: Path) -> None:
    embedding = load_minilm(ModelName("builtin"), OurSettings())
    (space,) = [info.name for info in library.status().spaces if info.name.startswith("text:")]
    with Store.open(sample_library, read_only=True) as store:
        index = VectorStoreIndex.from_vector_store(StoreVectorStore(store, space=space), embed_model=embedding)
        found = index.as_retriever(similarity_top_k=5).retrieve(QUESTION)
        assert len(found) == 5 and any("0.07" in node.get_content() for node in found)
        waited = asyncio.run(index.as_retriever(similarity_top_k=5).aretrieve(QUESTION))
        assert [node.node_id for node in waited] == [node.node_id for node in found]
        assert "0.07" in str(index.as_query_engine(llm=MockLLM(), similarity_top_k=5).query(QUESTION))


def test_a_new_index_by_ollama_embeddings(tmp_path: Path, library: Library, ollama: OllamaServer) -> None:  # noqa: F811
    embedding = load_embedding(ModelName("ollama", "tinyembed"), at(ollama))
    nodes = [found.node for found in library.as_retriever(k=6).retrieve(QUESTION)]
    with Store.open(tmp_path / "library") as store:
        vectors = StoreVectorStore(store, space=f"text:{embedding.model_name}:{embedding.dimensions}")
        pipeline = IngestionPipeline(transformations=[embedding], vector_store=vectors)
        pipeline.run(nodes=nodes)
        index = VectorStoreIndex.from_vector_store(vectors, embed_model=embedding)
        (best,) = index.as_retriever(similarity_top_k=1).retrieve(
            nodes[0].get_content(metadata_mode=_embedded(nodes[0]))
        )
        assert best.node_id == nodes[0].node_id


def _embedded(node: BaseNode):  # the text that a pipeline embeds
    from llama_index.core.schema import MetadataMode

    return MetadataMode.EMBED


# --- describing in their pipeline ------------------------------------------------------------------------------------
def test_a_describer_in_their_pipeline(library: Library, sample_library: Path, ollama: OllamaServer) -> None:  # noqa: F811
    figures = [found.node for found in library.as_retriever(k=2, kinds=["figure"]).retrieve("Figure 1")]
    assert figures
    describer = ElementDescriber(model=model_at(ollama, "tinyvlm"), crops=sample_library / "crops")
    described = IngestionPipeline(transformations=[describer]).run(nodes=figures)
    assert [node.metadata[DESCRIPTION]["model"] for node in described] == ["ollama:tinyvlm"] * len(figures)
    asked = [request for request in ollama.requests if request.images]
    assert len(asked) >= len(figures)
    ollama.clear()
    pipeline = IngestionPipeline(transformations=[describer])
    again = asyncio.run(pipeline.arun(nodes=described))
    assert len(again) == len(figures) and not [request for request in ollama.requests if request.images]
