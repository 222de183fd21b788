"""What our Ollama models do against a server: ours always, and a real one where OLLAMA_TEST_HOST names it.

A real server may have models of random weights, which rarely end a reply by themselves. So what needs a whole reply
asks with a schema, which bounds it; what is said is never looked at.
"""

from __future__ import annotations

import asyncio
import json
import math
import threading
from collections.abc import Callable
from typing import Any, Literal

import pytest
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, TextBlock
from llama_index.core.schema import ImageDocument
from pydantic import BaseModel, ConfigDict, Field

from adapters.names import load_model, parse_model_name
from adapters.ollama import catalogue
from rag_app.errors import (
    CorruptPicture,
    IncompleteReply,
    ModelNotInstalled,
    ModelUnreachable,
    ModelUnsuitable,
    PromptTooLong,
)
from rag_app.models import LanguageModel, ask_as
from rag_app.settings import Ollama, Settings
from tests.contract.conftest import Target
from tests.contract.pictures import picture

Kind = Literal["bar", "line", "pie"]


class Seen(BaseModel):
    """Short, and bounded by its grammar; no free text, in which random weights may write half a character."""

    model_config = ConfigDict(extra="forbid")
    kind: Kind
    parts: list[Kind] = Field(min_length=1, max_length=3)
    sure: bool


def vision(server: Target) -> Any:  # Any: a LanguageModel that is also a LlamaIndex LLM
    return load_model("vision", parse_model_name(f"ollama:{server.vision}"), server.settings)


def text(server: Target) -> Any:  # Any: as above
    return load_model("answer", parse_model_name(f"ollama:{server.text}"), server.settings)


def words(model: LanguageModel, image: bytes | None, **more: Any) -> str:
    """What the model says in twelve tokens, whether or not it gets to an end."""
    said: list[str] = []
    try:
        model.ask("What is this?", images=[image] if image else [], max_tokens=12, on_text=said.append, **more)
    except IncompleteReply:
        assert said, "cut, so it had begun"
    return "".join(said)


def loaded_context(server: Target, name: str) -> int:
    full = name if ":" in name else f"{name}:latest"
    return {model["name"]: model for model in server.http.get("/api/ps").json()["models"]}[full]["context_length"]


def test_making_a_model_asks_nothing() -> None:
    nobody = Settings(ollama=Ollama(host="http://127.0.0.1:1"))
    assert load_model("vision", parse_model_name("ollama:any:7b"), nobody).name == "ollama:any:7b"


def test_nobody_at_the_address_is_told() -> None:
    nobody = Settings(ollama=Ollama(host="http://127.0.0.1:1", retries=0))
    with pytest.raises(ModelUnreachable, match=r"127\.0\.0\.1:1.*ollama serve"):
        load_model("vision", parse_model_name("ollama:any:7b"), nobody).check()


def test_the_catalogue_knows_what_is_installed(server: Target) -> None:
    installed = {model.name: model for model in catalogue.installed(server.settings)}
    for name, capability in ((server.vision, "vision"), (server.text, "completion"), (server.embed, "embedding")):
        model = installed[name.removesuffix(":latest").lower()]
        assert capability in model.capabilities
        assert model.size_bytes > 0
        assert model.context_length
    shown = catalogue.show(server.vision, server.settings)
    assert "vision" in shown.capabilities
    assert catalogue.answering(server.settings)[0].version


def test_preflight_accepts_and_refuses(server: Target) -> None:
    vision(server).check(pictures=True)
    assert vision(server).sees
    text(server).check()
    assert not text(server).sees
    with pytest.raises(ModelUnsuitable, match=server.text):
        text(server).check(pictures=True)
    with pytest.raises(ModelUnsuitable, match="embed"):
        load_model("answer", parse_model_name(f"ollama:{server.embed}"), server.settings).check()


def test_a_missing_model_is_told_with_the_nearest_and_the_command(server: Target) -> None:
    typo = server.vision[:-1] + "x"
    model = load_model("vision", parse_model_name(f"ollama:{typo}"), server.settings)
    for do in (model.check, lambda: model.ask("x")):
        with pytest.raises(ModelNotInstalled) as caught:
            do()
        assert server.vision.removesuffix(":latest") in str(caught.value)
        assert f"rag-app models pull {typo}" in str(caught.value)


def test_a_text_model_with_a_picture_is_refused(server: Target) -> None:
    with pytest.raises(ModelUnsuitable, match="no pictures"):
        text(server).ask("x", images=[picture()])


def test_what_is_said_depends_on_the_picture(server: Target) -> None:
    model = vision(server)
    said = [words(model, picture(colour)) for colour in ("red", "blue", "green", "black")]
    assert len(set(said)) > 1
    assert said[0] == words(model, picture("red")), "same picture, no heat"


def test_a_picture_takes_tokens(server: Target) -> None:
    model = vision(server)
    _, without = ask_as(model, Seen, "What is this?")
    _, seen = ask_as(model, Seen, "What is this?", images=[picture()])
    _, twice = ask_as(model, Seen, "What is this?", images=[picture(), picture("blue")])
    assert without.prompt_tokens and seen.prompt_tokens and twice.prompt_tokens
    assert without.prompt_tokens < seen.prompt_tokens < twice.prompt_tokens


@pytest.mark.parametrize("kind", ["TIFF", "WEBP", "GIF", "JPEG"])
def test_any_kind_of_picture_is_read(server: Target, kind: str) -> None:
    found, _ = ask_as(vision(server), Seen, "What is this?", images=[picture(kind=kind)])
    assert found.kind


def test_an_animated_webp_is_read(server: Target) -> None:
    import io

    from PIL import Image

    held = io.BytesIO()
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    frames[0].save(held, "WEBP", save_all=True, append_images=frames[1:])
    ask_as(vision(server), Seen, "What is this?", images=[held.getvalue()])


