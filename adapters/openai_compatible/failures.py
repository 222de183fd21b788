"""What went wrong between us and a server, as one of our errors with a sentence, and whether to ask again.

The words are those of vLLM, llama.cpp and LM Studio; others are told by their HTTP status.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx

from adapters.fleet import Failure
from adapters.ollama.failures import BrokenReply, Refusal, Silence, brief, said
from adapters.openai_compatible.host import KEY
from adapters.openai_compatible.server import NotOpenAI
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


def explaining(model: str) -> Callable[[Exception, str], Failure]:
    """`explain` for one model, by exception and URL."""
    return lambda exc, url: explain(exc, model=model, url=url)


def explain(exc: Exception, *, model: str, url: str) -> Failure:
    """The failure that `exc`, raised while asking `model` at `url`, stands for.

    Raises `exc` itself when it is none of the server's or the connection's.
    """
    if isinstance(exc, BrokenReply):
        return exc.failure
    if isinstance(exc, RagAppError):  # of a question before, about the model
        lost = isinstance(exc, (ModelUnreachable, ModelBusy, ModelFailed))
        return Failure(exc, "always" if lost else "once" if isinstance(exc, ModelTimeout) else "never")
    if isinstance(exc, Refusal):
        words = said(exc.body)
        return _by_words(words.lower(), words, model, exc.status) or _by_status(exc.status, words, model, url)
    if isinstance(exc, Silence):
        return _silent(exc, model)
    if isinstance(exc, (httpx.ConnectError, httpx.ConnectTimeout)):
        return Failure(ModelUnreachable(f"No server answers at {url}: start it, or correct openai.hosts."), "always")
    if isinstance(exc, httpx.TimeoutException):
        return Failure(
            ModelTimeout(f"The server at {url} did not answer in time; ask again, or start it anew."), "once"
        )
    if isinstance(exc, httpx.HTTPError):
        why = brief(str(exc)) or type(exc).__name__
        return Failure(ModelUnreachable(f"The connection to the server at {url} broke ({why}); ask again."), "always")
    if isinstance(exc, (NotOpenAI, json.JSONDecodeError, UnicodeDecodeError)):
        text = f"What answers at {url} does not answer as OpenAI's protocol has it; check openai.hosts."
        return Failure(ModelUnreachable(text), "once")
    raise exc


def cut_short(model: str, max_tokens: int, *, thought: bool) -> BrokenReply:
    """A reply of `model` that reached its limit, or the end of the server's context."""
    if thought:
        text = (
            f"{model} spent its {max_tokens} tokens on thinking; raise max_tokens, or switch thinking off where it is "
            "served."
        )
    else:
        text = f"{model} was cut off after at most {max_tokens} tokens; raise max_tokens, or ask for less."
    return BrokenReply(Failure(IncompleteReply(text)))


def withheld(model: str, why: str) -> BrokenReply:
    """A reply that `model` or its server does not give."""
    return BrokenReply(Failure(UnusableReply(f"{model} gave no reply ({why}); ask otherwise, or use another model.")))


def _silent(exc: Silence, model: str) -> Failure:
    if exc.first:  # asking again would cost as long again
        return Failure(
            ModelTimeout(
                f"{model} gave no word within {exc.seconds:g} s, waiting included: ask less at the same time "
                "(openai.parallel), or raise openai.first_word_s."
            )
        )
    return Failure(
        ModelTimeout(f"{model} stalled: no word for {exc.seconds:g} s; ask again, or raise openai.stall_s."), "once"
    )


