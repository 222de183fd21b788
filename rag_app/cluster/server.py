"""What runs on a node for a question to a model: the request to the node's own server."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from adapters.names import load_model, parse_model_name
from adapters.ollama import host as ollama_host
from adapters.openai_compatible import host as openai_host
from rag_app.cluster.node import Refused, node_address, refused
from rag_app.errors import RagAppError
from rag_app.models import LanguageModel, Reply
from rag_app.settings import Settings


class Server:
    """The servers that a node's settings and environment name; a Ray actor with one thread a question.

    Our errors are results here: Ray would wrap them.
    """

    def key(self, settings: Settings, wanted: Mapping[str, str]) -> str | Refused:
        """What tells these servers from those of other nodes: their addresses, with the node's where it is itself.

        wanted: the driver's `versions`.
        """
        if (other := refused(wanted)) is not None:
            return other
        found = [*ollama_host.find(settings), *(openai_host.find(settings) if settings.openai.hosts else ())]
        return " ".join(f"{node_address() if one.loopback else ''} {one.url}" for one in found)

    def check(self, name: str, settings: Settings, pictures: bool) -> RagAppError | None:
        """See `LanguageModel.check`."""
        try:
            _model(name, settings).check(pictures=pictures)
        except RagAppError as exc:
            return exc
        return None

    def ask(self, name: str, settings: Settings, prompt: str, options: Mapping[str, Any]) -> Reply | RagAppError:
        """See `LanguageModel.ask`, whose keyword arguments the options are."""
        try:
            return _model(name, settings).ask(prompt, **options)
        except RagAppError as exc:
            return exc


@lru_cache(maxsize=8)
def _model(name: str, settings: Settings) -> LanguageModel:
    return load_model("vision", parse_model_name(name), settings)
