"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from rag_app.store.failures import os_errors


def replace_file(path: Path, parts: Iterable[bytes | memoryview], *, library: Path) -> None:
    """Write `parts` to `path`: to a temporary name, flushed to the disk, then renamed.

    At any moment there is the old file or the new one. Raises DiskFull, LibraryReadOnly about `library`.
    """
    with replacing(path, library=library) as file:
        for part in parts:
            file.write(part)


@contextmanager
def replacing(path: Path, *, library: Path) -> Iterator[BinaryIO]:
    """As `replace_file`, for what is written piece by piece; nothing is replaced when the block raises."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    with os_errors(library):
        path.parent.mkdir(exist_ok=True)
        try:
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        flush_names(path.parent)


def flush_names(folder: Path) -> None:
    """Let the names that the folder holds now be there after a power cut: flushing a file does not flush its name."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
