"""What one question takes of memory on its way through the model and back, counted as it goes."""

# torch comes with the medical extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode  # the mode that torch's own memory tracker is built on
from torch.utils._pytree import tree_leaves


class TooMuch(Exception):
    """The trial was broken off: it came to more bytes than its limit."""


def bytes_of_a_step(model: Any, batch: Mapping[str, Any], *, device: str, limit: int) -> int:
    """The most bytes held at a time on the way forth and back, beside weights, gradients and the batch itself.

    What operators hold inside them, and what the allocator wastes, is not counted. model: as it will be trained; only
    its mode is another one afterwards. Raises TooMuch at more than `limit` bytes, torch.OutOfMemoryError where a GPU
    has no more.
    """
    learned = [one for one in model.parameters() if one.requires_grad]
    moved = {key: value.to(device) for key, value in batch.items()}
    kind, _, _ = device.partition(":")
    with torch.random.fork_rng(), torch.autocast(kind, torch.bfloat16, enabled=kind != "cpu"):
        model.train()
        for one in learned:
            one.grad = torch.zeros_like(one)
        counted = _Counted(
            [*model.parameters(), *model.buffers(), *moved.values(), *(one.grad for one in learned)], limit
        )
        try:
            with counted:
                model(**moved, use_cache=False).loss.backward()
        finally:
            for one in learned:
                one.grad = None
    return counted.most


class _Counted(TorchDispatchMode):
    """Follows the storages that operators make until they are freed."""

    def __init__(self, known: list[torch.Tensor], limit: int) -> None:
        super().__init__()
        self.now = self.most = 0
        self._limit = limit
        self._live = {tensor.untyped_storage().data_ptr() for tensor in known}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # Any: torch's
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor):
                self._follow(tensor.untyped_storage())
        if self.now > self._limit:
            raise TooMuch
        return made

    def _follow(self, storage: torch.UntypedStorage) -> None:
        address, size = storage.data_ptr(), storage.nbytes()
        if not size or address in self._live:
            return
        self._live.add(address)
        self.now += size
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._freed, address, size)

    def _freed(self, address: int, size: int) -> None:
        self._live.discard(address)
        self.now -= size
