"""Language models of an Ollama server: whole replies or errors, in threads, tasks and event loops."""

from __future__ import annotations

import asyncio
import gc
import pickle
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from llama_index.core.base.llms.types import AudioBlock, ChatMessage
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from llama_index.multi_modal_llms.ollama import OllamaMultiModal
from pydantic import BaseModel

from adapters.names import load_model, parse_model_name
from adapters.ollama.language import OllamaModel
from rag_app.errors import (
    IncompleteReply,
    ModelBusy,
    ModelFailed,
    ModelNotInstalled,
    ModelTimeout,
    ModelUnreachable,
    ModelUnsuitable,
    PromptTooLong,
    UnknownName,
    UnusableReply,
    UsageError,
)
from rag_app.models import LanguageModel, ask_as
from rag_app.settings import Ollama, Settings
from tests.ollama_models import at, model_at, ollama, picture
from tests.ollama_server import Fault, Model, OllamaServer

__all__ = ["ollama"]

SCHEMA = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}


class Title(BaseModel):
    title: str


# --- being made ------------------------------------------------------------------------------------------------------


def test_making_one_warns_of_nothing_and_asks_nobody(ollama: OllamaServer) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = model_at(ollama, "Tinyvlm:LATEST")
    assert isinstance(model, OllamaMultiModal)
    assert model.name == "ollama:tinyvlm"
    assert model.metadata.context_window == 8192
    assert model.metadata.model_name == "tinyvlm"
    assert ollama.requests == []
    as_protocol: LanguageModel = model
    assert as_protocol.name


def test_roles_load_it_by_name(ollama: OllamaServer) -> None:
    for role, sees in (("answer", False), ("vision", True)):
        model = load_model(role, parse_model_name("OLLAMA:TinyText"), at(ollama))
        assert (type(model), model.name) == (OllamaModel, "ollama:tinytext")
        if sees:
            with pytest.raises(ModelUnsuitable, match="reads no pictures"):
                model.check()
        else:
            model.check()
    with pytest.raises(UnknownName, match="ollama create"):
        load_model("answer", parse_model_name("ollama:gemma3:4b+adapter"))


def test_it_can_be_pickled_and_copied(ollama: OllamaServer) -> None:
    model = pickle.loads(pickle.dumps(model_at(ollama)))
    assert model.ask("Hello.").text == model.model_copy().ask("Hello.").text


# --- preflight -------------------------------------------------------------------------------------------------------


def test_check_refuses_before_any_work(ollama: OllamaServer) -> None:
    model_at(ollama).check(pictures=True)
    with pytest.raises(
        ModelUnsuitable, match=r"tinytext reads no pictures\. Installed vision models: thinker, tinyvlm"
    ):
        model_at(ollama, "tinytext").check(pictures=True)
    with pytest.raises(ModelUnsuitable, match="writes no text, it only embeds"):
        model_at(ollama, "tinyembed").check()
    with pytest.raises(ModelNotInstalled, match="did you mean tinyvlm") as caught:
        model_at(ollama, "tinyvml").check()
    assert "rag-app models pull tinyvml" in str(caught.value)
    assert ollama.writing() == []


def test_check_asks_once_a_minute(ollama: OllamaServer) -> None:
    for _ in range(5):
        model_at(ollama).check(pictures=True)
    assert [request.path for request in ollama.requests] == ["/api/show"]


def test_mllama_is_refused_on_servers_that_cannot_run_it(ollama: OllamaServer) -> None:
    ollama.models.append(Model("llama3.2-vision:11b", {"completion", "vision"}, family="mllama"))
    with pytest.raises(ModelUnsuitable, match=r"Ollama 0\.24 or earlier"):
        model_at(ollama, "llama3.2-vision:11b").check()
    ollama.version = "0.24.1"
    model_at(ollama, "llama3.2-vision:11b").check()


def test_an_old_server_says_what_a_model_can_do_in_other_ways(ollama: OllamaServer) -> None:
    ollama.fail(Fault.SHOW_WITHOUT_CAPABILITIES, times=9)
    assert model_at(ollama, "tinyvlm").sees
    assert not model_at(ollama, "tinytext").sees
    with pytest.raises(ModelUnsuitable, match="only embeds"):
        model_at(ollama, "tinyembed").check()


def test_nobody_there_is_one_sentence() -> None:
    model = OllamaModel("any", settings=Settings(ollama=Ollama(host="127.0.0.1:1", retries=1)))
    for do in (model.check, lambda: model.ask("Hello."), lambda: asyncio.run(model.aask("Hello."))):
        with pytest.raises(ModelUnreachable, match=r"No Ollama answers at http://127\.0\.0\.1:1: start it"):
            do()


