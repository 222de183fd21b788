"""How much may be asked of a model at the same time, how often again, and how long: by its name and the settings."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from adapters.names import ModelName
from adapters.ollama import host as ollama_host
from adapters.openai_compatible import host as openai_host
from rag_app.settings import Settings


@dataclass(frozen=True, slots=True)
class Limits:
    """What the servers of a model are to be given.

    at_once         requests at the same time, over all its servers
    retries         times a request that may succeed later is sent again
    context_tokens  tokens that prompt and reply are made for
    """

    at_once: int
    retries: int
    context_tokens: int


def limits_of(name: ModelName, settings: Settings) -> Limits:
    """The limits of that model; one that runs in this process has those of `[ollama]`."""
    served = settings.openai if name.scheme == "openai" else settings.ollama
    return Limits(served.parallel * _servers(name, settings), served.retries, served.context_tokens)


def limited(name: ModelName, settings: Settings, *, at_once: int | None, retries: int | None) -> Settings:
    """The settings with other limits for that model; None leaves one as it is."""
    changed: dict[str, int] = {}
    if at_once is not None:
        changed["parallel"] = math.ceil(at_once / _servers(name, settings))
    if retries is not None:
        changed["retries"] = retries
    if name.scheme == "openai":
        return replace(settings, openai=replace(settings.openai, **changed))
    return replace(settings, ollama=replace(settings.ollama, **changed))


def _servers(name: ModelName, settings: Settings) -> int:
    if name.scheme == "ollama":
        return len(ollama_host.find(settings))
    return len(openai_host.find(settings)) if name.scheme == "openai" else 1
