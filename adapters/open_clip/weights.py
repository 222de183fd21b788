"""From a Source to files on this machine: which architecture, which weights, how pictures must be prepared for them.

Nothing is fetched. What is missing is told in one sentence: which file, how large, where it belongs, how to name
another.
"""

# open_clip and torch come with the clip extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

import difflib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters.open_clip import hub
from adapters.open_clip.naming import SUFFIXES, Source
from rag_app.errors import ModelUnsuitable, UnknownName, WeightsMissing

CONFIG = "open_clip_config.json"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "sentencepiece.bpe.model", "vocab.json")  # one is there
# Millions of parameters of architectures whose text tower open_clip describes only by a hub name; the others are
# counted. Source: open_clip's docs/model_profile.csv; the two -siglip are sums of towers listed there.
_MILLIONS = {
    "roberta-ViT-B-32": 212.7,
    "coca_roberta-ViT-B-32": 420.4,
    "mt5-base-ViT-B-32": 365.7,
    "mt5-xl-ViT-H-14": 2306.8,
    "xlm-roberta-base-ViT-B-32": 366.1,
    "xlm-roberta-large-ViT-H-14": 1193.0,
    "nllb-clip-base": 501.9,
    "nllb-clip-base-siglip": 507.5,
    "nllb-clip-large": 1399.2,
    "nllb-clip-large-siglip": 1195.5,
}


@dataclass(frozen=True, slots=True)
class Plan:
    """Files that are there, as open_clip is to load them.

    architecture  the name to give open_clip: built in, "local-dir:..." or "hf-hub:..."
    weights       the checkpoint file
    config        model configuration: embed_dim, vision_cfg, text_cfg; languages where a folder's config lists them
    preprocess    mean, std, interpolation, ... that belong to the weights; empty where open_clip finds them itself
    quick_gelu    these weights need QuickGELU whatever the architecture's default (open_clip only warns)
    """

    architecture: str
    weights: Path
    config: Mapping[str, Any]  # Any: JSON
    preprocess: Mapping[str, Any]  # Any: JSON
    quick_gelu: bool = False


def model_config(source: Source) -> Mapping[str, Any]:  # Any: JSON
    """The model's configuration; needs no weights. Raises UnknownName with near names, WeightsMissing."""
    if source.kind == "folder":
        return _folder_config(_path(source), source)
    if source.kind == "hub":
        file = hub.cached(source.repository, CONFIG)
        if file is None:
            raise _missing(source, f"{CONFIG} and the weights of {source.repository}", None)
        return _folder_config(file.parent, source)
    from open_clip.factory import get_model_config, list_models

    config = get_model_config(source.architecture)
    if config is None:
        known = list_models()
        near = _near(source.architecture, known)
        raise UnknownName(
            f"open_clip knows no architecture {source.architecture!r}{near}. "
            f"It knows {len(known)}, such as ViT-B-32, ViT-L-14 and ViT-B-32-SigLIP2-256."
        )
    return config


def locate(source: Source) -> Plan:
    """The files behind `source`.

    Raises:
        UnknownName: no such architecture, tag or folder; with the nearest that exist.
        WeightsMissing: a known model whose weights, or whose tokenizer, are not on this machine.
        ModelUnsuitable: a folder whose configuration cannot be read.
    """
    config = model_config(source)
    if source.kind == "folder":
        folder = _path(source)
        plan = Plan(f"local-dir:{folder}", _weights_in(folder, source), config, {})
        _check_text_files(source, config, folder)
        return plan
    if source.kind == "hub":
        weights = hub.cached(source.repository, *_names_of_default())
        if weights is None:
            raise _missing(source, f"{_names_of_default()[0]} of {source.repository}", _size(config, ""))
        _check_text_files(source, config, None)
        return Plan(f"hf-hub:{source.repository}", weights, config, {})
    if source.kind == "file":
        path = _path(source)
        if not path.is_file():
            raise WeightsMissing(f"There is no file {path}: name one that exists after {source.architecture}@.")
        _check_text_files(source, config, None)
        # A bare file says nothing of its pictures: SigLIP's are told by their architecture, as open_clip's tags do.
        return Plan(source.architecture, path, config, _usual_preprocess(source.architecture))
    tag = _tag_config(source)
    repository, file = _repository(tag)
    weights = hub.cached(repository, *file)
    if weights is None:
        raise _missing(source, f"{file[0]} of {repository}", _size(config, source.architecture))
    _check_text_files(source, config, None)
    return Plan(source.architecture, weights, config, tag, quick_gelu=bool(tag.get("quick_gelu")))


def needed_files(source: Source) -> list[tuple[str, tuple[str, ...]]]:
    """What `pull` has to fetch: (repository, names of one file of which the first that exists is enough)."""
    if source.kind == "hub":
        return [(source.repository, (CONFIG,)), (source.repository, _names_of_default())]
    if source.kind != "tag":
        raise UnknownName(f"{source.name} is on this machine already; there is nothing to pull.")
    return [_repository(_tag_config(source))]


def text_repositories(config: Mapping[str, Any]) -> tuple[str, ...]:  # Any: JSON
    """Hub repositories (or local folders) that tokenizer and text tower's configuration come from."""
    text = config.get("text_cfg", {})
    return tuple(dict.fromkeys(n for k in ("hf_tokenizer_name", "hf_model_name") if (n := text.get(k))))


def _path(source: Source) -> Path:
    assert source.path is not None  # naming sets it for files and folders
    return source.path


