"""Calls and files on their way to a node: the paths in a call name files here, and other files there."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ray

_CROPS = "crops"
Request = tuple[Callable[..., Iterable[Any]], tuple[Any, ...]]  # Any: what `ingestion.pool` takes


@dataclass(frozen=True, slots=True, weakref_slot=True)
class SentFile:
    """A file as it was sent: its name, size in bytes, modification time in ns, and its bytes in Ray's object store."""

    name: str
    size: int
    mtime_ns: int
    data: ray.ObjectRef[bytes]


def packed(request: Request, crops: Path) -> tuple[bytes, list[Path]]:
    """The call as bytes, and the files it names, other than the folder `crops`. Raises what cannot be pickled."""
    buffer = io.BytesIO()
    sender = _Sender(buffer, crops)
    sender.dump(request)
    return buffer.getvalue(), sender.files


def unpacked(data: bytes, files: Sequence[Path], crops: Path) -> Request:
    """The call of `packed`, with the paths that its files and its folder of crops have here."""
    return _Receiver(io.BytesIO(data), files, crops).load()


class _Sender(pickle.Pickler):
    """Leaves paths out: what lies on a disk is outside of a pickle (its persistent ids are made for that)."""

    def __init__(self, buffer: io.BytesIO, crops: Path) -> None:
        super().__init__(buffer, protocol=pickle.HIGHEST_PROTOCOL)
        self.files: list[Path] = []
        self._crops = crops

    def persistent_id(self, obj: Any) -> str | int | None:  # Any: pickle's signature
        if not isinstance(obj, Path):
            return None
        if obj == self._crops:
            return _CROPS
        if obj not in self.files:
            self.files.append(obj)
        return self.files.index(obj)


class _Receiver(pickle.Unpickler):
    def __init__(self, buffer: io.BytesIO, files: Sequence[Path], crops: Path) -> None:
        super().__init__(buffer)
        self._files = files
        self._crops = crops

    def persistent_load(self, pid: Any) -> Path:  # Any: pickle's signature
        return self._crops if pid == _CROPS else self._files[pid]
