"""all-MiniLM-L6-v2 as an ONNX graph, built from its safetensors file without torch.

BERT (Devlin et al. 2019) with 6 layers of 12 heads, then mean pooling over the attended tokens and L2 normalisation
(Reimers & Gurevych 2019). ONNX Runtime's fused operators are written directly, so no graph search runs at load.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LAYERS, HEADS, DIM = 6, 12, 384
_EPSILON = 1e-12


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """Arrays by name from a safetensors file (https://huggingface.co/docs/safetensors); float32 and int64 only."""
    raw = path.read_bytes()
    (header_size,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + header_size])
    types = {"F32": np.float32, "I64": np.int64}
    arrays = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = (8 + header_size + offset for offset in entry["data_offsets"])
            arrays[name] = np.frombuffer(raw[begin:end], dtype=types[entry["dtype"]]).reshape(entry["shape"])
    return arrays


def write_graph(safetensors: Path, target: Path) -> None:
    """Write the ONNX file: input_ids int64, attention_mask int32 (batch, tokens) -> embedding (batch, 384)."""
    weights = {name.removeprefix("bert."): array for name, array in read_safetensors(safetensors).items()}
    graph = _Graph(weights)
    embeddings = "embeddings."
    positions = (
        weights[embeddings + "position_embeddings.weight"] + weights[embeddings + "token_type_embeddings.weight"][0]
    )
    words = graph.node("Gather", [graph.weight(embeddings + "word_embeddings.weight"), "input_ids"])
    length = graph.node("Shape", ["input_ids"], start=1, end=2)
    zero = graph.constant(np.array([0], dtype=np.int64))
    places = graph.node("Slice", [graph.constant(positions), zero, length, zero])
    hidden = graph.layer_norm(graph.node("Add", [words, places]), embeddings + "LayerNorm")
    for layer in range(LAYERS):
        hidden = graph.encoder_layer(hidden, f"encoder.layer.{layer}.")
    graph.pooled(hidden)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "all-MiniLM-L6-v2",
            [
                helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "tokens"]),
                helper.make_tensor_value_info("attention_mask", TensorProto.INT32, ["batch", "tokens"]),
            ],
            [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", DIM])],
            graph.initializers,
        ),
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)],
        ir_version=8,
    )
    onnx.save(model, str(target))


class _Graph:
    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def constant(self, array: np.ndarray) -> str:
        name = f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def weight(self, name: str) -> str:
        return self.constant(self.weights[name])

    def node(
        self, operator: str, inputs: list[str], *, domain: str = "", output: str = "", **attributes: Any
    ) -> str:  # Any: ONNX attributes are ints, floats, strings or lists
        output = output or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], domain=domain, **attributes))
        return output

    def layer_norm(self, value: str, prefix: str) -> str:
        scale, bias = self.weight(prefix + ".weight"), self.weight(prefix + ".bias")
        return self.node("LayerNormalization", [value, scale, bias], epsilon=_EPSILON)

    def linear(self, value: str, prefix: str) -> str:
        product = self.node("MatMul", [value, self.constant(self.weights[prefix + ".weight"].T)])
        return self.node("Add", [product, self.weight(prefix + ".bias")])

    def encoder_layer(self, hidden: str, prefix: str) -> str:
        attention = prefix + "attention."
        qkv = [self.weights[f"{attention}self.{part}.weight"].T for part in ("query", "key", "value")]
        qkv_bias = [self.weights[f"{attention}self.{part}.bias"] for part in ("query", "key", "value")]
        attended = self.node(
            "Attention",
            [
                hidden,
                self.constant(np.concatenate(qkv, axis=1)),
                self.constant(np.concatenate(qkv_bias)),
                "attention_mask",
            ],
            domain="com.microsoft",
            num_heads=HEADS,
        )
        output = self.node("Add", [self.linear(attended, attention + "output.dense"), hidden])
        hidden = self.layer_norm(output, attention + "output.LayerNorm")
        product = self.node("MatMul", [hidden, self.constant(self.weights[prefix + "intermediate.dense.weight"].T)])
        widened = self.node(
            "BiasGelu", [product, self.weight(prefix + "intermediate.dense.bias")], domain="com.microsoft"
        )
        output = self.node("Add", [self.linear(widened, prefix + "output.dense"), hidden])
        return self.layer_norm(output, prefix + "output.LayerNorm")

    def pooled(self, hidden: str) -> str:
        """Mean over attended tokens, then L2 normalisation."""
        mask = self.node("Cast", ["attention_mask"], to=TensorProto.FLOAT)
        column = self.node("Unsqueeze", [mask, self.constant(np.array([2], dtype=np.int64))])
        kept = self.node("Mul", [hidden, column])
        tokens_axis = self.constant(np.array([1], dtype=np.int64))
        total = self.node("ReduceSum", [kept, tokens_axis], keepdims=0)
        count = self.node("ReduceSum", [mask, tokens_axis], keepdims=1)
        mean = self.node("Div", [total, count])
        return self.node("LpNormalization", [mean], output="embedding", axis=1, p=2)
