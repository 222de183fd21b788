"""What went wrong between us and the server, as one of our errors with a sentence, and whether to ask again.

The server says it in many ways: HTTP status and JSON, JSON whose `error` is itself JSON in a string, objects, plain
text, HTML, nothing; after the first byte as a line of the stream under status 200.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import httpx

from adapters.fleet import Failure
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
    UnusableReply,
)

MLLAMA = (
    "Ollama 0.30 and later cannot run {model}, which is of the mllama family: use another model, or Ollama 0.24 or "
    "earlier."
)
_SHOWN = 300  # characters of the server's own words in a sentence


class Refusal(Exception):
    """The server's own word that it will not: HTTP status (200 for an error inside a stream) and body."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body


class Silence(Exception):
    """Nothing came for `seconds`; `first`: not even a first word."""

    def __init__(self, seconds: float, *, first: bool) -> None:
        super().__init__(seconds, first)
        self.seconds = seconds
        self.first = first


class NotOllama(Exception):
    """What came is JSON, but not of a form that Ollama sends."""


class BrokenReply(Exception):
    """The reply cannot be taken as whole; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure.error))
        self.failure = failure


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
        return _refused(exc, model, url)
    if isinstance(exc, Silence):
        return _silent(exc, model, url)
    if isinstance(exc, (httpx.ConnectError, httpx.ConnectTimeout, ConnectionError)):
        return Failure(
            ModelUnreachable(
                f"No Ollama answers at {url}: start it with 'ollama serve', or set ollama.host or OLLAMA_HOST."
            ),
            "always",
        )
    if isinstance(exc, httpx.TimeoutException):
        return Failure(ModelTimeout(f"Ollama at {url} did not answer in time; ask again, or start it anew."), "once")
    if isinstance(exc, httpx.HTTPError):
        return Failure(
            ModelUnreachable(
                f"The connection to Ollama at {url} broke ({brief(str(exc)) or type(exc).__name__}); ask again."
            ),
            "always",
        )
    if isinstance(exc, (NotOllama, json.JSONDecodeError, UnicodeDecodeError)):
        return Failure(
            ModelUnreachable(f"What answers at {url} does not answer as Ollama does; check ollama.host."), "once"
        )
    raise exc


def explaining(model: str) -> Callable[[Exception, str], Failure]:
    """`explain` for one model, by exception and URL."""
    return lambda exc, url: explain(exc, model=model, url=url)


def broken(model: str, why: str, *, reseed: bool = True) -> BrokenReply:
    """A reply of `model` that ended before its end, worth one more try."""
    error = IncompleteReply(f"{model} stopped in the middle of its reply ({why}); ask again, or use another model.")
    return BrokenReply(Failure(error, "once" if reseed else "always", reseed))


def cut_short(model: str, max_tokens: int, context_tokens: int) -> BrokenReply:
    """A reply of `model` that reached its limit."""
    error = IncompleteReply(
        f"{model} was cut off after {max_tokens} tokens (context {context_tokens}); raise max_tokens, or ask for less."
    )
    return BrokenReply(Failure(error))


def unusable(model: str, why: str) -> BrokenReply:
    """A whole reply of `model` that is not what was asked for, worth one more try."""
    return BrokenReply(Failure(UnusableReply(f"{model} {why}; ask again, or use another model."), "once", True))


def said(body: str) -> str:
    """The server's own words in an error body: from JSON, JSON in a JSON string, objects, or plain text; "" for none.

    >>> said('{"error":"{\\\\"error\\\\":{\\\\"code\\\\":400,\\\\"message\\\\":\\\\"no\\\\"}}"}')
    'no'
    """
    text = body.strip()
    for _ in range(4):
        found = _inner(text)
        if found is None:
            break
        text = found
    if text[:1] == "<":
        return brief(re.sub(r"<[^>]*>", " ", re.sub(r"(?s)<(style|script)\b.*?</\1>", " ", text)))
    return brief(text)


def _inner(text: str) -> str | None:
    if text[:1] not in "{[":
        return None
    try:
        value: Any = json.loads(text)  # Any: JSON
    except (ValueError, RecursionError):
        return None
    while isinstance(value, dict):
        value = next((value[key] for key in ("error", "message", "detail") if value.get(key)), None)
    if isinstance(value, list):
        value = "; ".join(str(item) for item in value)
    return "" if value is None else str(value).strip()


def brief(text: str) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= _SHOWN else one_line[:_SHOWN] + " …"


def _silent(exc: Silence, model: str, url: str) -> Failure:
    if exc.first:  # asking again would cost as long again
        return Failure(
            ModelTimeout(
                f"{model} gave no word within {exc.seconds:g} s, loading and waiting included: use a smaller model, "
                "or raise ollama.first_word_s."
            )
        )
    return Failure(
        ModelTimeout(f"{model} stalled: no word for {exc.seconds:g} s; ask again, or raise ollama.stall_s."), "once"
    )


def _refused(exc: Refusal, model: str, url: str) -> Failure:
    words = said(exc.body)
    by_words = _by_words(words.lower(), words, model, exc.status)
    return by_words or _by_status(exc, words, model, url)


# What the server's words say, whatever the status: the same words come as 400, 500, or inside a stream.
_NO_PICTURES = (
    "does not support multimodal",
    "missing data required for image",
    "does not support image",
    "no support for image",
    "does not support vision",
)
_ONE_PICTURE = ("single image per message", "only supports one image")
_TOO_LONG = (
    "exceeds the available context size",
    "exceed_context_size",
    "prompt is longer than the context",
    "input length exceeds",
    "exceeds maximum context length",
    "exceeds the context length",
    "too large to process",
)
_MEMORY = (
    "requires more system memory",
    "out of memory",
    "cudamalloc failed",
    "insufficient memory",
    "unable to allocate",
    "failed to allocate",
)
_BAD_PICTURE = (
    "failed to load image",
    "invalid image input",
    "illegal base64",
    "decode webp",
    "unknown format",
    "failed to process image",
)
_DIED = (
    "process has terminated",
    "has unexpectedly stopped",
    "process no longer running",
    "unexpected eof",
    "connection reset",
    "connection refused",
    "forcibly closed",
    "broken pipe",
)
_DAMAGED = (
    "exceeds file size",
    "invalid file magic",
    "unable to load model",
    "failed to load model",
    "digest mismatch",
)


def _by_words(lower: str, words: str, model: str, status: int) -> Failure | None:
    def has(*signs: str) -> bool:
        return any(sign in lower for sign in signs)

    if has("'mllama'", "architecture: mllama"):
        return Failure(ModelUnsuitable(MLLAMA.format(model=model)))
    if has("unknown model architecture", "unsupported architecture"):
        return Failure(
            ModelUnsuitable(f"This Ollama cannot run {model} ({words}): update Ollama, or use another model.")
        )
    if has("repeat limit"):
        return broken(model, "it went round in circles").failure
    if has(*_NO_PICTURES):
        return Failure(ModelUnsuitable(f"{model} reads no pictures: use a vision model."))
    if has(*_ONE_PICTURE):
        return Failure(ModelUnsuitable(f"{model} reads one picture at a time: ask with one, or use another model."))
    if has("does not support chat", "does not support generate", "does not support completion"):
        return Failure(ModelUnsuitable(f"{model} writes no text, it only embeds: use another model."))
    if has("does not support embeddings", "does not support embed"):
        return Failure(ModelUnsuitable(f"{model} makes no embeddings: use an embedding model, such as bge-m3."))
    if has("does not support thinking", "does not support tools", "does not support insert"):
        what = "thinking" if "thinking" in lower else "tools" if "tools" in lower else "insertion"
        return Failure(ModelUnsuitable(f"{model} does not support {what}: leave it out, or use another model."))
    if has(*_TOO_LONG):
        return Failure(
            PromptTooLong(f"The prompt does not fit {model} ({words}); ask with less text or fewer pictures.")
        )
    if has(*_BAD_PICTURE):
        return Failure(
            RequestRefused(f"Ollama cannot read the picture sent to {model} ({words}); try another picture.")
        )
    if has(*_MEMORY):
        return Failure(
            ModelFailed(
                f"There is not enough memory for {model} ({words}): use a smaller model, lower ollama.context_tokens, "
                "or stop other models with 'ollama stop'."
            )
        )
    if has("model") and has("not found"):
        return Failure(ModelNotInstalled(f"Ollama has no model {model}. Get it: rag-app models pull {model}"))
    if has("file does not exist") and "manifest" in lower:
        return Failure(
            ModelNotInstalled(f"No model is called {model}; see https://ollama.com/library for the names there are.")
        )
    if has("invalid model name", "model is required"):
        return Failure(UnknownName(f"{model!r} is no name of an Ollama model; write it as gemma3:4b."))
    # Before the words of a broken runner: "max retries exceeded: unexpected EOF" is a download's.
    if status == 200 and has("dial tcp", "no such host", "tls handshake", "i/o timeout", "max retries exceeded"):
        return Failure(
            ModelUnreachable(
                f"Ollama could not reach the models' registry ({words}); check its network, and ask again."
            )
        )
    if has("cloud") and has("disabled"):
        return Failure(
            RequestRefused(
                f"{model} runs in Ollama's cloud, which is switched off at this server ({words}); use a model that "
                "runs on this machine."
            ),
            elsewhere=True,
        )
    if has(*_DIED):
        return Failure(
            ModelFailed(
                f"{model} broke down in Ollama ({words}); ask again, use a smaller model, or look into Ollama's log."
            ),
            "always",
        )
    if has(*_DAMAGED):
        return Failure(
            ModelFailed(f"Ollama cannot load {model} ({words}); fetch it again: rag-app models pull {model}")
        )
    if has("duration"):
        return Failure(
            RequestRefused(f"Ollama does not take this keep_alive ({words}); write it as 5m, 1h30m, 0 or -1.")
        )
    if has("invalid format", "failed to parse grammar", "must be of type", "cannot unmarshal", "json schema"):
        return Failure(RequestRefused(f"Ollama does not take this request to {model} ({words}); check its options."))
    if has("signin", "sign in", "unauthorized"):
        return _sign_in(model)
    if has("no space left"):
        return Failure(ModelFailed(f"The disk of the Ollama server is full ({words}); make room and ask again."))
    return None


def _sign_in(model: str) -> Failure:
    return Failure(
        RequestRefused(
            f"{model} needs you to be signed in: run 'ollama signin' where Ollama runs, set OLLAMA_API_KEY, or use a "
            "model that runs on this machine."
        ),
        elsewhere=True,
    )


def _by_status(exc: Refusal, words: str, model: str, url: str) -> Failure:
    status, note = exc.status, f" ({words})" if words else ""
    shown = words if words.startswith(str(status)) else f"{status}{note}"  # "404 page not found" says it itself
    if status == 503:
        return Failure(ModelBusy(f"Ollama at {url} is busy{note}; ask again in a while."), "always")
    if status == 429:
        return Failure(ModelBusy(f"Ollama at {url} has had too many requests{note}; ask again later."), "always")
    if status in {502, 504}:
        return Failure(
            ModelUnreachable(f"The proxy at {url} does not reach Ollama ({shown}); ask again, or check it."),
            "always",
        )
    if status == 401:
        return _sign_in(model)
    if status == 403:
        return Failure(
            RequestRefused(
                f"Ollama at {url} refuses access (403){note}: behind a proxy, pass the Host header on or set "
                "OLLAMA_ORIGINS at the server."
            ),
            elsewhere=True,
        )
    if status in {404, 405} or 300 <= status < 400:
        return Failure(
            RequestRefused(
                f"What answers at {url} does not know this request ({shown}): check ollama.host, or update Ollama."
            ),
            elsewhere=True,
        )
    if status == 501:
        return Failure(ModelUnsuitable(f"{model} cannot do this{note}; use another model."))
    if status >= 500:
        return Failure(ModelFailed(f"{model} failed in Ollama ({shown}); ask again."), "always")
    if status >= 400:
        return Failure(RequestRefused(f"Ollama does not accept this request to {model} ({shown})."))
    return Failure(ModelFailed(f"{model} failed in the middle of its reply{note}; ask again."), "always")