# --- whole replies only ----------------------------------------------------------------------------------------------


def test_a_reply_has_its_counts(ollama: OllamaServer) -> None:
    pieces: list[str] = []
    reply = model_at(ollama).ask("What is it?", images=[picture()], on_text=pieces.append)
    assert reply.text == "".join(pieces) and len(pieces) > 3
    assert reply.model == "ollama:tinyvlm"
    assert reply.prompt_tokens and reply.reply_tokens and reply.context_tokens == 8192
    assert reply.seconds > reply.load_seconds >= 0
    assert "#ff0000" in reply.text


def test_a_cut_reply_is_raised_and_not_asked_for_again(ollama: OllamaServer) -> None:
    for more in ({}, {"schema": SCHEMA}):
        with pytest.raises(IncompleteReply, match=r"cut off after 2 tokens.*max_tokens"):
            model_at(ollama).ask("Tell me much.", max_tokens=2, **more)
    assert len(ollama.writing()) == 2


def test_a_reply_without_an_end_is_asked_for_once_more_with_another_seed(ollama: OllamaServer) -> None:
    ollama.fail(Fault.NO_DONE)
    model_at(ollama).ask("Hello.", seed=4)
    first, second = (request.options for request in ollama.writing())
    assert (first["seed"], first["temperature"], "repeat_penalty" in first) == (4, 0.0, False)
    assert second["seed"] == 5 and second["temperature"] > 0 and second["repeat_penalty"] > 1
    ollama.clear()
    ollama.fail(Fault.NO_DONE, times=9)
    with pytest.raises(IncompleteReply, match="in the middle"):
        model_at(ollama).ask("Hello.")
    assert len(ollama.writing()) == 2


def test_what_is_not_json_is_asked_for_once_more(ollama: OllamaServer) -> None:
    ollama.fail(Fault.NOT_JSON)
    assert model_at(ollama).ask("Hello.", schema=SCHEMA).text.startswith("{")
    ollama.clear()
    ollama.fail(Fault.NOT_JSON, times=9)
    with pytest.raises(UnusableReply, match="did not give JSON"):
        model_at(ollama).ask("Hello.", schema=SCHEMA)
    assert len({request.options["seed"] for request in ollama.writing()}) == 2


def test_a_fence_around_json_is_taken_off(ollama: OllamaServer) -> None:
    ollama.models[0].replies = lambda body, images: '```json\n{"title": "a"}\n```'
    assert model_at(ollama).ask("Hello.", schema=SCHEMA).text == '{"title": "a"}'
    assert ask_as(model_at(ollama), Title, "Hello.")[0].title == "a"


def test_what_was_handed_on_is_not_asked_for_again(ollama: OllamaServer) -> None:
    """Text that came twice would be shown twice."""
    ollama.fail(Fault.CUT)
    pieces: list[str] = []
    with pytest.raises(ModelUnreachable):
        model_at(ollama).ask("Hello.", on_text=pieces.append)
    assert pieces and len(ollama.writing()) == 1


@pytest.mark.parametrize(
    ("fault", "error", "sent"),
    [
        (Fault.BUSY, ModelBusy, 3),
        (Fault.RUNNER_KILLED, ModelFailed, 3),
        (Fault.CUT, ModelUnreachable, 3),
        (Fault.STALL, ModelTimeout, 2),
        (Fault.SILENT, ModelTimeout, 1),
        (Fault.CONTEXT_EXCEEDED, PromptTooLong, 1),
        (Fault.TRUNCATED_PROMPT, PromptTooLong, 1),
    ],
)
def test_again_only_where_it_helps(ollama: OllamaServer, fault: Fault, error: type[Exception], sent: int) -> None:
    ollama.fail(fault, times=9, where=lambda request: request.path == "/api/chat")
    with pytest.raises(error):
        model_at(ollama, retries=2, first_word_s=1).ask("word " * 200)
    assert len(ollama.writing()) == sent


@pytest.mark.parametrize("fault", [Fault.BUSY, Fault.RUNNER_KILLED, Fault.CUT, Fault.STALL, Fault.HALF_LINE])
def test_a_passing_fault_is_not_noticed(ollama: OllamaServer, fault: Fault) -> None:
    good = model_at(ollama).ask("Hello.", images=[picture()]).text
    ollama.fail(fault)
    assert model_at(ollama).ask("Hello.", images=[picture()]).text == good


