"""Fetching weights from the Hugging Face hub, only when a user asks for it by `rag-app models pull openclip:...`.

Tested against a server that answers as the hub does for plain files, not against the hub itself.
"""

# open_clip and huggingface_hub come with the clip extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from adapters.names import parse_model_name
from adapters.open_clip import weights
from adapters.open_clip.naming import parse_source
from adapters.torchvision_shim import ensure_torchvision
from rag_app.errors import ModelUnreachable, WeightsMissing

_TOKENIZER_FILES = ["*.json", "*.model", "*.txt"]


def pull(name: str, on_progress: Callable[[str, int, int], None]) -> Path:
    """Fetch the weights of `openclip:...`, and its tokenizer, into the Hugging Face cache; the checkpoint's path.

    on_progress(what, done, total) is called in bytes, total 0 where the hub does not say it; what is already there is
    not fetched again, and what broke off goes on where it stopped.

    Raises UnknownName, ModelUnreachable when the hub does not answer, WeightsMissing when it has no such file.
    """
    ensure_torchvision()
    source = parse_source(parse_model_name(name))
    fetched = [_first_of(repository, files, on_progress) for repository, files in weights.needed_files(source)]
    for repository in weights.text_repositories(weights.model_config(source)):
        if not Path(repository).is_dir():
            _tokenizer(repository, on_progress)
    weights.locate(source)  # tells what is still missing
    return fetched[-1]


def _first_of(repository: str, files: tuple[str, ...], on_progress: Callable[[str, int, int], None]) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

    for file in files:
        try:
            return Path(hf_hub_download(repository, file, tqdm_class=reporting(file, on_progress)))
        except LocalEntryNotFoundError as exc:  # before EntryNotFoundError, of which it is a kind
            raise _unreachable(repository, exc) from exc
        except EntryNotFoundError:
            continue
        except (HfHubHTTPError, OSError) as exc:
            raise _unreachable(repository, exc) from exc
    raise WeightsMissing(f"{repository} holds no {' or '.join(files)}; name another model.")


def _tokenizer(repository: str, on_progress: Callable[[str, int, int], None]) -> None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    shown = reporting(f"tokenizer of {repository}", on_progress)
    try:
        snapshot_download(repository, allow_patterns=_TOKENIZER_FILES, tqdm_class=shown)
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as exc:
        raise _unreachable(repository, exc) from exc


def _unreachable(repository: str, exc: Exception) -> ModelUnreachable:
    reason = " ".join(str(exc).split())[:200]
    return ModelUnreachable(
        f"{repository} could not be fetched from the Hugging Face hub ({reason}). Check the connection, HF_ENDPOINT "
        f"and that HF_HUB_OFFLINE is not set; or name a file you have: openclip:ViT-B-32@/path/to/weights.safetensors."
    )


def reporting(file: str, on_progress: Callable[[str, int, int], None]) -> Any:  # Any: a class of tqdm's kind
    from tqdm.auto import tqdm

    class Reporting(tqdm):
        """tqdm that shows nothing itself."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:  # Any: as tqdm
            kwargs.pop("name", None)  # the hub client's own
            super().__init__(*args, **{**kwargs, "disable": False, "file": _Nowhere()})

        def update(self, n: float | None = 1) -> bool | None:
            shown = super().update(n)
            on_progress(file, int(self.n), int(self.total or 0))
            return shown

    return Reporting


class _Nowhere:
    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        return None
