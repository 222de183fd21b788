"""The Hugging Face cache: what is in it, and that nothing is added to it unasked."""

# huggingface_hub comes with the clip extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_one_at_a_time = threading.RLock()


@contextmanager
def offline() -> Iterator[None]:
    """No request to the hub inside: what open_clip and transformers ask for by name comes from the cache or fails.

    Both fetch whatever they miss, and neither passes `local_files_only` through to its text tower, so the hub client's
    own switch (HF_HUB_OFFLINE) is what remains. It belongs to the process: other threads are offline meanwhile too.
    """
    from huggingface_hub import constants

    with _one_at_a_time:
        before = constants.HF_HUB_OFFLINE
        constants.HF_HUB_OFFLINE = True
        try:
            yield
        finally:
            constants.HF_HUB_OFFLINE = before


def cache_folder() -> Path:
    """Where the hub client keeps its files ($HF_HUB_CACHE, $HF_HOME)."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def cached(repository: str, *files: str) -> Path | None:
    """The first of these files of `owner/name` that the cache holds."""
    from huggingface_hub import try_to_load_from_cache

    for file in files:
        found = try_to_load_from_cache(repository, file)
        if isinstance(found, str):
            return Path(found)
    return None
