"""LlamaIndex nodes to JSON and back (never pickle). The text and metadata have columns of their own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llama_index.core.schema import BaseNode


def encode_extras(node: BaseNode) -> str:
    """What a node has beyond id, text, metadata and vector, where it differs from the default, as JSON.

    Raises TypeError for a node class the library cannot give back.
    """
    _class_of(node.class_name())
    extras = node.model_dump(
        mode="json", exclude_defaults=True, exclude={"id_", "embedding", "text_embedding", "text", "metadata"}
    )
    return json.dumps({**extras, "class_name": node.class_name()}, ensure_ascii=False)


def decode_node(node_id: str, text: str, metadata: dict[str, Any], extras: str) -> BaseNode:  # Any: JSON
    """The node that `encode_extras` saw, without its vector."""
    fields = json.loads(extras)
    return _class_of(fields.pop("class_name"))(id_=node_id, text=text, metadata=metadata, **fields)


def _class_of(name: str) -> type[Any]:  # Any: the node classes share no constructor signature
    from llama_index.core.schema import ImageNode, IndexNode, TextNode

    classes = {"TextNode": TextNode, "ImageNode": ImageNode, "IndexNode": IndexNode}
    if name not in classes:
        raise TypeError(f"A {name} cannot be stored; use one of {', '.join(classes)}.")
    return classes[name]
