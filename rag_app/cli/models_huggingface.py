"""Vision-language models of transformers in `rag-app models`: listed, shown, fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rag_app.cli.frame import Shown
from rag_app.cli.models import size

if TYPE_CHECKING:
    from adapters.names import ModelName


def state(name: ModelName) -> tuple[bool, str]:
    """Whether the model can be used here, and where its files are or what is missing; loads no weights."""
    from adapters.huggingface.files import locate
    from adapters.huggingface.naming import parse_source
    from adapters.names import load_model
    from rag_app.errors import RagAppError

    try:
        load_model("vision", name).check()
        found = locate(parse_source(name))
    except RagAppError as exc:
        return False, str(exc)
    return True, f"{size(found.size)} in {found.folder}"


def show(name: ModelName) -> Shown:
    """Where its files are, and what its adapter was trained on. Raises UnknownName, WeightsMissing, ModelUnsuitable."""
    import dataclasses

    from adapters.huggingface.files import fingerprint, locate
    from adapters.huggingface.naming import parse_source
    from adapters.names import load_model

    model = load_model("vision", name)
    model.check()
    source = parse_source(name)
    found = locate(source)
    document: dict[str, object] = {
        "name": model.name,
        "folder": str(found.folder),
        "size_bytes": found.size,
        "revision": found.revision,
        "fingerprint": fingerprint(found.weights),
    }
    facts = {
        "can": "completion, vision",
        "weights": f"{size(found.size)} in {found.folder}",
        "revision": found.revision or "",
        "fingerprint": str(document["fingerprint"]),
    }
    if source.adapter is not None:
        from adapters.lora.vision_language import read_origin

        origin = read_origin(source.adapter)
        document["adapter"] = {"folder": str(source.adapter), **dataclasses.asdict(origin)}
        facts |= {"adapter": str(source.adapter), "note": origin.note}
    lines = [click.style(model.name, bold=True)]
    lines += [f"  {what:11} {value}" for what, value in facts.items() if value]
    return Shown(document, "\n".join(lines))


def pull(name: ModelName) -> Shown:
    """Fetch its files."""
    from adapters.huggingface.naming import parse_source
    from adapters.huggingface.pulling import pull as fetch
    from rag_app.cli.progress import BytesBar

    with BytesBar(f"Fetching {name.rest}") as progress:
        found = fetch(parse_source(name), progress)
    return Shown(
        {"model": str(name), "folder": str(found.folder), "size_bytes": found.size, "revision": found.revision},
        f"{name} is ready: {size(found.size)} in {found.folder}",
    )
