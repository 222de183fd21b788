"""Every fault of the server, and what has to come of it: the one table that tests and docs/ollama.md are made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
from tests.ollama_server import Fault

# How a fault is met: writing a description, embedding texts, listing models, fetching one.
Way = Literal["write", "embed", "list", "pull"]

RETRIES = 2  # settings.ollama.retries in all runs: a request is sent three times at most


@dataclass(frozen=True)
class Case:
    """What has to come of a fault that stays.

    error   its class; None: nothing, the work is done
    says    what its sentence has to match
    sent    requests of its kind that the server gets: 1 + RETRIES where asking again helps
    once    the fault happening a single time is overcome without a word
    model   the model that is asked
    """

    fault: Fault
    error: type[RagAppError] | None = None
    says: str = ""
    sent: int = 1
    once: bool = False
    model: str = "tinyvlm"
    way: Way = "write"

    @property
    def id(self) -> str:
        return self.fault.name


def repeated(fault: Fault, error: type[RagAppError], says: str, *, sent: int = 1 + RETRIES) -> Case:
    """A fault after which asking again may help."""
    return Case(fault, error, says, sent, once=True)


CASES = (
    # Refused before any work.
    Case(Fault.MODEL_MISSING, ModelNotInstalled, r"no model tinyvlm.*rag-app models pull tinyvlm"),
    Case(Fault.MODEL_MISSING_OLD, ModelNotInstalled, r"no model tinyvlm.*rag-app models pull tinyvlm"),
    Case(Fault.NOT_FOUND_PLAIN, RequestRefused, r"404 page not found.*check ollama\.host"),
    Case(Fault.METHOD_NOT_ALLOWED, RequestRefused, r"405 method not allowed.*check ollama\.host"),
    Case(Fault.TEXT_MODEL_IMAGE, ModelUnsuitable, r"tinyvlm reads no pictures.*vision model"),
    Case(Fault.TEXT_MODEL_IMAGE_OLD, ModelUnsuitable, r"tinyvlm reads no pictures.*vision model"),
    Case(Fault.IMAGES_IGNORED, ModelUnsuitable, r"tinytext reads no pictures.*tinyvlm", sent=0, model="tinytext"),
    Case(Fault.BAD_BASE64, RequestRefused, r"cannot read the picture.*illegal base64"),
    Case(Fault.DATA_URI, RequestRefused, r"cannot read the picture.*illegal base64"),
    Case(Fault.UNDECODABLE_IMAGE, RequestRefused, r"cannot read the picture.*Failed to load image"),
    Case(Fault.ANIMATED_WEBP, RequestRefused, r"cannot read the picture.*webp"),
    Case(Fault.ONE_IMAGE_ONLY, ModelUnsuitable, r"one picture at a time.*another model"),
    Case(Fault.ONE_IMAGE_ONLY_NEWER, ModelUnsuitable, r"one picture at a time.*another model"),
    Case(Fault.MLLAMA, ModelUnsuitable, r"cannot run tinyvlm.*another model, or Ollama 0\.24"),
    Case(Fault.CONTEXT_EXCEEDED, PromptTooLong, r"does not fit tinyvlm.*30015 tokens.*less text"),
    repeated(Fault.BUSY, ModelBusy, r"is busy.*ask again"),
    repeated(Fault.RUNNER_KILLED, ModelFailed, r"broke down.*signal: killed.*smaller model"),
    repeated(Fault.RUNNER_STOPPED, ModelFailed, r"broke down.*resource limitations.*smaller model"),
    Case(Fault.WEIGHTS_DAMAGED, ModelFailed, r"cannot load tinyvlm.*rag-app models pull tinyvlm"),
    repeated(Fault.REPEAT_LIMIT, IncompleteReply, r"round in circles", sent=2),
    repeated(Fault.HTML_502, ModelUnreachable, r"proxy.*502"),
    repeated(Fault.HTML_200, ModelUnreachable, r"does not answer as Ollama does.*ollama\.host", sent=2),
    Case(Fault.FORBIDDEN_EMPTY, RequestRefused, r"refuses access \(403\).*OLLAMA_ORIGINS"),
    Case(Fault.UNAUTHORIZED, RequestRefused, r"signed in.*ollama signin"),
    Case(Fault.CLOUD_DISABLED, RequestRefused, r"cloud, which is switched off.*on this machine"),
    repeated(Fault.TOO_MANY_REQUESTS, ModelBusy, r"too many requests.*later"),
    repeated(Fault.ERROR_IS_A_LIST, ModelFailed, r"failed in Ollama \(500.*went wrong"),
    # A whole reply, but not what was asked for.
    Case(Fault.TRUNCATED_PROMPT, PromptTooLong, r"read only \d+ tokens.*thrown away"),
    Case(Fault.LENGTH, IncompleteReply, r"cut off after \d+ tokens"),
    repeated(Fault.NOT_JSON, UnusableReply, r"did not give JSON.*another model", sent=2),
    repeated(Fault.WRONG_SHAPE, UnusableReply, r"did not give what was asked for.*another model", sent=2),
    repeated(Fault.EMPTY_REPLY, UnusableReply, r"another model", sent=2),
    repeated(Fault.LOAD_ONLY, UnusableReply, r"loaded but gave no reply", sent=2),
    repeated(Fault.UNLOAD_ONLY, UnusableReply, r"gave no reply", sent=2),
    Case(Fault.THINKING),
    # The reply breaks off or is framed in an unusual way.
    repeated(Fault.NO_DONE, IncompleteReply, r"stopped in the middle.*no end was sent", sent=2),
    repeated(Fault.ERROR_LINE, ModelFailed, r"broke down.*unexpected EOF"),
    repeated(Fault.CUT, ModelUnreachable, r"connection to Ollama.*broke"),
    repeated(Fault.RESET, ModelUnreachable, r"connection to Ollama.*broke"),
    repeated(Fault.CLOSED, ModelUnreachable, r"connection to Ollama.*broke"),
    repeated(Fault.HALF_LINE, IncompleteReply, r"stopped in the middle.*half a line"),
    Case(Fault.BLANK_LINES),
    Case(Fault.COALESCED),
    Case(Fault.SPLIT_OBJECT),
    Case(Fault.SPLIT_UTF8),
    Case(Fault.SLOW_FIRST_BYTE),
    Case(Fault.SILENT, ModelTimeout, r"no word within 2 s.*ollama\.first_word_s"),
    repeated(Fault.STALL, ModelTimeout, r"stalled.*2 s.*ollama\.stall_s", sent=2),
    # Vectors.
    Case(Fault.EMBED_NOT_SUPPORTED, ModelUnsuitable, r"makes no embeddings", model="tinyembed", way="embed"),
    Case(
        Fault.EMBED_EMPTY, UnusableReply, r"gave 0 vectors for \d+", sent=2, once=True, model="tinyembed", way="embed"
    ),
    Case(
        Fault.EMBED_TOO_FEW,
        UnusableReply,
        r"gave \d+ vectors for \d+",
        sent=2,
        once=True,
        model="tinyembed",
        way="embed",
    ),
    Case(Fault.EMBED_NOT_NORMALISED, model="tinyembed", way="embed"),
    # Lists of models, and fetching one.
    Case(Fault.SHOW_WITHOUT_CAPABILITIES, sent=5, way="list"),
    Case(Fault.TAGS_FAMILIES_NULL, sent=5, way="list"),
    Case(Fault.PULL_INTERLEAVED, model="newcomer", way="pull"),
    Case(Fault.PULL_ERROR, ModelUnreachable, r"could not reach.*registry", model="newcomer", way="pull"),
)

# Faults that nothing in rag-app can meet, and why; the server has them for clients that can.
NOT_MET = {Fault.CREATE_ERROR: "rag-app makes no models on a server"}