def test_a_newline_that_is_none_stays_in_the_text(ollama: OllamaServer) -> None:
    """U+0085 and U+2028 end a line for str.splitlines, not in NDJSON."""
    ollama.models[0].replies = lambda body, images: "one\x85two\u2028three\x0b"
    assert model_at(ollama).ask("Hello.").text == "one\x85two\u2028three\x0b"


def test_the_context_never_shrinks(ollama: OllamaServer) -> None:
    ollama.models.append(Model("wide", {"completion"}, context_length=65536))
    model = model_at(ollama, "wide")
    sizes = [model.ask("word " * count).context_tokens for count in (10, 9000, 10)]
    assert sizes == [8192, 16384, 16384]
    assert len(ollama.loads) == 2


# --- giving up, and several at a time --------------------------------------------------------------------------------


def free(server: OllamaServer) -> bool:
    """Whether the server answers at once: nothing of ours holds it, or our own place."""
    started = time.monotonic()
    model_at(server, retries=0, first_word_s=3).ask("Hello.")
    return time.monotonic() - started < 2


def test_a_cancelled_task_frees_place_and_connection(ollama: OllamaServer) -> None:
    ollama.models[0].piece_s = 0.2
    model = model_at(ollama)

    async def give_up(after_s: float) -> None:
        tasks = [asyncio.create_task(model.aask(f"Tell me {i}.")) for i in range(3)]
        await asyncio.sleep(after_s)
        for task in tasks:
            task.cancel()
        assert {type(done) for done in await asyncio.gather(*tasks, return_exceptions=True)} == {asyncio.CancelledError}

    for after_s in (0.0, 0.05, 0.3):
        asyncio.run(give_up(after_s))
    ollama.models[0].piece_s = 0.0
    assert free(ollama)
    deadline = time.monotonic() + 3
    while not any(request.gone for request in ollama.writing()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert any(request.gone for request in ollama.writing()), "the server saw that we hung up"


def test_streams_left_early_are_closed(ollama: OllamaServer) -> None:
    ollama.models[0].piece_s = 0.2
    model = model_at(ollama)
    stream = model.stream_complete("Tell me.")
    next(stream)
    stream.close()

    async def leave() -> None:
        async for _ in await model.astream_complete("Tell me."):
            break

    asyncio.run(leave())

    def no_more(text: str) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        model.ask("Tell me.", on_text=no_more)
    gc.collect()
    ollama.models[0].piece_s = 0.0
    assert free(ollama)


@pytest.mark.parametrize("parallel", [1, 3])
def test_never_more_at_a_time_than_set(ollama: OllamaServer, parallel: int) -> None:
    """Threads, tasks and several event loops together, over several model objects."""
    ollama.scheduler.parallel = 16
    ollama.models[0].latency_s = ollama.models[1].latency_s = 0.03

    def one(i: int) -> None:
        model = model_at(ollama, ("tinyvlm", "tinytext")[i % 2], parallel=parallel)
        if i % 3:
            model.ask(f"Number {i}.")
        else:
            asyncio.run(both(model, i))

    async def both(model: OllamaModel, i: int) -> None:
        await asyncio.gather(model.aask(f"Number {i}."), model.acomplete(f"Number {i}, again."))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(12)))
    assert len(ollama.writing()) == 16
    assert ollama.scheduler.peak <= parallel
    assert overlap(ollama) == parallel


def overlap(server: OllamaServer) -> int:
    """The most requests for text that were at the server at the same time, by when they came and were done."""
    moments = sorted(
        moment for request in server.writing() for moment in ((request.at, 1), (request.done_at or request.at, -1))
    )
    now = most = 0
    for _, change in moments:
        now += change
        most = max(most, now)
    return most