_NO_PICTURES = (
    "at most 0 image",
    "image input is not supported",
    "not a multimodal model",
    "does not support image",
    "does not support multimodal",
    "multimodal data provided, but model does not support",
    "unknown part type: image_url",
    "no chat template content for image",
)
_TOO_LONG = (
    "maximum context length",
    "exceeds the available context size",
    "exceed_context_size",
    "context_length_exceeded",
    "context length of only",
    "prompt is too long",
    "longer than the maximum model length",
    "too large to process",
    "input length exceeds",
    "exceeds the context length",
)
_BAD_PICTURE = (
    "failed to load image",
    "cannot identify image",
    "invalid image",
    "failed to decode image",
    "illegal base64",
)
_NO_VECTORS = (
    "does not support embeddings",
    "does not support embedding",
    "embeddings api",
    "this endpoint is not supported by this model",
)
_NO_TEXT = (
    "does not support chat completions",
    "does not support chat",
    "does not support completion",
    "chat template",
    "does not support generation",
)


def _by_words(lower: str, words: str, model: str, status: int) -> Failure | None:
    def has(*signs: str) -> bool:
        return any(sign in lower for sign in signs)

    if has(*_NO_PICTURES):
        return Failure(ModelUnsuitable(f"{model} reads no pictures: use a vision model."))
    if has("image(s) may be provided", "only supports one image", "single image per"):
        return Failure(
            ModelUnsuitable(f"{model} takes fewer pictures than were sent ({words}): raise that where it is served.")
        )
    if has(*_TOO_LONG):
        return Failure(
            PromptTooLong(
                f"The prompt does not fit {model} ({words}); ask with less text or fewer pictures, or lower "
                "openai.context_tokens to the context it is served with."
            )
        )
    if has(*_BAD_PICTURE):
        text = f"The server cannot read the picture sent to {model} ({words}); try another picture."
        return Failure(RequestRefused(text))
    if has(*_NO_VECTORS):
        return Failure(ModelUnsuitable(f"{model} makes no embeddings ({words}): use an embedding model."))
    if has(*_NO_TEXT):
        return Failure(ModelUnsuitable(f"{model} cannot be asked in a chat ({words}): use another model."))
    if status in {400, 404, 422} and "model" in lower and has("does not exist", "not found", "no such model"):
        return Failure(
            ModelNotInstalled(f"The server has no model {model} ({words}). See what is there: rag-app models")
        )
    if has("grammar", "json schema", "json_schema", "response_format", "structured output", "guided decoding"):
        text = f"The server does not take the form that was asked of {model} ({words}); use another server or model."
        return Failure(RequestRefused(text))
    if has("out of memory", "cuda error", "cudamalloc", "failed to allocate"):
        text = f"{model} ran out of memory at its server ({words}); ask again, or serve it with a smaller context."
        return Failure(ModelFailed(text), "always")
    return None


def _by_status(status: int, words: str, model: str, url: str) -> Failure:
    note = f" ({words})" if words else ""
    shown = words if words.startswith(str(status)) else f"{status}{note}"
    if status == 503:  # llama.cpp while it loads, too
        return Failure(ModelBusy(f"The server at {url} is busy{note}; ask again in a while."), "always")
    if status == 429:
        return Failure(ModelBusy(f"The server at {url} has had too many requests{note}; ask again later."), "always")
    if status in {502, 504}:
        text = f"The proxy at {url} does not reach the server ({shown}); ask again, or check it."
        return Failure(ModelUnreachable(text), "always")
    if status in {401, 403}:
        text = f"The server at {url} refuses access ({shown}): set {KEY} to its key."
        return Failure(RequestRefused(text), elsewhere=True)
    if status in {404, 405} or 300 <= status < 400:
        text = f"What answers at {url} does not know this request ({shown}): check openai.hosts and its path."
        return Failure(RequestRefused(text), elsewhere=True)
    if status == 501:
        return Failure(ModelUnsuitable(f"{model} cannot do this{note}; use another model."))
    if status >= 500:
        return Failure(ModelFailed(f"{model} failed at its server ({shown}); ask again."), "always")
    if status >= 400:
        return Failure(RequestRefused(f"The server does not accept this request to {model} ({shown})."))
    return Failure(ModelFailed(f"{model} failed in the middle of its reply{note}; ask again."), "always")
