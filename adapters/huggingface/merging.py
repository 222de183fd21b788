"""A tuned model as an ordinary model folder: adapter merged into the weights, all other files as the base has them."""

# torch, transformers and peft come with the medical extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from adapters.huggingface import files
from adapters.huggingface.loading import Parts, load
from adapters.huggingface.naming import Source
from adapters.huggingface.pixels import budget, write_budget
from adapters.huggingface.silence import silent_libraries
from adapters.lora.vision_language import merge_adapter
from rag_app.errors import ModelUnsuitable, UsageError

# Of a model's folder: what is needed beside the weights, to read, to convert and to ask it.
_OTHERS = ("*.json", "*.jinja", "*.model", "*.txt")


def merge(source: Source, out: Path) -> Path:
    """Write the model `source`, with its adapter merged, to the folder `out`, which appears only when it is whole.

    Its weights have the base's names and type. Its configuration, tokenizer and processor are the base's own files:
    transformers would write them in its newest form, which converters misread without saying so. Only the pixel budget
    in them is the adapter's.

    Raises:
        UsageError: no adapter is named, or `out` holds something already.
        ModelUnsuitable: 4 bits; an adapter of another model; weights that would get other names.
    """
    if source.adapter is None:
        raise UsageError(f"{source.name} has no adapter to merge; name one, {source.base}+DIR.")
    if source.quantised:
        raise ModelUnsuitable(
            "An adapter is not merged into 4-bit weights, which would round it away; leave out #4bit."
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} holds something already: choose another folder with --out, or remove it.")
    parts = load(source, device="cpu")
    base = files.locate(source)
    merged = merge_adapter(parts.model).to(_type(parts))
    out.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        with silent_libraries():
            merged.save_pretrained(str(scratch))
        written = sorted(scratch.glob("*.safetensors"))
        _check_names(base.weights, tuple(written), source)
        kept = {file.name for file in written} | {files.INDEX}
        for file in scratch.iterdir():
            if file.name not in kept:
                file.unlink()
        for pattern in _OTHERS:
            for file in base.folder.glob(pattern):
                if file.name != files.INDEX and not file.name.startswith("adapter_"):
                    shutil.copyfile(file, scratch / file.name)
        seen = budget(parts.processor)
        if seen is not None:
            write_budget(scratch, seen)
        if out.exists():
            out.rmdir()
        scratch.chmod(0o755)
        scratch.replace(out)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    return out


def _type(parts: Parts) -> object:
    """The torch type of the base model's own weights."""
    import torch

    config = json.loads((parts.folder / files.CONFIG).read_text(encoding="utf-8"))
    named = config.get("dtype") or config.get("torch_dtype") or config.get("text_config", {}).get("dtype")
    return getattr(torch, named) if isinstance(named, str) else torch.float32


def _check_names(base: tuple[Path, ...], merged: tuple[Path, ...], source: Source) -> None:
    from safetensors import safe_open

    def names(weights: tuple[Path, ...]) -> set[str]:
        found: set[str] = set()
        for file in weights:
            with safe_open(file, "pt") as opened:
                found |= set(opened.keys())
        return found

    lost = sorted(names(base) - names(merged))
    if lost:
        raise ModelUnsuitable(
            f"Merged, {len(lost)} weights of {source.base} have no more the names it has them under ({lost[0]} first), "
            "so no other program would find them. Load the base from its hub files, not from a copy."
        )
