"""What goes over the wire: pictures as normalised, every key as set, and nothing from a path in a text."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, TextBlock
from llama_index.core.schema import ImageDocument, ImageNode, NodeWithScore
from PIL import Image
from pydantic import BaseModel

from adapters.ollama.pictures import normalised
from rag_app.errors import CorruptPicture, ModelUnsuitable, UsageError
from tests.ollama_models import model_at, ollama, picture
from tests.ollama_server import OllamaServer

__all__ = ["ollama"]

SCHEMA: dict[str, Any] = {
    "$defs": {"Unit": {"enum": ["mm", None], "default": None}},
    "type": "object",
    "properties": {"title": {"type": "string", "maxLength": 20, "default": None}, "unit": {"$ref": "#/$defs/Unit"}},
    "required": ["title"],
    "additionalProperties": False,
}


def turned() -> bytes:
    """A photo that lies on its side, larger than what is sent."""
    exif = Image.Exif()
    exif[0x0112] = 6
    held = io.BytesIO()
    Image.effect_mandelbrot((1800, 1200), (-2, -1, 1, 1), 20).convert("RGB").save(held, "JPEG", exif=exif)
    return held.getvalue()


def test_a_question_is_sent_with_every_key(ollama: OllamaServer) -> None:
    images = [turned(), picture("blue"), picture("green", kind="WEBP")]
    model_at(ollama, keep_alive="90s").ask(
        "What are these?",
        images=images,
        system="Be brief.",
        schema=SCHEMA,
        max_tokens=77,
        temperature=0.25,
        seed=11,
        repeat_penalty=1.3,
    )
    (sent,) = ollama.writing()
    body = dict(sent.body)
    messages = body.pop("messages")
    assert body == {
        "model": "tinyvlm",
        "stream": True,
        "format": SCHEMA,
        "options": {"temperature": 0.25, "seed": 11, "num_predict": 77, "repeat_penalty": 1.3, "num_ctx": 8192},
        "keep_alive": "90s",
        "truncate": False,
        "shift": False,
    }
    assert messages[0] == {"role": "system", "content": "Be brief."}
    assert {key: messages[1][key] for key in ("role", "content")} == {"role": "user", "content": "What are these?"}
    assert sent.images == [normalised(image) for image in images]
    assert [base64.b64decode(image, validate=True) for image in messages[1]["images"]] == sent.images


def test_without_pictures_there_is_no_such_key(ollama: OllamaServer) -> None:
    model_at(ollama).ask("Hello.")
    (sent,) = ollama.writing()
    assert set(sent.body["messages"][0]) == {"role", "content"}
    assert not {"format", "think", "tools"} & set(sent.body)


@pytest.mark.parametrize(("set_to", "sent_as"), [("5m", "5m"), ("0", 0), ("-1", -1), ("300", 300), ("1h30m", "1h30m")])
def test_keep_alive_is_sent_as_the_server_takes_it(ollama: OllamaServer, set_to: str, sent_as: object) -> None:
    model_at(ollama, keep_alive=set_to).ask("Hello.")
    assert ollama.writing()[0].body["keep_alive"] == sent_as


def test_llama_index_keywords_are_honoured(ollama: OllamaServer) -> None:
    model = model_at(ollama, "thinker")
    message = ChatMessage(role="user", blocks=[TextBlock(text="What is it?"), ImageBlock(image=picture())])
    tool = {
        "type": "function",
        "function": {
            "name": "look",
            "parameters": {
                "type": "object",
                "properties": {"at": {"type": "object", "properties": {"x": {"type": "number", "default": None}}}},
            },
        },
    }
    model.chat(
        [message],
        temperature=0.7,
        seed=5,
        max_tokens=99,
        options={"top_k": 3, "stop": ["END"], "num_ctx": 2048},
        format=SCHEMA,
        keep_alive="1h",
        think=True,
        tools=[tool],
    )
    body = ollama.writing()[0].body
    assert body["options"] == {
        "temperature": 0.7,
        "seed": 5,
        "num_predict": 99,
        "top_k": 3,
        "stop": ["END"],
        "num_ctx": 2048,
    }
    assert (body["format"], body["keep_alive"], body["think"], body["tools"]) == (SCHEMA, "1h", True, [tool])
    assert ollama.writing()[0].images == [normalised(picture())]


@pytest.mark.parametrize(
    ("given", "near"),
    [
        ({"temprature": 1}, "temperature"),
        ({"image_documents": []}, "keyword"),
        ({"options": {"num_ctxt": 1}}, "num_ctx"),
        ({"max_tokens": 0}, "1 or more"),
        ({"temperature": "hot"}, "number"),
        ({"format": "yaml"}, "JSON Schema"),
    ],
)
def test_what_would_be_dropped_is_refused(ollama: OllamaServer, given: dict[str, Any], near: str) -> None:
    with pytest.raises(UsageError, match=near):
        model_at(ollama).chat([ChatMessage(role="user", content="Hello.")], **given)
    assert ollama.requests == []


def test_thinking_is_switched_off_where_there_is_any(ollama: OllamaServer) -> None:
    model_at(ollama, "thinker").ask("Hello.")
    model_at(ollama, "tinyvlm").ask("Hello.")
    model_at(ollama, "thinker").complete("Hello.", think=True)
    assert [request.body.get("think") for request in ollama.writing()] == [False, None, True]


@pytest.mark.parametrize("wrap", [
    lambda data: data,
    lambda data: ImageBlock(image=data),
    lambda data: ImageBlock(image=io.BytesIO(data)),
    lambda data: ImageBlock(url="data:image/png;base64," + base64.b64encode(data).decode()),
    lambda data: ImageNode(image=base64.b64encode(data).decode()),
    lambda data: ImageDocument(image=base64.b64encode(data).decode()),
    lambda data: NodeWithScore(node=ImageNode(image=base64.b64encode(data).decode()), score=1.0),
])  # fmt: skip
def test_pictures_come_in_all_wraps(ollama: OllamaServer, wrap: Any) -> None:
    model = model_at(ollama)
    model.complete("What is it?", [wrap(picture()), ImageBlock(image=picture("blue"))])
    assert ollama.writing()[0].images == [picture(), picture("blue")]


def test_a_file_is_read_only_where_a_picture_is_said_to_be_in_it(ollama: OllamaServer, tmp_path: Path) -> None:
    path = tmp_path / "secret.png"
    path.write_bytes(picture("green"))
    model = model_at(ollama)
    for text in (str(path), f"Describe {path}", "[img]", f"[img-3] {path}"):
        model.ask(text, system=str(path))
        model.complete(text)
    assert all(request.images == [] for request in ollama.writing())
    contents = [message["content"] for request in ollama.writing() for message in request.body["messages"]]
    assert str(path) in contents and "(img)" in contents and f"(img-3) {path}" in contents
    count = len(ollama.requests)
    for wrong in (str(path), path):
        with pytest.raises(UsageError):
            model.ask("What is it?", images=[wrong])  # pyright: ignore[reportArgumentType]
        with pytest.raises(UsageError):
            model.complete("What is it?", [wrong])  # pyright: ignore[reportArgumentType]
    for address in ("http://127.0.0.1:9/x.png", path.as_uri()):
        with pytest.raises(UsageError, match="not fetched"):
            model.complete("What is it?", [ImageNode(image_url=address)])
    with pytest.raises(CorruptPicture):
        model.complete("What is it?", [ImageNode(image=str(path))])
    assert len(ollama.requests) == count
    model.complete("What is it?", [ImageNode(image_path=str(path))])  # the node's own field, set by the program
    assert ollama.writing()[-1].images == [picture("green")]


def test_a_model_that_does_not_see_is_never_sent_a_picture(ollama: OllamaServer) -> None:
    for ask in (
        lambda model: model.ask("What is it?", images=[picture()]),
        lambda model: model.complete("What is it?", [picture()]),
        lambda model: list(model.stream_complete("What is it?", [picture()])),
    ):
        with pytest.raises(ModelUnsuitable, match="Installed vision models: thinker, tinyvlm"):
            ask(model_at(ollama, "tinytext"))
    assert ollama.writing() == []


class Reading(BaseModel):
    title: str
    unit: str | None = None


def test_structured_output_sends_picture_and_schema(ollama: OllamaServer) -> None:
    message = ChatMessage(role="user", blocks=[TextBlock(text="What is it?"), ImageBlock(image=picture())])
    reply = model_at(ollama).as_structured_llm(Reading).chat([message])
    assert isinstance(reply.raw, Reading)
    (sent,) = ollama.writing()
    assert sent.body["format"] == Reading.model_json_schema()  # with its "default": null
    assert sent.images == [picture()]
    assert json.loads(reply.message.content or "")["title"] == reply.raw.title
