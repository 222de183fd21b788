"""Fetching a model from the Hugging Face hub, only when a user asks for it by `rag-app models pull hf:OWNER/NAME`.

Tested against a server that answers as the hub does for plain files, not against the hub itself.
"""

# huggingface_hub comes with the medical extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from adapters.huggingface import files, loading
from adapters.huggingface.naming import Source
from adapters.open_clip.pulling import reporting
from rag_app.errors import ModelUnreachable, UnknownName, WeightsMissing

# Of a repository's files, those that transformers reads: no pickled weights, no other formats, no code.
_SUFFIXES = (".json", ".safetensors", ".jinja", ".model", ".txt")


def pull(source: Source, on_progress: Callable[[str, int, int], None]) -> files.Files:
    """Fetch the model's files into the Hugging Face cache; what they are.

    The configuration comes first, so that a model that cannot be used is told before its weights are fetched.
    on_progress(what, done, total) is called in bytes, total 0 where the hub does not say it; what is already there is
    not fetched again, and what broke off goes on where it stopped.

    Raises UnknownName for a folder, ModelUnreachable when the hub does not answer, WeightsMissing when it has no such
    model, ModelUnsuitable for one that is no vision-language model.
    """
    if source.folder is not None:
        raise UnknownName(f"{source.base} is on this machine already; there is nothing to pull.")
    loading.check_installed(source)
    folder = _fetched(source, files.CONFIG, on_progress).parent
    loading.check_architecture(source, folder)
    for name in _listed(source):
        _fetched(source, name, on_progress)
    return files.locate(source)


def _listed(source: Source) -> list[str]:
    """The repository's own files to fetch, the small ones first."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        names = [file.rfilename for file in HfApi().model_info(source.repository).siblings or ()]
    except (HfHubHTTPError, OSError) as exc:
        raise _unreachable(source, exc) from exc
    kept = [name for name in names if name.endswith(_SUFFIXES) and "/" not in name]
    return sorted(kept, key=lambda name: (name.endswith(".safetensors"), name))


def _fetched(source: Source, name: str, on_progress: Callable[[str, int, int], None]) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        return Path(hf_hub_download(source.repository, name, tqdm_class=reporting(name, on_progress)))
    except LocalEntryNotFoundError as exc:  # before EntryNotFoundError, of which it is a kind
        raise _unreachable(source, exc) from exc
    except RepositoryNotFoundError as exc:
        raise WeightsMissing(
            f"The hub has no model {source.repository} that it shows to you; check the name, or accept the model's "
            "terms on its page and run: hf auth login."
        ) from exc
    except EntryNotFoundError as exc:
        raise WeightsMissing(f"{source.repository} holds no {name}; name another model.") from exc
    except (HfHubHTTPError, OSError) as exc:
        raise _unreachable(source, exc) from exc


def _unreachable(source: Source, exc: Exception) -> ModelUnreachable:
    reason = " ".join(str(exc).split())[:200]
    return ModelUnreachable(
        f"{source.repository} could not be fetched from the Hugging Face hub ({reason}). Check the connection, "
        "HF_ENDPOINT and that HF_HUB_OFFLINE is not set; or name a folder you have: hf:/path/to/folder."
    )
