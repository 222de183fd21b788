"""Models of servers that speak OpenAI's protocol in `rag-app models`: listed and shown."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from rag_app.cli.frame import Shown
from rag_app.errors import UsageError

if TYPE_CHECKING:
    from adapters.names import ModelName, Role
    from adapters.openai_compatible.catalogue import Answering, Offered
    from rag_app.settings import Settings


def state(role: Role, name: ModelName, settings: Settings) -> tuple[bool, str]:
    """Whether a server offers the model for this role, and where, or why not."""
    from adapters.names import load_model
    from adapters.openai_compatible.catalogue import answering
    from rag_app.errors import RagAppError

    try:
        load_model(role, name, settings).check()
        having = [one.url for one in answering(settings) if any(model.name == name.rest for model in one.models)]
    except RagAppError as exc:
        return False, str(exc)
    return True, f"at {', '.join(having)}"


def servers(settings: Settings) -> tuple[list[dict[str, object]], list[str]]:
    """The servers of openai.hosts as `--json` gives them, and in lines; nothing where the settings name none."""
    if not settings.openai.hosts.strip():
        return [], []
    from adapters.openai_compatible.catalogue import answering

    found = answering(settings)
    return [_document(one) for one in found], [line for one in found for line in ("", *_lines(one))]


def _document(server: Answering) -> dict[str, object]:
    if server.problem is not None:
        return {"address": server.url, "reachable": False, "message": str(server.problem), "models": []}
    return {"address": server.url, "reachable": True, "models": [dataclasses.asdict(one) for one in server.models]}


def _lines(server: Answering) -> list[str]:
    if server.problem is not None:
        return [str(server.problem)]
    width = max((len(one.name) for one in server.models), default=0)
    rows = [f"{one.name:{width}}  {_facts(one)}".rstrip() for one in server.models]
    return [f"OpenAI's protocol at {server.url}", *(rows or ["No model is offered."])]


def _facts(model: Offered) -> str:
    told = [f"{model.context_tokens:,} tokens" if model.context_tokens else ""]
    told.append("" if model.sees is None else "reads pictures" if model.sees else "reads no pictures")
    return ", ".join(one for one in told if one)


def show(name: ModelName, settings: Settings) -> Shown:
    """What the servers say of one model. Raises ModelNotInstalled, ModelUnreachable, SettingsError."""
    from adapters.openai_compatible.catalogue import answering, check

    check(name.rest, settings, pictures=False)
    having = {server.url: model for server in answering(settings) for model in server.models if model.name == name.rest}
    document = {"name": str(name), "servers": {url: dataclasses.asdict(model) for url, model in having.items()}}
    lines = [click.style(str(name), bold=True)]
    lines += [f"  at {url}  {_facts(model)}".rstrip() for url, model in having.items()]
    return Shown(document, "\n".join(lines))


def no_pull(name: ModelName) -> UsageError:
    """These servers fetch no model when asked."""
    return UsageError(
        f"{name} cannot be fetched from here: start its server with it, such as vllm serve {name.rest}, and see what "
        "is there: rag-app models."
    )