def test_one_model_in_several_event_loops(ollama: OllamaServer) -> None:
    model = model_at(ollama)

    async def three() -> list[str]:
        return [reply.text for reply in await asyncio.gather(*(model.aask("Hello.") for _ in range(3)))]

    said = {*asyncio.run(three()), *asyncio.run(three()), model.ask("Hello.").text}
    threads = [threading.Thread(target=lambda: said.update(asyncio.run(three()))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(said) == 1 and len(ollama.writing()) == 16


def test_a_process_ends_cleanly_in_the_middle_of_a_stream(ollama: OllamaServer) -> None:
    ollama.models[0].piece_s = 0.5
    program = (
        "import sys, os\n"
        "from adapters.ollama.language import OllamaModel\n"
        "from rag_app.settings import Ollama, Settings\n"
        "settings = Settings(ollama=Ollama(host=sys.argv[1]))\n"
        "stream = OllamaModel('tinyvlm', settings=settings).stream_complete('Hello.')\n"
        "print(next(stream).text)\n"
        "if hasattr(os, 'fork') and len(sys.argv) > 2:\n"
        "    child = os.fork()\n"
        "    if not child:\n"
        "        model = OllamaModel('tinytext', settings=settings)\n"
        "        os._exit(0 if model.ask('Hello.').text else 1)\n"
        "    assert os.waitpid(child, 0)[1] == 0\n"
    )
    for more in ([], ["fork"]):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", program, ollama.url, *more],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        assert done.stdout.strip()


# --- as a LlamaIndex model -------------------------------------------------------------------------------------------


def test_all_ways_give_the_same_text(ollama: OllamaServer) -> None:
    model = model_at(ollama)
    turn = [ChatMessage(role="user", content="Hello.")]

    async def later() -> list[str]:
        return [
            (await model.acomplete("Hello.")).text,
            str((await model.achat(turn)).message.content),
            [part.text async for part in await model.astream_complete("Hello.")][-1],
            [str(part.message.content) async for part in await model.astream_chat(turn)][-1],
            "".join([part.delta or "" async for part in await model.astream_chat(turn)]),
        ]

    said = {
        model.complete("Hello.").text,
        str(model.chat(turn).message.content),
        list(model.stream_complete("Hello."))[-1].text,
        "".join(part.delta or "" for part in model.stream_chat(turn)),
        model.predict(PromptTemplate("{word}."), word="Hello"),
        *asyncio.run(later()),
    }
    assert len(said) == 1


def test_counts_are_in_raw_and_callbacks_are_called(ollama: OllamaServer) -> None:
    counter = TokenCountingHandler(tokenizer=str.split)
    model = OllamaModel("tinyvlm", settings=at(ollama), callback_manager=CallbackManager([counter]))
    response = model.chat([ChatMessage(role="user", content="Hello.")])
    usage = response.raw["usage"]  # pyright: ignore[reportOptionalSubscript]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 2
    assert len(counter.llm_token_counts) == 1
    list(model.stream_complete("Hello."))
    assert len(counter.llm_token_counts) > 1


def test_a_cut_stream_raises_after_what_came(ollama: OllamaServer) -> None:
    ollama.fail(Fault.CUT)
    came: list[str] = []
    with pytest.raises(ModelUnreachable):
        came.extend(part.delta or "" for part in model_at(ollama).stream_complete("Hello."))
    ollama.fail(Fault.LENGTH)
    with pytest.raises(IncompleteReply):
        list(model_at(ollama).stream_complete("Hello."))


def test_structured_output_is_a_record_or_an_error(ollama: OllamaServer) -> None:
    model = model_at(ollama)
    assert isinstance(model.structured_predict(Title, PromptTemplate("{x}"), x="Hello."), Title)
    assert isinstance(asyncio.run(model.astructured_predict(Title, PromptTemplate("Hello."))), Title)
    ollama.clear()
    ollama.fail(Fault.WRONG_SHAPE)
    assert isinstance(model.structured_predict(Title, PromptTemplate("Hello.")), Title)
    assert len({request.options["seed"] for request in ollama.writing()}) == 2
    ollama.fail(Fault.WRONG_SHAPE, times=9)
    with pytest.raises(UnusableReply, match=r"title.*twice"):
        model.structured_predict(Title, PromptTemplate("Hello."))


def test_tools_need_a_model_that_calls_them(ollama: OllamaServer) -> None:
    tool = FunctionTool.from_defaults(lambda x: x, name="echo", description="Says it again.")
    with pytest.raises(ModelUnsuitable, match="cannot call tools"):
        model_at(ollama).chat_with_tools([tool], "Hello.")
    model = OllamaModel("thinker", settings=at(ollama), function_calling=True)
    assert model.metadata.is_function_calling_model
    model.chat_with_tools([tool], "Hello.")
    assert ollama.writing()[0].body["tools"][0]["function"]["name"] == "echo"


def test_what_ollama_does_not_take_is_refused(ollama: OllamaServer) -> None:
    sound: Any = AudioBlock(audio=b"RIFF")
    with pytest.raises(UsageError, match="AudioBlock"):
        model_at(ollama).chat([ChatMessage(role="user", blocks=[sound])])
    assert ollama.writing() == []
