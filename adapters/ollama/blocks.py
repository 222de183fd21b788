"""LlamaIndex messages and pictures as ours. Nothing is fetched from an address; a bare string is never a path."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.schema import ImageDocument, ImageNode, NodeWithScore

from adapters.ollama.pictures import normalised
from adapters.ollama.talk import Message
from rag_app.errors import CorruptPicture, InputError, UsageError

_ROLES = {
    MessageRole.DEVELOPER: "system",
    MessageRole.CHATBOT: "assistant",
    MessageRole.MODEL: "assistant",
    MessageRole.FUNCTION: "tool",
}

Picture = ImageBlock | ImageNode | ImageDocument | NodeWithScore | bytes


def from_chat(messages: Sequence[ChatMessage]) -> tuple[Message, ...]:
    """LlamaIndex messages, their pictures normalised.

    Raises UsageError for blocks that Ollama does not take (sound, documents, addresses) and InputError for pictures
    that cannot be read.
    """
    return tuple(_from_message(message) for message in messages)


def _from_message(message: ChatMessage) -> Message:
    texts: list[str] = []
    images: list[bytes] = []
    extra: dict[str, Any] = {}  # Any: JSON
    for block in message.blocks:
        if isinstance(block, TextBlock):
            texts.append(block.text)
        elif isinstance(block, ImageBlock):
            images.append(normalised(picture_bytes(block)))
        elif isinstance(block, ThinkingBlock):
            extra["thinking"] = extra.get("thinking", "") + (block.content or "")
        elif isinstance(block, ToolCallBlock):
            extra.setdefault("tool_calls", []).append(
                {"function": {"name": block.tool_name, "arguments": block.tool_kwargs}}
            )
        else:
            raise UsageError(f"Ollama does not take a {type(block).__name__}; send text and pictures.")
    if calls := message.additional_kwargs.get("tool_calls"):
        extra["tool_calls"] = [call if isinstance(call, dict) else call.model_dump() for call in calls]
    role = _ROLES.get(message.role, message.role.value)
    if role == "tool" and (name := message.additional_kwargs.get("name")):
        extra["tool_name"] = name
    return Message(role, "".join(texts), tuple(images), extra)


def picture_bytes(picture: Picture) -> bytes:
    """The encoded picture that a LlamaIndex block, node or document holds, or whose file its own path field names.

    Raises:
        UsageError: it is an address, a bare string, or holds no picture.
        InputError: its file cannot be read.
    """
    if isinstance(picture, NodeWithScore):
        picture = picture.node  # pyright: ignore[reportAssignmentType]  # another node is refused below
    if isinstance(picture, bytes):
        return picture
    if isinstance(picture, ImageBlock):
        return _bytes_of(picture.image, picture.path, picture.url)
    if isinstance(picture, (ImageNode, ImageDocument)):
        return _bytes_of(picture.image, picture.image_path, picture.image_url)
    raise UsageError(
        f"A {type(picture).__name__} is no picture; give bytes, an ImageBlock, an ImageNode or an ImageDocument."
    )


def _bytes_of(image: object, path: object, url: object) -> bytes:
    if isinstance(image, io.IOBase):
        image.seek(0)
        return image.read()
    if isinstance(image, bytes) and image:
        image = image.decode("ascii", "replace")
    if isinstance(image, str) and image:
        return _decoded(image.partition(",")[2] if image.startswith("data:") else image)
    if url and str(url).startswith("data:"):
        return _decoded(str(url).partition(",")[2])
    if url:
        raise UsageError(f"The picture {str(url)[:100]} is not fetched; load it and give its bytes.")
    if path:
        try:
            return Path(str(path)).read_bytes()
        except OSError as exc:
            raise InputError(f"The picture {path} cannot be read ({exc.strerror}); check its path.") from exc
    raise UsageError("An image block without a picture was given; fill its image.")


def _decoded(image: str) -> bytes:
    try:
        return base64.b64decode("".join(image.split()), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise CorruptPicture(f"The picture is not base64 ({exc}); give its bytes.") from exc
