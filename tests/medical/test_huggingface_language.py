"""Models of transformers as language models: replies, streams, batches, JSON, likelihoods, and the roles they fill.

Most models here have random weights, and nothing asks whether what they say is right; `answering` knows two answers.
"""

# torch and transformers come with the medical extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

import asyncio
import importlib.util
import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, TextBlock
from pydantic import BaseModel

from adapters.huggingface import language
from adapters.huggingface.generating import Options, write
from adapters.huggingface.language import HuggingFaceModel
from adapters.huggingface.likelihood import log_likelihoods
from adapters.huggingface.loading import load_parts
from adapters.huggingface.prompting import Message, encoded, picture, rendered
from adapters.names import load_model, parse_model_name
from rag_app.errors import CorruptPicture, IncompleteReply, ModelUnsuitable, PromptTooLong, UsageError, WeightsMissing
from rag_app.medical import Assistant
from rag_app.models import Reply, ask_as
from tests.medical.models import MADE
from tests.medical.test_huggingface_loading import png
from tests.test_medical_ask import LABELS

QUESTION = "What is the diagnosis?"
ANSWERS = ("normal", "nodule", "a large nodule in the left lung")


class Finding(BaseModel):
    """What a schema-constrained reply holds."""

    label: Literal["normal", "nodule"]
    sure: bool
    places: list[Literal["left", "right"]]


def model_of(folder: Path) -> HuggingFaceModel:
    return load_model("vision", parse_model_name(f"hf:{folder}"))


def test_a_reply_is_whole_and_counted(answering: Path) -> None:
    reply = model_of(answering).ask(QUESTION, images=[png(3)], max_tokens=40)
    assert reply.text == "a large nodule" and reply.model == f"hf:{answering}"
    assert reply.reply_tokens and 2 <= reply.reply_tokens <= 40
    assert reply.prompt_tokens and reply.prompt_tokens > 16, "the picture's tokens are counted"
    assert reply.context_tokens == 1024 and reply.seconds >= reply.load_seconds >= 0


def test_it_streams_what_it_then_says(answering: Path) -> None:
    model, pieces = model_of(answering), []
    reply = model.ask("تشخیص چیست؟", images=[png(3)], max_tokens=40, on_text=pieces.append)
    assert reply.text == "طبیعی" == "".join(pieces)
    pieces.clear()
    assert model.ask(QUESTION, images=[png(3)], max_tokens=40, on_text=pieces.append).text == "".join(pieces)
    assert len(pieces) > 1
    assert asyncio.run(model.aask(QUESTION, images=[png(3)], max_tokens=40)).text == "a large nodule"


def test_several_at_once_say_what_each_says_alone(answering: Path) -> None:
    model = model_of(answering)
    prompts: list[tuple[str, list[bytes]]] = [(QUESTION, [png(3)]), ("تشخیص چیست؟", [png(3)]), (QUESTION, [])] * 3
    done: list[int] = []
    replies = model.ask_many(prompts, max_tokens=12, batch=4, on_done=done.append)
    assert done == [4, 6, 9], "with and without pictures apart, at most four together"
    for (prompt, images), reply in zip(prompts, replies, strict=True):
        try:
            alone: str | None = model.ask(prompt, images=images, max_tokens=12).text
        except IncompleteReply:
            alone = None
        assert (reply.text if isinstance(reply, Reply) else None) == alone
    assert isinstance(replies[0], Reply) and replies[0].text == "a large nodule"


def test_a_cut_reply_is_raised_never_given(answering: Path) -> None:
    model = model_of(answering)
    with pytest.raises(IncompleteReply, match="did not end within 2 tokens"):
        model.ask(QUESTION, images=[png(3)], max_tokens=2)
    cut = model.ask_many([(QUESTION, [png(3)])], max_tokens=2)
    assert isinstance(cut[0], IncompleteReply)
    with pytest.raises(IncompleteReply):
        list(model.stream_chat([ChatMessage(role="user", content=QUESTION)], max_tokens=2))


def test_as_a_llamaindex_model(answering: Path) -> None:
    model = model_of(answering)
    said = ChatMessage(role="user", blocks=[ImageBlock(image=png(3)), TextBlock(text=QUESTION)])
    assert model.chat([said], max_tokens=40).message.content == "a large nodule"
    streamed = list(model.stream_chat([said], max_tokens=40))
    assert streamed[-1].message.content == "a large nodule" == "".join(one.delta or "" for one in streamed)
    assert model.complete(QUESTION, image_documents=[png(3)], max_tokens=40).text == "a large nodule"
    assert [r.text for r in model.stream_complete(QUESTION, image_documents=[png(3)])][-1] == "a large nodule"

    async def later() -> list[str]:
        chat = await model.achat([said], max_tokens=40)
        last = [one async for one in await model.astream_chat([said], max_tokens=40)][-1]
        complete = await model.acomplete(QUESTION, image_documents=[png(3)], max_tokens=40)
        return [chat.message.content or "", last.message.content or "", complete.text]

    assert asyncio.run(later()) == ["a large nodule"] * 3
    assert model.metadata.is_chat_model and model.metadata.context_window == 1024
    with pytest.raises(UsageError, match="no keyword 'top_k'"):
        model.chat([said], top_k=3)


