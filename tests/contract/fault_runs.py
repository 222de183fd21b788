"""Meeting each fault through the code that users run, and what came of it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from adapters.names import load_model, parse_model_name
from adapters.ollama import catalogue
from rag_app.errors import RagAppError
from rag_app.models import LanguageModel, ask_as
from rag_app.settings import Ollama, Settings
from tests.contract.fault_cases import RETRIES, Case, Way
from tests.contract.pictures import picture
from tests.ollama_server import Model, OllamaServer, tiny_models

USUAL = "http://127.0.0.1:11434"
PATHS: dict[Way, tuple[str, ...]] = {
    "write": ("/api/chat", "/api/generate"),
    "embed": ("/api/embed",),
    "list": ("/api/tags", "/api/show"),
    "pull": ("/api/pull",),
}
PROMPT = "Describe the figure exactly: its kind, its axes with their units, each series, and what can be read. " * 12


class Reading(BaseModel):
    """What a model is asked for in these runs."""

    model_config = ConfigDict(extra="forbid")
    kind: str = Field(min_length=1)
    numbers: list[float]
    summary: str = Field(min_length=1)


@dataclass(frozen=True)
class Outcome:
    """What came of a case: the error's class and sentence, or neither; and the requests that were sent."""

    error: type[RagAppError] | None
    sentence: str
    sent: int


def settings_for(server: OllamaServer) -> Settings:
    return Settings(ollama=Ollama(host=server.url, first_word_s=2, stall_s=2, retries=RETRIES))


def fresh_server() -> OllamaServer:
    """A server that answers late enough to notice but not to fail, and can fetch one more model."""
    models = tiny_models()
    models[0].replies = _in_persian
    return OllamaServer(models, pullable=[Model("newcomer", {"completion"})], slow_s=0.3)


def _in_persian(body: dict[str, object], images: list[bytes]) -> str:
    """A reply with letters of several bytes, of the form that is asked for."""
    return f'{{"kind": "نمودار خطی", "numbers": [1.5, 2], "summary": "تصویر {len(images)} با یک خط سفید است."}}'


@functools.cache
def met(case: Case, *, times: float = math.inf) -> Outcome:
    """Do what the case is about while its fault happens `times` times."""
    with fresh_server() as server:
        server.fail(case.fault, times=times, where=lambda request: request.path in PATHS[case.way])
        error: RagAppError | None = None
        try:
            DO[case.way](case, settings_for(server))
        except RagAppError as exc:
            error = exc
        sent = [request for request in server.requests if request.path in PATHS[case.way]]
        sentence = str(error).replace(server.url, USUAL) if error else ""
        return Outcome(type(error) if error else None, sentence, len(sent))


def _write(case: Case, settings: Settings) -> None:
    model: LanguageModel = load_model("vision", parse_model_name(f"ollama:{case.model}"), settings)
    reading, reply = ask_as(model, Reading, PROMPT, images=[picture()])
    assert reading.kind == "نمودار خطی"
    assert reading.summary == "تصویر 1 با یک خط سفید است."
    assert reply.model == "ollama:tinyvlm"


def _embed(case: Case, settings: Settings) -> None:
    model = load_model("text_embedding", parse_model_name(f"ollama:{case.model}"), settings)
    vectors = model.get_text_embedding_batch(["a fox", "یک روباه", "the mean of a distribution"])
    assert len(vectors) == 3
    assert all(math.isclose(math.hypot(*vector), 1.0, abs_tol=1e-3) for vector in vectors)


def _list(case: Case, settings: Settings) -> None:
    installed = {model.name: model for model in catalogue.installed(settings)}
    assert set(installed) == {"tinyvlm", "tinytext", "tinyembed"}
    assert "vision" in installed["tinyvlm"].capabilities
    assert "vision" not in installed["tinytext"].capabilities
    assert "embedding" in installed["tinyembed"].capabilities
    load_model("vision", parse_model_name("ollama:tinyvlm"), settings).check(pictures=True)


def _pull(case: Case, settings: Settings) -> None:
    seen: list[tuple[str, int, int]] = []
    catalogue.pull(case.model, settings, lambda *progress: seen.append(progress))
    done = [completed for _, completed, _ in seen]
    assert done == sorted(done), "progress never goes back"
    assert all(completed <= total for _, completed, total in seen)
    assert done[-1] == seen[-1][2] > 0
    assert case.model in {model.name for model in catalogue.installed(settings)}


DO: dict[Way, Callable[[Case, Settings], None]] = {"write": _write, "embed": _embed, "list": _list, "pull": _pull}