def _tag_config(source: Source) -> Mapping[str, Any]:  # Any: JSON
    from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model

    found = get_pretrained_cfg(source.architecture, source.tag)
    if found:
        return found
    tags = list_pretrained_tags_by_model(source.architecture)
    if not tags:
        raise UnknownName(
            f"open_clip knows no weights for {source.architecture}; name a file of yours: "
            f"openclip:{source.architecture}@/path/to/weights.safetensors."
        )
    near = _near(source.tag, tags)
    raise UnknownName(f"{source.architecture} has no weights {source.tag!r}{near}. It has {', '.join(tags)}.")


def _repository(tag: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:  # Any: JSON
    repository, _, file = str(tag.get("hf_hub", "")).rpartition("/")
    if not repository:
        raise UnknownName("open_clip names no hub repository for these weights; give a file of yours after an @.")
    if not file:
        return repository, _names_of_default()
    stem, _, suffix = file.rpartition(".")
    return repository, (f"{stem}.safetensors", file) if suffix in ("bin", "pth", "pt") else (file,)


def _names_of_default() -> tuple[str, ...]:
    from open_clip.constants import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME

    return HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME


def _usual_preprocess(architecture: str) -> Mapping[str, Any]:  # Any: JSON
    """How open_clip prepares pictures for the tags of this architecture, when they all agree; else its default."""
    from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model

    tags = [get_pretrained_cfg(architecture, tag) for tag in list_pretrained_tags_by_model(architecture)]
    keys = ("mean", "std", "interpolation", "resize_mode")
    ways = [{k: tag[k] for k in keys if k in tag} for tag in tags]
    return ways[0] if ways and all(way == ways[0] for way in ways) else {}


def _folder_config(folder: Path, source: Source) -> Mapping[str, Any]:  # Any: JSON
    if not folder.is_dir():
        raise UnknownName(f"There is no folder {folder}; name one with {CONFIG}, weights and tokenizer in it.")
    file = folder / CONFIG
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
        model = raw["model_cfg"]
        for key in ("embed_dim", "vision_cfg", "text_cfg"):
            model[key]
    except FileNotFoundError as exc:
        raise UnknownName(f"{folder} has no {CONFIG}, which says the architecture; save the model with one.") from exc
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise ModelUnsuitable(
            f"{file} is no open_clip configuration ({type(exc).__name__}: {exc}); it needs model_cfg with embed_dim, "
            f"vision_cfg and text_cfg ({source.name})."
        ) from exc
    return {**model, "languages": raw.get("languages")}


def _weights_in(folder: Path, source: Source) -> Path:
    """The checkpoint open_clip takes in a folder; it looks for no .pt there."""
    for suffix in (".safetensors", ".bin", ".pth"):
        if files := sorted(folder.glob(f"*{suffix}")):
            return files[0]
    raise WeightsMissing(
        f"{folder} holds no weights for {source.name}: put open_clip_model.safetensors (or a .bin or .pth file) there."
    )


def _check_text_files(source: Source, config: Mapping[str, Any], folder: Path | None) -> None:  # Any: JSON
    """A tokenizer from the hub must be there too, else texts could not be read; WeightsMissing says which."""
    text = config["text_cfg"]
    for key, files in (
        ("hf_tokenizer_name", TOKENIZER_FILES),
        ("hf_model_name", ("config.json",)),
    ):
        name = text.get(key)
        if not name:
            continue
        if folder is not None and key == "hf_tokenizer_name":
            if not any((folder / file).is_file() for file in files):
                raise WeightsMissing(f"{folder} holds no tokenizer ({files[0]}); copy that of {name} into it.")
        elif not Path(name).is_dir() and hub.cached(name, *files) is None:
            what = "tokenizer" if key == "hf_tokenizer_name" else "text tower's configuration"
            raise WeightsMissing(
                f"{source.name} needs the {what} of {name}, which is not in {hub.cache_folder()}. "
                f"Run: rag-app models pull {source.base}."
            )


def _size(config: Mapping[str, Any], architecture: str) -> int | None:  # Any: JSON
    """Bytes of the weights in fp32, counted on a model without memory; None where it cannot be known from here."""
    if architecture in _MILLIONS:
        return round(_MILLIONS[architecture] * 4e6)
    if "hf_model_name" in config["text_cfg"] or not architecture:
        return None
    import torch
    from open_clip.factory import create_model

    said = logging.getLogger()  # open_clip warns there that this model has random weights, which nobody will use
    level = said.level
    said.setLevel(logging.ERROR)
    try:
        with torch.device("meta"):
            model = create_model(architecture, load_weights=False, device="meta")
    finally:
        said.setLevel(level)
    return sum(p.numel() for p in model.parameters()) * 4


def _missing(source: Source, what: str, size: int | None) -> WeightsMissing:
    large = "" if size is None else f" (about {size / 1e6:,.0f} MB)"
    other = f"openclip:{source.architecture or 'ViT-B-32'}@/path/to/weights{SUFFIXES[0]}"
    return WeightsMissing(
        f"{source.base} has no weights on this machine: {what}{large} belongs in {hub.cache_folder()}. "
        f"Run: rag-app models pull {source.base}, or name a file you have: {other}."
    )


def _near(name: str, known: list[str]) -> str:
    by_lower = {one.lower(): one for one in known}
    near = difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(by_lower[n] for n in near)}?" if near else ""