def test_a_closed_stream_stops_the_model(made: dict[str, Path]) -> None:
    model = model_of(made["gemma3"])
    coming = model.stream_chat([ChatMessage(role="user", content=QUESTION)], max_tokens=900)
    next(coming)
    coming.close()  # waits for the token it is at; the whole reply would be 900
    written = write(model.parts, [[Message("user", QUESTION)]], Options(4))
    assert written[0].reply_tokens == 4


@pytest.mark.parametrize("name", MADE)
def test_every_architecture_writes_json_that_follows_its_schema(name: str, made: dict[str, Path]) -> None:
    pytest.importorskip("llguidance", reason="llguidance is not installed")
    schema = Finding.model_json_schema()
    schema["properties"]["places"]["maxItems"] = 2
    reply = model_of(made[name]).ask(QUESTION, images=[png(1)], schema=schema, max_tokens=120)
    found = Finding.model_validate_json(reply.text)
    assert found.label in ("normal", "nodule") and len(found.places) <= 2
    many = model_of(made[name]).ask_many([(QUESTION, [png(1)]), (QUESTION, [png(2)])], schema=schema, max_tokens=120)
    for one in many:
        assert isinstance(one, Reply)
        Finding.model_validate_json(one.text)


def test_a_record_is_asked_for_as_of_any_model(made: dict[str, Path]) -> None:
    pytest.importorskip("llguidance", reason="llguidance is not installed")

    class Small(BaseModel):
        sure: bool

    record, reply = ask_as(model_of(made["qwen2_5_vl"]), Small, QUESTION, images=[png(1)])
    assert json.loads(reply.text) == {"sure": record.sure}


@pytest.mark.parametrize("name", MADE)
def test_every_architecture_takes_a_system_message(name: str, made: dict[str, Path]) -> None:
    parts = load_parts(str(made[name]))
    asked = [Message("system", "Be brief."), Message("user", QUESTION, (picture(png(1)),))]
    text = rendered(parts.processor, asked, ask=True)
    assert text.index("Be brief.") < text.index(QUESTION)
    assert write(parts, [asked], Options(3))[0].reply_tokens <= 3


def test_a_template_that_refuses_system_messages_gets_them_with_the_question(made: dict[str, Path]) -> None:
    parts = load_parts(str(made["mllama"]))
    refuses = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    parts.processor.chat_template = refuses + parts.processor.chat_template
    text = rendered(parts.processor, [Message("system", "Be brief."), Message("user", QUESTION)], ask=True)
    assert f"Be brief.\n\n{QUESTION}" in text
    parts.processor.chat_template = "{{ raise_exception('never') }}"
    with pytest.raises(ModelUnsuitable, match="refuses this conversation"):
        rendered(parts.processor, [Message("user", QUESTION)], ask=True)


@pytest.mark.parametrize("name", ["gemma3", "mllama"])
def test_the_text_begins_once(name: str, made: dict[str, Path]) -> None:
    """Tokenizers of these families put a token of their own before a text that has one from the template already."""
    from tokenizers.processors import TemplateProcessing

    parts = load_parts(str(made[name]))
    tokenizer = parts.tokenizer
    begin = tokenizer.bos_token
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{begin} $A", special_tokens=[(begin, tokenizer.bos_token_id)]
    )
    text = rendered(parts.processor, [Message("user", QUESTION, (picture(png(1)),))], ask=True)
    assert parts.processor(text=[text], images=[[picture(png(1))]])["input_ids"][0].count(tokenizer.bos_token_id) == 2
    batch = encoded(parts.processor, [text], [[picture(png(1))]], side="left")
    assert batch["input_ids"][0].tolist().count(tokenizer.bos_token_id) == 1


