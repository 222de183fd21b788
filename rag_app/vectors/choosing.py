"""Where a library's vectors are searched: FAISS files beside them, or a Milvus. The one place that chooses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rag_app.errors import UsageError, VectorsUnavailable
from rag_app.settings import FILE_NAME, Settings
from rag_app.store import Store
from rag_app.vectors.protocol import VectorSpace

if TYPE_CHECKING:
    from rag_app.vectors.milvus_server import Milvus


class Vectors:
    """The spaces of one library, each made once. Nothing is loaded or connected before the first search."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._address = settings.vectors.milvus
        self._spaces: dict[str, VectorSpace] = {}
        self._milvus: Milvus | None = None

    def space(self, name: str) -> VectorSpace:
        """The space of that name, such as "text:builtin-minilm:384"; it need not have any vectors yet."""
        if name not in self._spaces:
            self._spaces[name] = self._made(name)
        return self._spaces[name]

    def milvus(self) -> Milvus | None:
        """The Milvus that the settings name; a file's path is taken from the library's folder. None for FAISS."""
        if self._milvus is None and self._address:
            from rag_app.vectors.milvus_server import Milvus

            address = self._address
            if "://" not in address:
                address = str(self._store.folder.resolve() / Path(address).expanduser())
            self._milvus = Milvus(address, settings_file=self._store.folder / FILE_NAME)
        return self._milvus

    def note(self) -> str | None:
        """As `standing`; what stands in the way is said too."""
        try:
            return self.standing()
        except (VectorsUnavailable, UsageError) as exc:
            return str(exc)

    def standing(self) -> str | None:
        """Where the vectors are searched and whether all of them are there, in a sentence; None for FAISS files.

        Raises VectorsUnavailable, UsageError where the extra is not installed.
        """
        milvus = self.milvus()
        if milvus is None:
            return None
        from rag_app.vectors.milvus_space import MilvusSpace

        if milvus.absent():
            return f"Vectors will be searched in the Milvus file {milvus.address}, which the next search fills."
        late = [
            space.behind()
            for info in self._store.spaces()
            if info.vectors and isinstance(space := self.space(info.name), MilvusSpace)
        ]
        where = f"Vectors are searched in the Milvus at {milvus.address} ({milvus.version})"
        if None in late:
            return f"{where}, which the next search fills."
        changes = max((number for number in late if number is not None), default=0)
        return f"{where}; the next search brings it {changes} changes." if changes else f"{where}, which is up to date."

    def _made(self, name: str) -> VectorSpace:
        if (milvus := self.milvus()) is not None:
            from rag_app.vectors.milvus_space import MilvusSpace

            return MilvusSpace(self._store, name, milvus)
        from rag_app.vectors.space import Space

        return Space(self._store, name)
