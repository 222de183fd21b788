"""VectorSpace: what a space of vectors must do for us, whatever keeps them."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from rag_app.store import Filter, Scored


class VectorSpace(Protocol):
    """The vectors of one embedding space of a library, to be searched. Derived from the store; safe between threads."""

    @property
    def name(self) -> str:
        """The space's name, such as "text:builtin-minilm:384"."""
        ...

    @property
    def dim(self) -> int: ...

    def search(
        self, vector: np.ndarray, *, k: int, allowed: Filter | None = None, rows: np.ndarray | None = None
    ) -> list[Scored]:
        """The `k` nodes with the largest inner product with `vector` (dim,), best first.

        Args:
            allowed: only nodes that pass may answer; None lets all.
            rows: only these node rows (int64, ascending) may answer, where no Filter says it; None lets all.

        Raises SpaceMismatch when the vector has another dimension.
        """
        ...

    def save(self, *, whole: bool = False) -> None:
        """Bring what is kept outside the store to the store's state. Raises DiskFull, LibraryReadOnly.

        whole: even where it lacks so little that writing it would take longer than reading that each time.
        """
        ...

    def rebuild(self) -> None:
        """Make what is kept outside the store anew. Raises DiskFull, LibraryReadOnly."""
        ...

    def check(self) -> str | None:
        """What is wrong with what is kept outside the store, in a sentence; None when it is sound or not there."""
        ...