@pytest.mark.parametrize("name", MADE)
def test_likelihoods_equal_those_of_one_answer_at_a_time_by_hand(name: str, made: dict[str, Path]) -> None:
    import torch

    model = model_of(made[name])
    found = model.weigh([png(1), png(2), png(4)], QUESTION, ANSWERS)
    assert found.shape == (3, 3) and (found < 0).all()
    assert np.abs(found[0] - found[1]).max() > 1e-5, "the picture counts"
    parts = model.parts
    for row, seed in enumerate((1, 2, 4)):
        for column, answer in enumerate(ANSWERS):
            asked = Message("user", QUESTION, (picture(png(seed)),))
            prompt = rendered(parts.processor, [asked], ask=True)
            whole = rendered(parts.processor, [asked, Message("assistant", answer)], ask=False)
            begun = encoded(parts.processor, [prompt], [asked.images], side="right")["input_ids"].shape[1]
            batch = encoded(parts.processor, [whole], [asked.images], side="right")
            with torch.inference_mode():
                logits = torch.log_softmax(parts.model(**batch).logits[0].double(), -1)
            ids = batch["input_ids"][0].tolist()
            by_hand = sum(float(logits[place - 1, ids[place]]) for place in range(begun, len(ids)))
            assert found[row, column] == pytest.approx(by_hand, abs=2e-4)


def test_the_likeliest_answer_is_the_one_it_was_taught(answering: Path) -> None:
    model = model_of(answering)
    answers = ("a small nodule", "a large nodule", "a large nodule in the left lung", "a large")
    assert model.weigh([png(3)], QUESTION, answers)[0].argmax() == 1, "the end of the turn counts"
    answer = Assistant.open(f"hf:{answering}", labels=LABELS).ask(png(3), QUESTION)
    assert answer.text == "a large nodule" and answer.by == "likelihood" and not answer.calibrated
    assert sum(share for _, share in answer.differential) == pytest.approx(1)


def test_a_template_that_rewrites_the_question_is_refused(made: dict[str, Path]) -> None:
    model = model_of(made["smolvlm"])
    parts = model.parts
    kept = parts.processor.chat_template
    parts.processor.chat_template = "{{ messages | length }}" + kept
    try:
        with pytest.raises(ModelUnsuitable, match="answers cannot be weighed"):
            model.weigh([png(1)], QUESTION, ANSWERS)
    finally:
        parts.processor.chat_template = kept


def test_two_roles_share_one_model(made: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    loads = []
    load = language.loading.load
    monkeypatch.setattr(language.loading, "load", lambda source: loads.append(source) or load(source))
    language._latest.clear()
    one, two = (load_model(role, parse_model_name(f"hf:{made['idefics3']}")) for role in ("answer", "vision"))
    assert one.parts is two.parts and len(loads) <= 1
    del one, two
    assert model_of(made["idefics3"]).parts is not None and len(loads) <= 1, "the latest stays"


def test_checking_loads_no_weights(made: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("weights were loaded")

    monkeypatch.setattr(language.loading, "load", never)
    model = model_of(made["qwen2_5_vl"])
    model.check(pictures=True)
    assert model.sees and len(model.digest) == 16
    with pytest.raises(WeightsMissing):
        load_model("answer", parse_model_name("hf:some/model")).check()
    with pytest.raises(WeightsMissing, match="holds no adapter"):
        load_model("answer", parse_model_name(f"hf:{made['qwen2_5_vl']}+{tmp_path}")).check()


def test_bad_input_is_one_sentence(made: dict[str, Path]) -> None:
    model = model_of(made["qwen2_5_vl"])
    with pytest.raises(CorruptPicture):
        model.ask(QUESTION, images=[b"no picture"])
    with pytest.raises(UsageError, match="give its bytes"):
        model.ask(QUESTION, images=["/a/path.png"])  # pyright: ignore[reportArgumentType]  # what is refused
    with pytest.raises(PromptTooLong, match="reads 1,024 in all"):
        model.ask("a nodule " * 2000, max_tokens=8)
    with pytest.raises(PromptTooLong, match="too few for the reply"):
        model.ask("a nodule " * 400, max_tokens=2000)
    with pytest.raises(UsageError, match="max_tokens is 0"):
        model.ask(QUESTION, max_tokens=0)


def test_the_same_seed_writes_the_same(made: dict[str, Path]) -> None:
    parts = load_parts(str(made["smolvlm"]))
    said = [[Message("user", QUESTION)]]
    one, two, three = (write(parts, said, Options(12, temperature=1.0, seed=seed))[0].text for seed in (4, 4, 5))
    assert one == two != three


@pytest.mark.parametrize("name", MADE)
def test_in_bf16_as_on_a_gpu_and_in_four_bits_it_writes_and_weighs_nearly_the_same(
    name: str, made: dict[str, Path]
) -> None:
    import torch

    whole = load_parts(str(made[name]))
    said = [[Message("user", QUESTION, (picture(png(1)),))]]
    expected = log_likelihoods(whole, [png(1)], QUESTION, ANSWERS)
    whole.model.to(torch.bfloat16)
    others = [whole]
    if importlib.util.find_spec("bitsandbytes"):
        others.append(load_parts(str(made[name]), quantised=True))
    for parts in others:
        assert write(parts, said, Options(4))[0].reply_tokens <= 4
        assert log_likelihoods(parts, [png(1)], QUESTION, ANSWERS) == pytest.approx(expected, rel=0.05)
