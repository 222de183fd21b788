"""The builtin text embedding against an encoder written from the model's definition."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest

from adapters.builtin import weights
from adapters.builtin.minilm import MAX_TOKENS, MiniLMEmbedding
from rag_app.errors import WeightsMissing

TEXTS = ["a photo of a cat", "contrastive learning of images and captions", "x", "long " * 400, "فارسی"]


@pytest.fixture(scope="module")
def embedding() -> MiniLMEmbedding:
    return MiniLMEmbedding(threads=1)


def test_vectors_have_length_one_and_do_not_depend_on_their_neighbours(embedding: MiniLMEmbedding) -> None:
    together = embedding.embed(TEXTS)
    assert together.shape == (len(TEXTS), 384)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    alone = np.vstack([embedding.embed([text]) for text in TEXTS])
    assert np.abs(together - alone).max() < 1e-5


def test_meaning_is_near(embedding: MiniLMEmbedding) -> None:
    cat, feline, tax = embedding.embed(["a cat sleeps", "a kitten is napping", "the tax law of 1994"])
    assert cat @ feline > 0.5 > cat @ tax + 0.2


def test_no_text_gives_no_rows(embedding: MiniLMEmbedding) -> None:
    assert embedding.embed([]).shape == (0, 384)


def test_long_text_is_cut_where_the_model_was_trained_to_see(embedding: MiniLMEmbedding) -> None:
    assert embedding.count_tokens("long " * 400) == MAX_TOKENS


def test_it_is_a_llama_index_embedding_and_can_be_pickled(embedding: MiniLMEmbedding) -> None:
    vector = embedding.get_text_embedding("a photo of a cat")
    again = pickle.loads(pickle.dumps(embedding))
    assert np.allclose(again.get_query_embedding("a photo of a cat"), vector, atol=1e-6)


def test_missing_weights_name_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("RAG_APP_MODELS", str(tmp_path))
    with pytest.raises(WeightsMissing, match="rag-app models pull builtin"):
        MiniLMEmbedding().get_query_embedding("hello")


def test_the_graph_computes_what_the_model_is_defined_as(embedding: MiniLMEmbedding) -> None:
    """A second implementation, in plain numpy, from the weights inside the ONNX file."""
    reference = _Reference()
    ids = embedding._tokenizer.encode("a photo of a cat, and of two dogs").ids
    assert np.allclose(reference.encode(ids), embedding.embed(["a photo of a cat, and of two dogs"])[0], atol=1e-5)


class _Reference:
    """BERT of 6 layers, 12 heads; its arrays in the order minilm_graph.write_graph puts them in the file."""

    def __init__(self) -> None:
        import onnx
        from onnx import numpy_helper

        model = onnx.load(str(weights.find_weights() / weights.GRAPH))
        self.arrays = iter([a for t in model.graph.initializer if (a := numpy_helper.to_array(t)).dtype == np.float32])

    def encode(self, ids: list[int]) -> np.ndarray:
        take = self.arrays.__next__
        words, positions = take(), take()
        x = _norm(words[ids] + positions[: len(ids)], take(), take())
        for _ in range(6):
            qkv_w, qkv_b = take(), take()
            q, k, v = (x @ qkv_w + qkv_b).reshape(len(ids), 3, 12, 32).transpose(1, 2, 0, 3)
            scores = q @ k.transpose(0, 2, 1) / math.sqrt(32)
            scores = np.exp(scores - scores.max(-1, keepdims=True))
            scores /= scores.sum(-1, keepdims=True)
            attended = (scores @ v).transpose(1, 0, 2).reshape(len(ids), 384)
            x = _norm(attended @ take() + take() + x, take(), take())
            wide = x @ take() + take()
            wide = wide * 0.5 * (1 + np.vectorize(math.erf)(wide / math.sqrt(2)))
            x = _norm(wide @ take() + take() + x, take(), take())
        mean = x.mean(0)
        return mean / np.linalg.norm(mean)


def _norm(x: np.ndarray, scale: np.ndarray, bias: np.ndarray) -> np.ndarray:
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12) * scale + bias
