"""A model's files on this machine, and what tells its weights from others; needs no torch and fetches nothing."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import mmap
from dataclasses import dataclass
from pathlib import Path

from adapters.huggingface.naming import Source
from rag_app.errors import ModelUnsuitable, UnknownName, WeightsMissing

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
PROCESSOR = ("processor_config.json", "preprocessor_config.json")
_SAMPLES = 64  # values of each tensor that go into the fingerprint


@dataclass(frozen=True, slots=True)
class Files:
    """The files of one model.

    weights    safetensors files, in the order of their names
    revision   the hub's commit; None for a folder
    """

    folder: Path
    weights: tuple[Path, ...]
    revision: str | None

    @property
    def size(self) -> int:
        """Bytes of the weights."""
        return sum(file.stat().st_size for file in self.weights)


def locate(source: Source) -> Files:
    """The files behind `source`.

    Raises:
        UnknownName: no such folder.
        WeightsMissing: not in the cache, or not all of it; says how to fetch it.
        ModelUnsuitable: a folder that transformers did not save, or weights that are not safetensors.
    """
    if source.folder is not None:
        folder, revision = source.folder, None
        if not folder.is_dir():
            raise UnknownName(f"There is no folder {folder}; name one that transformers saved a model to.")
        if not (folder / CONFIG).is_file():
            raise ModelUnsuitable(
                f"{folder} has no {CONFIG}: it holds no model of transformers.{_adapter_hint(folder)}"
            )
    else:
        folder = _cached(source)
        revision = folder.name
    return Files(folder, _weights(folder, source), revision)


def fingerprint(weights: tuple[Path, ...]) -> str:
    """16 hex digits that tell these weights from others: of each tensor its name, type, shape and 64 spread values.

    Read from the files, so it is the same however the model is then loaded: in 4 bits, in bf16, on a GPU. How the
    tensors are divided among the files does not matter. Raises WeightsMissing for a damaged file.
    """
    lines = []
    for file in weights:
        try:
            with file.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as view:
                start = 8 + int.from_bytes(view[:8], "little")
                header = json.loads(view[8:start])
                for name, about in header.items():
                    if name != "__metadata__":
                        lines.append((name, _sampled(view, start, about)))
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise WeightsMissing(f"{file} is damaged or incomplete ({exc}): download or copy it again.") from exc
    digest = hashlib.sha256()
    for name, sample in sorted(lines):
        digest.update(name.encode())
        digest.update(sample)
    return digest.hexdigest()[:16]


def _sampled(view: mmap.mmap, start: int, about: dict[str, object]) -> bytes:
    begin, end = about["data_offsets"]  # pyright: ignore[reportGeneralTypeIssues]  # two numbers, by the format
    shape = about["shape"]
    if start + end > len(view):
        raise ValueError("it ends too early")
    count = 1
    for side in shape:  # pyright: ignore[reportGeneralTypeIssues]  # a list of numbers, by the format
        count *= side
    if not count:
        return f"{about['dtype']}{shape}".encode()
    width = (end - begin) // count
    step = max(1, count // _SAMPLES)
    values = (view[start + begin + at * width : start + begin + (at + 1) * width] for at in range(0, count, step))
    return f"{about['dtype']}{shape}".encode() + b"".join(
        value for value, _ in zip(values, range(_SAMPLES), strict=False)
    )


def _cached(source: Source) -> Path:
    if importlib.util.find_spec("huggingface_hub") is None:
        raise not_installed(source.name)
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.constants import HF_HUB_CACHE

    found = try_to_load_from_cache(source.repository, CONFIG)
    if not isinstance(found, str):
        raise WeightsMissing(
            f"{source.base} is not on this machine: it belongs in {HF_HUB_CACHE}. Run: rag-app models "
            f"pull {source.base}, or name a folder you have: hf:/path/to/folder."
        )
    return Path(found).parent


def _weights(folder: Path, source: Source) -> tuple[Path, ...]:
    again = f"Run: rag-app models pull {source.base}." if source.repository else "Copy or save the model again."
    index = folder / INDEX
    if (folder / WEIGHTS).is_file():
        return (folder / WEIGHTS,)
    if not index.is_file():
        if any(folder.glob("*.bin")):
            raise ModelUnsuitable(
                f"{folder} holds pickled weights (.bin), which are not opened: save them as .safetensors."
            )
        raise WeightsMissing(f"{folder} holds no {WEIGHTS}. {again}")
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, AttributeError) as exc:
        raise WeightsMissing(f"{index} cannot be read ({exc}). {again}") from exc
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise WeightsMissing(f"{folder} lacks {len(missing)} of {len(names)} weight files, {missing[0]} first. {again}")
    return tuple(folder / name for name in names)


def _adapter_hint(folder: Path) -> str:
    if (folder / "adapter_config.json").is_file():
        return f" It is a LoRA adapter: write it after its model, hf:OWNER/NAME+{folder}."
    return ""


def not_installed(name: str) -> ModelUnsuitable:
    return ModelUnsuitable(
        f"{name} needs torch, transformers and peft, which are not installed. Run: pip install 'rag-app[medical]'."
    )
