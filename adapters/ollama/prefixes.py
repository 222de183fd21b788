"""What embedding models were trained to see before a query and before a document. Without it they find worse.

Each entry cites its model card. Models not listed (bge-m3, all-minilm, granite-embedding, paraphrase-multilingual)
take text as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

_BGE = "Represent this sentence for searching relevant passages: "


@dataclass(frozen=True, slots=True)
class Prefixes:
    query: str = ""
    document: str = ""


# Part of a model's name -> its prefixes; the first that is found counts.
_KNOWN: tuple[tuple[str, Prefixes], ...] = (
    # https://huggingface.co/nomic-ai/nomic-embed-text-v1.5, .../nomic-embed-text-v2-moe
    ("nomic-embed-text", Prefixes("search_query: ", "search_document: ")),
    # https://huggingface.co/intfloat/e5-mistral-7b-instruct, .../multilingual-e5-large-instruct
    (
        "e5-mistral",
        Prefixes("Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: "),
    ),
    (
        "e5-large-instruct",
        Prefixes("Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: "),
    ),
    # https://huggingface.co/intfloat/multilingual-e5-large
    ("e5-", Prefixes("query: ", "passage: ")),
    # https://huggingface.co/mixedbread-ai/mxbai-embed-large-v1
    ("mxbai-embed", Prefixes(_BGE)),
    # https://huggingface.co/Snowflake/snowflake-arctic-embed-l-v2.0 and, before it, snowflake-arctic-embed-l
    ("snowflake-arctic-embed2", Prefixes("query: ")),
    ("snowflake-arctic-embed", Prefixes(_BGE)),
    # https://huggingface.co/BAAI/bge-large-en-v1.5
    ("bge-large", Prefixes(_BGE)),
    ("bge-base", Prefixes(_BGE)),
    ("bge-small", Prefixes(_BGE)),
    # https://huggingface.co/Qwen/Qwen3-Embedding-0.6B
    (
        "qwen3-embedding",
        Prefixes("Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"),
    ),
    # https://huggingface.co/google/embeddinggemma-300m
    ("embeddinggemma", Prefixes("task: search result | query: ", "title: none | text: ")),
)


def prefixes_of(name: str) -> Prefixes:
    """The prefixes of the model of that name, wherever its weights were taken from."""
    return next((prefixes for part, prefixes in _KNOWN if part in name), Prefixes())