def test_junk_is_refused_before_it_is_sent(server: Target) -> None:
    with pytest.raises(CorruptPicture):
        vision(server).ask("x", images=[b"no picture"])


def test_a_schema_gives_a_record(server: Target) -> None:
    found, reply = ask_as(vision(server), Seen, "Describe it.", images=[picture()])
    assert 1 <= len(found.parts) <= 3
    assert reply.model == f"ollama:{server.vision.removesuffix(':latest')}"
    assert reply.seconds > 0
    assert reply.reply_tokens


def test_a_cut_reply_is_never_handed_back(server: Target) -> None:
    with pytest.raises(IncompleteReply):
        text(server).ask("Tell a story.", max_tokens=3)
    with pytest.raises(IncompleteReply):
        text(server).ask("Tell a story.", max_tokens=3, schema=Seen.model_json_schema())


def test_the_context_is_the_one_that_was_asked_for(server: Target) -> None:
    _, reply = ask_as(text(server), Seen, "Describe it.")
    assert reply.context_tokens == loaded_context(server, server.text)


def test_a_prompt_longer_than_the_model_reads_is_refused(server: Target) -> None:
    most = catalogue.show(server.text, server.settings).context_length
    assert most
    with pytest.raises(PromptTooLong):
        text(server).ask("one two three four " * most)


def test_the_reply_streams(server: Target) -> None:
    pieces: list[str] = []
    reply = text(server).ask("Describe it.", schema=Seen.model_json_schema(), max_tokens=1200, on_text=pieces.append)
    assert len(pieces) > 1
    assert "".join(pieces) == reply.text
    Seen.model_validate_json(reply.text)


def test_one_model_serves_two_event_loops_and_threads(server: Target) -> None:
    model = text(server)
    schema = Seen.model_json_schema()
    said: list[str] = []

    async def twice() -> None:
        replies = await asyncio.gather(*(model.aask("Describe it.", schema=schema, max_tokens=1200) for _ in range(2)))
        said.extend(reply.text for reply in replies)

    asyncio.run(twice())
    asyncio.run(twice())
    threads = [threading.Thread(target=lambda: asyncio.run(twice())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    said.append(model.ask("Describe it.", schema=schema, max_tokens=1200).text)
    assert len(said) == 9
    for one in said:
        Seen.model_validate_json(one)


def test_giving_up_frees_the_model(server: Target) -> None:
    model = text(server)

    async def give_up() -> None:
        task = asyncio.create_task(model.aask("Tell a long story.", max_tokens=4000))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises((asyncio.CancelledError, IncompleteReply)):
            await task

    if server.live:  # where the reply takes long enough to be given up
        asyncio.run(give_up())
    ask_as(model, Seen, "Describe it.")


def _blocks(image: bytes) -> list[ChatMessage]:
    return [ChatMessage(role="user", blocks=[TextBlock(text="What is this?"), ImageBlock(image=image)])]


def _document(image: bytes) -> ImageDocument:
    import base64

    return ImageDocument(image=base64.b64encode(image).decode())


WAYS: dict[str, Callable[[Any, bytes, dict[str, Any]], str]] = {
    "chat": lambda model, image, given: str(model.chat(_blocks(image), **given).message.content),
    "stream_chat": lambda model, image, given: str(
        list(model.stream_chat(_blocks(image), **given))[-1].message.content
    ),
    "complete": lambda model, image, given: model.complete("What is this?", [_document(image)], **given).text,
    "stream_complete": lambda model, image, given: (
        list(model.stream_complete("What is this?", image_documents=[image], **given))[-1].text
    ),
    "acomplete": lambda model, image, given: (
        asyncio.run(model.acomplete("What is this?", image_documents=[ImageBlock(image=image)], **given)).text
    ),
    "achat": lambda model, image, given: str(asyncio.run(model.achat(_blocks(image), **given)).message.content),
}


@pytest.mark.parametrize("way", WAYS)
def test_it_is_a_llama_index_model_that_sees(server: Target, way: str) -> None:
    given = {"format": Seen.model_json_schema(), "max_tokens": 1200}
    found = WAYS[way](vision(server), picture(), given)
    Seen.model_validate_json(found)


def test_llama_index_structured_output_with_a_picture(server: Target) -> None:
    reply = vision(server).as_structured_llm(Seen).chat(_blocks(picture()))
    assert isinstance(reply.raw, Seen)


def test_embeddings_keep_order_and_length(server: Target) -> None:
    model = load_model("text_embedding", parse_model_name(f"ollama:{server.embed}"), server.settings)
    vectors = model.get_text_embedding_batch(["a fox", "the mean of a distribution", "a fox"])
    assert vectors[0] == pytest.approx(vectors[2], abs=1e-5)
    assert vectors[0] != pytest.approx(vectors[1], abs=1e-5)
    assert {len(vector) for vector in vectors} == {model.dimensions}
    assert all(math.hypot(*vector) == pytest.approx(1.0, abs=1e-3) for vector in vectors)
    assert len(model.get_query_embedding("a fox")) == model.dimensions
    assert len(asyncio.run(model.aget_query_embedding("a fox"))) == model.dimensions


def test_a_model_that_embeds_nothing_is_refused(server: Target) -> None:
    model = load_model("text_embedding", parse_model_name(f"ollama:{server.text}"), server.settings)
    with pytest.raises(ModelUnsuitable):
        model.get_text_embedding("a fox")


def test_the_answer_is_json_text_without_fences(server: Target) -> None:
    reply = text(server).ask("Describe it.", schema=Seen.model_json_schema(), max_tokens=1200)
    assert isinstance(json.loads(reply.text), dict)
