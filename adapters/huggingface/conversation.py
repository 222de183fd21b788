"""What LlamaIndex and rag_app say and hear, as turns of a conversation with a model of transformers, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    ImageBlock,
    MessageRole,
    TextBlock,
)

from adapters.ollama.blocks import Picture, picture_bytes
from rag_app.errors import UsageError
from rag_app.models import Reply

if TYPE_CHECKING:
    from adapters.huggingface.prompting import Message

_ROLES = {
    MessageRole.SYSTEM: "system",
    MessageRole.DEVELOPER: "system",
    MessageRole.USER: "user",
    MessageRole.ASSISTANT: "assistant",
    MessageRole.CHATBOT: "assistant",
    MessageRole.MODEL: "assistant",
}


def turns(system: str, prompt: str, images: Sequence[bytes]) -> list[Message]:
    """One question with its pictures. Raises UsageError for a picture that is no bytes, InputError for a bad one."""
    from adapters.huggingface.prompting import Message, picture

    for image in images:
        if not isinstance(image, (bytes, bytearray, memoryview)):
            raise UsageError(
                f"A picture is given as {type(image).__name__}; give its bytes, never a path or an address."
            )
    said = Message("user", prompt, tuple(picture(bytes(image)) for image in images))
    return [Message("system", system), said] if system else [said]


def conversation(messages: Sequence[ChatMessage]) -> list[Message]:
    """LlamaIndex messages. Raises UsageError for a role or a block that these models do not take."""
    from adapters.huggingface.prompting import Message, picture

    said = []
    for message in messages:
        if message.role not in _ROLES:
            raise UsageError(f"Models of transformers take no {message.role.value} message; send text and pictures.")
        texts, images = [], []
        for block in message.blocks:
            if isinstance(block, TextBlock):
                texts.append(block.text)
            elif isinstance(block, ImageBlock):
                images.append(picture(picture_bytes(block)))
            else:
                raise UsageError(f"Models of transformers take no {type(block).__name__} here; send text and pictures.")
        said.append(Message(_ROLES[message.role], "".join(texts), tuple(images)))
    return said


def groups(prompts: Sequence[tuple[str, Sequence[bytes]]], batch: int) -> list[list[int]]:
    """Places of the prompts, those with as many pictures together, at most `batch` in a group."""
    by_count: dict[int, list[int]] = {}
    for place, (_, images) in enumerate(prompts):
        by_count.setdefault(len(images), []).append(place)
    return [places[at : at + batch] for places in by_count.values() for at in range(0, len(places), batch)]


def one_turn(prompt: str, pictures: Sequence[Picture]) -> list[ChatMessage]:
    """A prompt and its pictures as a message of LlamaIndex."""
    images = [ImageBlock(image=picture_bytes(picture)) for picture in pictures]
    return [ChatMessage(role="user", blocks=[TextBlock(text=prompt), *images])]


def response(reply: Reply) -> ChatResponse:
    """The reply as LlamaIndex hands it on, with its counts of tokens."""
    usage = {"prompt_tokens": reply.prompt_tokens, "completion_tokens": reply.reply_tokens}
    return ChatResponse(message=ChatMessage(role=MessageRole.ASSISTANT, content=reply.text), raw={"usage": usage})


def completion(said: ChatResponse) -> CompletionResponse:
    """What was chatted as what was completed."""
    return CompletionResponse(text=said.message.content or "", delta=said.delta, raw=said.raw)
