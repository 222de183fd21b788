"""The builtin text embedding: all-MiniLM-L6-v2 on ONNX Runtime, as a LlamaIndex BaseEmbedding."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import numpy as np
import onnxruntime
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import PrivateAttr
from tokenizers import Tokenizer

from adapters.builtin import weights
from adapters.names import ModelName
from rag_app.errors import UnknownName
from rag_app.settings import Settings

DIM = 384
MAX_TOKENS = 256  # what the model was trained with; longer text is cut, so chunking stays below it
# Padded tokens in one forward pass. Measured CPU ms per 97 tokens: 18 at 256, 19 at 512, 23 at 1024, 33 at 4096.
_BATCH_TOKENS = 256


class MiniLMEmbedding(BaseEmbedding):
    """all-MiniLM-L6-v2 sentence embeddings, L2-normalised, 384 dimensions, English.

    Making the object is cheap; the weights load at first use (0.2 s). `threads` is ONNX Runtime's pool; 0 means one per
    core. Raises WeightsMissing at first use where the weights were not fetched.
    """

    threads: int = 0
    dimensions: int = DIM
    languages: frozenset[str] = frozenset({"en"})
    _loaded_tokenizer: Tokenizer | None = PrivateAttr(default=None)
    _loaded_session: onnxruntime.InferenceSession | None = PrivateAttr(default=None)

    def __init__(self, *, threads: int = 0) -> None:
        # embed() makes its own batches by tokens, so LlamaIndex need not cut the list small.
        super().__init__(model_name="builtin-minilm", embed_batch_size=2048, threads=threads)  # pyright: ignore[reportCallIssue]  # pydantic field

    @classmethod
    def class_name(cls) -> str:
        return "MiniLMEmbedding"

    @property
    def _tokenizer(self) -> Tokenizer:
        if self._loaded_tokenizer is None:
            tokenizer = Tokenizer.from_file(str(weights.find_weights() / weights.TOKENIZER))
            tokenizer.enable_truncation(MAX_TOKENS)
            tokenizer.no_padding()
            self._loaded_tokenizer = tokenizer
        return self._loaded_tokenizer

    @property
    def _session(self) -> onnxruntime.InferenceSession:
        if self._loaded_session is None:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = self.threads or os.cpu_count() or 1
            # Spinning threads starve a busy machine: 20 times slower when another process holds a core.
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
            path = weights.find_weights() / weights.GRAPH
            self._loaded_session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return self._loaded_session

    def embed(self, texts: list[str]) -> np.ndarray:
        """Embeddings of `texts`, float32 (n_texts, 384), each row of length 1; an empty list gives shape (0, 384)."""
        encoded = self._tokenizer.encode_batch(texts)
        order = sorted(range(len(texts)), key=lambda i: len(encoded[i].ids))
        result = np.empty((len(texts), DIM), dtype=np.float32)
        start = 0
        while start < len(order):
            stop = start + 1
            while stop < len(order) and len(encoded[order[stop]].ids) * (stop + 1 - start) <= _BATCH_TOKENS:
                stop += 1
            batch = order[start:stop]
            result[batch] = self._forward([encoded[i].ids for i in batch])
            start = stop
        return result

    def count_tokens(self, text: str) -> int:
        """Word pieces in `text` as the model sees it, at most MAX_TOKENS, special tokens included."""
        return len(self._tokenizer.encode(text).ids)

    def _forward(self, rows: list[list[int]]) -> np.ndarray:
        width = max(len(row) for row in rows)
        ids = np.zeros((len(rows), width), dtype=np.int64)
        mask = np.zeros((len(rows), width), dtype=np.int32)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
            mask[i, : len(row)] = 1
        return np.asarray(self._session.run(["embedding"], {"input_ids": ids, "attention_mask": mask})[0])

    def _get_query_embedding(self, query: str) -> list[float]:
        return self.embed([query])[0].tolist()

    def _get_text_embedding(self, text: str) -> list[float]:
        return self.embed([text])[0].tolist()

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self.embed(texts).tolist()

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)

    def __getstate__(self) -> dict[str, Any]:  # Any: pydantic's own state
        # A session cannot be pickled; it opens again at next use.
        self._loaded_session = self._loaded_tokenizer = None
        return super().__getstate__()


def load(name: ModelName, settings: Settings) -> MiniLMEmbedding:
    """The text embedding for the name `builtin`."""
    if name.rest or name.adapter:
        raise UnknownName(f"{name} is not known; the builtin text embedding is called builtin.")
    return shared()


@cache
def shared() -> MiniLMEmbedding:
    """One embedding for the process: search and the builtin answerer need not load the weights twice."""
    return MiniLMEmbedding()
