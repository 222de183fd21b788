"""Every fault of a server that speaks OpenAI's protocol, met on a real socket through the code that users run."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import pytest
from pydantic import BaseModel, ConfigDict, Field

from adapters.names import load_model, parse_model_name
from rag_app.errors import (
    IncompleteReply,
    ModelBusy,
    ModelFailed,
    ModelNotInstalled,
    ModelTimeout,
    ModelUnreachable,
    ModelUnsuitable,
    PromptTooLong,
    RagAppError,
    RequestRefused,
    UnusableReply,
)
from rag_app.models import ask_as
from rag_app.settings import OpenAI, Settings
from tests.ollama_models import picture
from tests.openai_models import openai
from tests.openai_server import Fault, OpenAIServer
from tests.openai_server.faults import EMBEDDING

__all__ = ["openai"]
RETRIES = 2
PROMPT = "Describe the figure exactly: its kind, its axes with their units, each series, and what can be read. " * 12


@dataclass(frozen=True)
class Case:
    """What has to come of a fault that stays.

    error  its class; None: nothing, the work is done
    says   what its sentence has to match
    sent   requests of its kind that the server gets: 1 + RETRIES where asking again helps
    """

    fault: Fault
    error: type[RagAppError] | None = None
    says: str = ""
    sent: int = 1


def repeated(fault: Fault, error: type[RagAppError], says: str, *, sent: int = 1 + RETRIES) -> Case:
    """A fault after which asking again may help."""
    return Case(fault, error, says, sent)


CASES = (
    Case(Fault.MODEL_MISSING, ModelNotInstalled, r"has no model lab/tiny.*does not exist.*rag-app models"),
    Case(Fault.NOT_FOUND, RequestRefused, r"404 \(Not Found\).*openai\.hosts and its path"),
    Case(Fault.UNAUTHORIZED, RequestRefused, r"refuses access \(401.*RAG_APP_OPENAI_API_KEY"),
    Case(Fault.INVALID_KEY, RequestRefused, r"Invalid API Key.*RAG_APP_OPENAI_API_KEY"),
    Case(Fault.NO_PICTURES, ModelUnsuitable, r"lab/tiny-VL reads no pictures.*vision model"),
    Case(Fault.NO_PICTURES_LLAMA, ModelUnsuitable, r"lab/tiny-VL reads no pictures.*vision model"),
    Case(Fault.ONE_PICTURE, ModelUnsuitable, r"fewer pictures.*At most 1 image.*where it is served"),
    Case(Fault.BAD_PICTURE, RequestRefused, r"cannot read the picture.*cannot identify"),
    Case(Fault.TOO_LONG, PromptTooLong, r"does not fit lab/tiny-VL.*4096 tokens.*openai\.context_tokens"),
    Case(Fault.TOO_LONG_LLAMA, PromptTooLong, r"does not fit lab/tiny-VL.*available context size.*less text"),
    Case(Fault.BAD_SCHEMA, RequestRefused, r"does not take the form.*grammar"),
    repeated(Fault.LOADING, ModelBusy, r"is busy \(Loading model\).*ask again"),
    repeated(Fault.TOO_MANY, ModelBusy, r"too many requests.*later"),
    repeated(Fault.ENGINE_DEAD, ModelFailed, r"failed at its server \(500.*EngineCore"),
    repeated(Fault.OUT_OF_MEMORY, ModelFailed, r"ran out of memory.*smaller context"),
    repeated(Fault.HTML_502, ModelUnreachable, r"proxy.*502"),
    repeated(Fault.HTML_200, ModelUnreachable, r"does not answer as OpenAI's protocol.*openai\.hosts", sent=2),
    Case(Fault.NO_VECTORS, ModelUnsuitable, r"makes no embeddings"),
    # A whole reply, but not what was asked for.
    Case(Fault.LENGTH, IncompleteReply, r"cut off after at most 2048 tokens.*max_tokens"),
    Case(Fault.ONLY_THOUGHT, IncompleteReply, r"spent its 2048 tokens on thinking.*switch thinking off"),
    Case(Fault.FILTERED, UnusableReply, r"gave no reply \(a filter"),
    repeated(Fault.ABORTED, IncompleteReply, r"stopped in the middle.*'abort'", sent=2),
    repeated(Fault.NOT_JSON, UnusableReply, r"did not give JSON.*another model", sent=2),
    repeated(Fault.EMPTY, UnusableReply, r"empty reply.*another model", sent=2),
    Case(Fault.PROMPT_CUT, PromptTooLong, r"read only \d+ tokens.*thrown away.*larger context"),
    repeated(Fault.TOO_FEW_VECTORS, UnusableReply, r"gave 2 vectors for 3", sent=2),
    # Unusual, and right.
    *map(
        Case,
        (
            *(Fault.REASONING, Fault.THINK_TAGS, Fault.FENCED, Fault.NO_USAGE, Fault.COMMENTS, Fault.NO_DONE_LINE),
            *(Fault.SPLIT, Fault.COALESCED, Fault.SHUFFLED_VECTORS, Fault.LATE),
        ),
    ),
    # The reply breaks off.
    repeated(Fault.NO_FINISH, IncompleteReply, r"stopped in the middle.*no end was sent", sent=2),
    repeated(Fault.NO_FINISH_NO_DONE, IncompleteReply, r"stopped in the middle.*no end was sent", sent=2),
    repeated(Fault.ERROR_EVENT, ModelFailed, r"middle of its reply.*the engine died"),
    repeated(Fault.ERROR_FIELD, ModelFailed, r"middle of its reply.*the engine died"),
    repeated(Fault.HALF_EVENT, IncompleteReply, r"stopped in the middle.*half an event"),
    repeated(Fault.CUT, ModelUnreachable, r"connection to the server.*broke"),
    repeated(Fault.RESET, ModelUnreachable, r"connection to the server.*broke"),
    repeated(Fault.CLOSED, ModelUnreachable, r"connection to the server.*broke"),
    Case(Fault.SILENT, ModelTimeout, r"no word within 2 s.*openai\.first_word_s"),
    repeated(Fault.STALL, ModelTimeout, r"stalled.*1 s.*openai\.stall_s", sent=2),
    repeated(Fault.PINGS_ONLY, ModelTimeout, r"stalled.*1 s.*openai\.stall_s", sent=2),
)


class Reading(BaseModel):
    """What a model is asked for in these runs."""

    model_config = ConfigDict(extra="forbid")
    kind: str = Field(min_length=1)
    numbers: list[float]
    summary: str = Field(min_length=1)


def do(fault: Fault, server: OpenAIServer) -> None:
    """What the fault is about: a description of a picture, or vectors."""
    settings = Settings(openai=OpenAI(hosts=server.url, first_word_s=2, stall_s=1, retries=RETRIES))
    if fault.paths == EMBEDDING:
        texts = ["a fox", "یک روباه", "the mean of a distribution"]
        model = load_model("text_embedding", parse_model_name("openai:lab/tiny-embed"), settings)
        vectors = model.get_text_embedding_batch(texts)
        assert vectors == [model.get_text_embedding(text) for text in texts]
        assert all(math.isclose(math.hypot(*vector), 1.0, abs_tol=1e-6) for vector in vectors)
        return
    server.models[0].replies = lambda body, images: (
        f'{{"kind": "نمودار خطی", "numbers": [1.5, 2], "summary": "تصویر {len(images)} با یک خط سفید است."}}'
    )
    model = load_model("vision", parse_model_name("openai:lab/tiny-VL"), settings)
    reading, reply = ask_as(model, Reading, PROMPT, images=[picture()])
    assert reading.summary == "تصویر 1 با یک خط سفید است."
    assert reply.model == "openai:lab/tiny-VL" and reply.context_tokens == 8192


def hit(fault: Fault, server: OpenAIServer) -> int:
    """Requests the fault happened to."""
    return len([request for request in server.requests if request.fault is fault])


def test_every_fault_has_its_case() -> None:
    assert {case.fault for case in CASES} == set(Fault)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.fault.name)
def test_a_fault_that_stays(openai: OpenAIServer, case: Case) -> None:
    openai.fail(case.fault, times=math.inf, where=asked_for_work)
    if case.error is None:
        do(case.fault, openai)
        assert hit(case.fault, openai) >= 1
        return
    with pytest.raises(RagAppError) as caught:
        do(case.fault, openai)
    assert type(caught.value) is case.error
    assert re.search(case.says, str(caught.value)), str(caught.value)
    assert hit(case.fault, openai) == case.sent
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


@pytest.mark.parametrize("case", [case for case in CASES if case.sent > 1], ids=lambda case: case.fault.name)
def test_a_fault_that_happens_once_is_overcome_without_a_word(openai: OpenAIServer, case: Case) -> None:
    openai.fail(case.fault, where=asked_for_work)
    do(case.fault, openai)
    assert hit(case.fault, openai) == 1


def asked_for_work(request: object) -> bool:
    """Not the list of models, and not the requests by which it is seen whether a model sees."""
    body = getattr(request, "body", {})
    return bool(body.get("stream") or "input" in body)
