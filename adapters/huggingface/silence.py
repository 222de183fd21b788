"""transformers, peft and bitsandbytes kept silent as they load, train and save: what they say is nothing to act on."""

# torch, transformers and peft come with the medical extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_LIBRARIES = ("transformers", "peft", "bitsandbytes")
_KERNELS = "kernels"


@contextmanager
def silent_libraries() -> Iterator[None]:
    """No progress bars, warnings of deprecated names or notes below an error of these libraries inside.

    Nor do they fetch compiled code: importing bitsandbytes, as peft does, loads an operator from the Hugging Face hub
    where the package `kernels` is installed and the processor has bf16. Inside it looks as if it were not.
    """
    from transformers.utils import logging as own

    bars = own.is_progress_bar_enabled()
    own.disable_progress_bar()
    levels = {name: logging.getLogger(name).level for name in _LIBRARIES}
    hidden = _KERNELS not in sys.modules
    if hidden:
        sys.modules[_KERNELS] = None  # pyright: ignore[reportArgumentType]  # the import system's mark of "not there"
    try:
        for name in _LIBRARIES:
            logging.getLogger(name).setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        if hidden:
            del sys.modules[_KERNELS]
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        if bars:
            own.enable_progress_bar()
