"""CLIP models of open_clip in `rag-app models`: listed, shown, fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rag_app.cli.frame import Shown
from rag_app.cli.models import size

if TYPE_CHECKING:
    from pathlib import Path

    from adapters.names import ModelName


def state(name: ModelName) -> tuple[bool, str]:
    """Whether a CLIP model can be used here, and where its weights are or what is missing; loads no weights."""
    from rag_app.errors import RagAppError

    try:
        weights = _weights(name)
    except RagAppError as exc:
        return False, str(exc)
    return True, f"{size(weights.stat().st_size)} in {weights}"


def _weights(name: ModelName) -> Path:
    """Its weights file. Raises ModelUnsuitable where open_clip is not installed, UnknownName, WeightsMissing."""
    from adapters.names import load_model

    load_model("image_embedding", name)
    from adapters.open_clip.naming import parse_source
    from adapters.open_clip.weights import locate
    from adapters.torchvision_shim import ensure_torchvision

    ensure_torchvision()
    return locate(parse_source(name)).weights


def show(name: ModelName) -> Shown:
    """Where its weights are and what it can do. Raises as `_weights`."""
    from adapters.names import load_model

    weights = _weights(name)
    model = load_model("image_embedding", name)
    languages = None if model.languages is None else sorted(model.languages)
    count = weights.stat().st_size
    document = {
        "name": model.model_name,
        "weights": str(weights),
        "size_bytes": count,
        "embedding_length": model.dimensions,
        "languages": languages,
    }
    facts = {
        "weights": f"{size(count)} in {weights}",
        "embedding": f"{model.dimensions:,} numbers",
        "languages": "any" if languages is None else ", ".join(languages) or "takes no words",
    }
    lines = [click.style(model.model_name, bold=True), *(f"  {what:11} {value}" for what, value in facts.items())]
    return Shown(document, "\n".join(lines))


def pull(name: ModelName) -> Shown:
    """Fetch its weights and tokenizer."""
    from adapters.names import load_model
    from rag_app.cli.progress import BytesBar

    load_model("image_embedding", name)  # says what is not installed
    from adapters.open_clip.pulling import pull as fetch

    with BytesBar(f"Fetching {name.rest}") as progress:
        weights = fetch(str(name), progress)
    count = weights.stat().st_size
    return Shown(
        {"model": str(name), "weights": str(weights), "size_bytes": count},
        f"{name} is ready: {size(count)} in {weights}",
    )
