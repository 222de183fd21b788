"""What the server says when it will not, as our errors. The words are those measured on real servers."""

from __future__ import annotations

import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.ollama.failures import NotOllama, Refusal, Silence, explain, said
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
    UnknownName,
)

URL = "http://127.0.0.1:11434"


def nested(message: str, kind: str = "invalid_request_error") -> str:
    return json.dumps({"error": json.dumps({"error": {"code": 400, "message": message, "type": kind}})})


def plain(message: str) -> str:
    return json.dumps({"error": message})


@pytest.mark.parametrize(
    ("status", "body", "error", "repeat"),
    [
        (404, plain("model 'nope' not found"), ModelNotInstalled, "never"),
        (404, plain('model "x" not found, try pulling it first'), ModelNotInstalled, "never"),
        (404, "404 page not found", RequestRefused, "never"),
        (405, "405 method not allowed", RequestRefused, "never"),
        (400, plain("invalid model name"), UnknownName, "never"),
        (
            400,
            nested("Multimodal data provided, but model does not support multimodal requests."),
            ModelUnsuitable,
            "never",
        ),
        (500, plain("this model is missing data required for image input"), ModelUnsuitable, "never"),
        (400, nested("Failed to load image or audio file"), RequestRefused, "never"),
        (500, plain("decode WebP image: webp: invalid format"), RequestRefused, "never"),
        (
            400,
            nested(
                "request (30015 tokens) exceeds the available context size (512 tokens), try increasing it",
                "exceed_context_size_error",
            ),
            PromptTooLong,
            "never",
        ),
        (400, plain("the input length exceeds the context length"), PromptTooLong, "never"),
        (
            400,
            plain("the prompt is longer than the context length currently available to the model; shorten it"),
            PromptTooLong,
            "never",
        ),
        (503, plain("server busy, please try again.  maximum pending requests exceeded"), ModelBusy, "always"),
        (429, plain("too many requests"), ModelBusy, "always"),
        (500, plain("llama-server process has terminated: signal: killed"), ModelFailed, "always"),
        (500, plain("model requires more system memory (8.4 GiB) than is available (4.2 GiB)"), ModelFailed, "never"),
        (500, plain("llama runner process has terminated: cudaMalloc failed: out of memory"), ModelFailed, "never"),
        (500, plain('tensor "x" offset+size 5 exceeds file size 4'), ModelFailed, "never"),
        (500, plain("unable to load model: unknown model architecture: 'mllama'"), ModelUnsuitable, "never"),
        (500, plain("unknown model architecture: 'new'"), ModelUnsuitable, "never"),
        (500, plain("prediction aborted, token repeat limit reached"), IncompleteReply, "once"),
        (500, plain("vision model only supports a single image per message"), ModelUnsuitable, "never"),
        (400, plain('"tinyembed" does not support chat'), ModelUnsuitable, "never"),
        (400, plain('"m" does not support thinking'), ModelUnsuitable, "never"),
        (400, plain("registry.ollama.ai/library/m:latest does not support tools"), ModelUnsuitable, "never"),
        (501, plain("This server does not support embeddings. Start it with `--embeddings`"), ModelUnsuitable, "never"),
        (400, plain('time: missing unit in duration "10"'), RequestRefused, "never"),
        (500, plain('option "temperature" must be of type float32'), RequestRefused, "never"),
        (
            401,
            json.dumps({"error": "unauthorized", "signin_url": "https://ollama.com/connect"}),
            RequestRefused,
            "never",
        ),
        (403, "", RequestRefused, "never"),
        (301, "", RequestRefused, "never"),
        (418, plain("teapot"), RequestRefused, "never"),
        (502, "<html><body><h1>502 Bad Gateway</h1></body></html>", ModelUnreachable, "always"),
        (500, "[1, 2]", ModelFailed, "always"),
        (500, "", ModelFailed, "always"),
        (200, plain("an error was encountered while running the model: unexpected EOF"), ModelFailed, "always"),
        (200, plain("pull model manifest: file does not exist"), ModelNotInstalled, "never"),
        (400, json.dumps({"error": {"message": "invalid image input", "type": "x"}}), RequestRefused, "never"),
    ],
)
def test_refusals(status: int, body: str, error: type[RagAppError], repeat: str) -> None:
    failure = explain(Refusal(status, body), model="m:7b", url=URL)
    assert type(failure.error) is error
    assert failure.repeat == repeat
    sentence = str(failure.error)
    assert "\n" not in sentence
    assert "m:7b" in sentence or URL in sentence or "keep_alive" in sentence


def test_mllama_says_what_to_do() -> None:
    failure = explain(Refusal(500, plain("unknown model architecture: 'mllama'")), model="llama3.2-vision", url=URL)
    assert str(failure.error) == (
        "Ollama 0.30 and later cannot run llama3.2-vision, which is of the mllama family: use another model, or Ollama "
        "0.24 or earlier."
    )


@pytest.mark.parametrize(
    ("exc", "error", "repeat", "says"),
    [
        (httpx.ConnectError("refused"), ModelUnreachable, "always", "ollama serve"),
        (httpx.ConnectTimeout("late"), ModelUnreachable, "always", "ollama serve"),
        (ConnectionError("Failed to connect"), ModelUnreachable, "always", "ollama serve"),
        (httpx.RemoteProtocolError("peer closed connection"), ModelUnreachable, "always", "peer closed"),
        (httpx.ReadError(""), ModelUnreachable, "always", "broke"),
        (httpx.WriteTimeout("late"), ModelTimeout, "once", "in time"),
        (Silence(600.0, first=True), ModelTimeout, "never", "600 s.*first_word_s"),
        (Silence(120.0, first=False), ModelTimeout, "once", "120 s.*stall_s"),
        (json.JSONDecodeError("x", "<html>", 0), ModelUnreachable, "once", "check ollama.host"),
        (NotOllama("x"), ModelUnreachable, "once", "check ollama.host"),
    ],
)
def test_connections(exc: Exception, error: type[RagAppError], repeat: str, says: str) -> None:
    failure = explain(exc, model="m", url=URL)
    assert (type(failure.error), failure.repeat) == (error, repeat)
    with pytest.raises(error, match=says):
        raise failure.error


def test_a_fault_of_our_own_is_not_blamed_on_the_server() -> None:
    with pytest.raises(ZeroDivisionError):
        explain(ZeroDivisionError(), model="m", url=URL)


def test_words_are_found_however_they_are_wrapped() -> None:
    assert said(nested("no")) == "no"
    assert said('{"error": {"message": "no", "type": "x"}}') == "no"
    assert said("<html><style>p {}</style><body><h1>502</h1>Bad <b>Gateway</b>") == "502 Bad Gateway"
    assert said("  ") == ""
    assert said('{"error": ') == '{"error":'
    assert len(said("x" * 5000)) < 400


@given(
    st.integers(300, 599),
    st.one_of(
        st.text(),
        st.recursive(
            st.none() | st.text() | st.integers(),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["error", "message", "x"]), inner, max_size=3)
            ),
        ).map(json.dumps),
    ),
)
def test_any_answer_is_one_sentence(status: int, body: str) -> None:
    failure = explain(Refusal(status, body), model="m", url=URL)
    assert isinstance(failure.error, RagAppError)
    assert 0 < len(str(failure.error)) < 700
