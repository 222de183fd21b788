"""MilvusSpace: the vectors of one embedding space, searched in Milvus; exact, with the filter inside the search.

Milvus holds a copy that is derived from the store and may be thrown away at any time. What makes it right whatever
happens to processes and servers:

- An entity never changes, and each one found is looked up in the store's snapshot: one that is not there just so (a
  node removed, a vector made anew, a copy of the library that went another way) does not count. Scores are those of
  the store's own vectors.
- So only a missing entity could do harm. The collection's state is written after the entities, and what was taken out
  of the library leaves the collection at least a minute later, when no search sees the older state any more.
- A state is trusted when this library has had it (generation and random token). A collection with another one belongs
  to a copy of the library that went its own way, and is left alone.
"""

from __future__ import annotations

import hashlib
import math
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from rag_app.errors import DiskFull, LibraryDamaged, LibraryReadOnly, SpaceMismatch, VectorsUnavailable
from rag_app.store import Filter, Scored, Store
from rag_app.store import vector_rows as rows_of
from rag_app.store.lock import ProcessLock
from rag_app.store.spaces import parse
from rag_app.vectors import milvus_collection as collections
from rag_app.vectors.milvus_collection import Collection, State, entity_id, row_of
from rag_app.vectors.milvus_filters import expression
from rag_app.vectors.milvus_server import CollectionGone, Milvus

_BATCH = 2000  # vectors sent at once
_READ = 2000  # rows asked for one by one: so many vectors are read from the store in about 0.02 s, exactly
_SPARE = 16  # entities asked for beyond k, for those that do not count any more
_STAYS_S = 60.0  # what was taken out stays so long, for searches that began before
_TRUSTED_S = 30.0  # between two looks at the collection's state, where the library has not changed; less than _STAYS_S
_SETTLED_S = 10.0  # after which Milvus' cheaper "bounded" consistency, 5 s, sees all that was written
_WAIT_S = 60.0  # for another process that is filling the collection
_FLAT = 500_000  # vectors up to which every one is compared; above, Milvus is given a graph (HNSW)
_TRIES = 5


class MilvusSpace:
    """One embedding space of a library. Safe between threads. Connects at the first search."""

    def __init__(self, store: Store, name: str, milvus: Milvus) -> None:
        self.store = store
        self.name = name
        self.dim = parse(name)[2]
        self._milvus = milvus
        self._lock = threading.RLock()
        self._filling = ProcessLock(store.folder, "milvus", doing="copied to Milvus")
        self._collection: Collection | None = None
        self._known: State | None = None  # of the collection, ...
        self._looked = self._since = 0.0  # ... when it was last looked at, and since when it is so

    def search(
        self, vector: np.ndarray, *, k: int, allowed: Filter | None = None, rows: np.ndarray | None = None
    ) -> list[Scored]:
        """The `k` nodes with the largest inner product with `vector` (dim,), best first.

        Args:
            allowed: only nodes that pass may answer; None lets all. Documents, folders, pages and kinds are told to
                Milvus; other metadata is looked up in the store and works as `rows`.
            rows: only these node rows (int64, ascending) may answer, where no Filter says it; None lets all. Up to
                2,000 are compared here, from the store; of more, Milvus is asked for its best until enough are found.

        Raises SpaceMismatch when the vector has another dimension, VectorsUnavailable.
        """
        query = np.ascontiguousarray(vector, dtype=np.float32).reshape(-1)
        if len(query) != self.dim:
            raise SpaceMismatch(
                f"This library's space is {self.name} ({self.dim}), the query has {len(query)} dimensions. "
                "Ask with the model that made the space."
            )
        if k <= 0:
            return []
        with self.store.snapshot() as connection:
            told = expression(connection, allowed) if allowed else ""
            if told is None:
                rows = self.store.row_ids(allowed)
            if rows is not None and len(rows) <= _READ:
                return _best(query, k, self._read(rows))
            for _ in range(_TRIES):
                found = self.catch_up()
                if found is None:
                    return []
                try:
                    nearest = self._nearest(found, query, k, told=told or "", rows=rows)
                except CollectionGone:  # made anew by another process meanwhile
                    self._forget()
                    continue
                if nearest is None:  # more than Milvus gives at once: compare all that may answer
                    return _best(query, k, self._read(self.store.row_ids(allowed) if rows is None else rows))
                return nearest
            raise self._unsteady()

    def catch_up(self) -> tuple[Collection, State] | None:
        """Bring the collection to the state of the store that this thread sees; makes and fills it when it has to.

        Returns it and what it is a copy of now; None when there is nothing to search.
        """
        with self._lock, self.store.snapshot():
            target = self.store.generation()
            found = self._found(target)
            if found is not None and found[1].generation >= target:
                return found
            with self._alone():
                for _ in range(_TRIES):
                    try:
                        return self._filled(target)
                    except CollectionGone:
                        self._forget()
            raise self._unsteady()

    def save(self, *, whole: bool = False) -> None:
        """Bring the collection to the store's state, which is always whole. Raises VectorsUnavailable."""
        with self._lock, self.store.snapshot():
            found = self.catch_up()
            if found is not None and found[1].index != _index(self._count()):  # it has outgrown exact search
                self.rebuild()

    def rebuild(self) -> None:
        """Make the collection anew from the store's vectors; until it is whole the old one answers.

        Raises VectorsUnavailable.
        """
        with self._lock, self.store.snapshot(), self._alone():
            try:
                old = [collection for collection, _ in self._ours()]
                if self._count():
                    target = self.store.generation()
                    self._know(*self._fill(*self._made(target), target))
                for collection in old:
                    collection.drop()
            except CollectionGone as exc:
                raise self._unsteady() from exc

    def check(self) -> str | None:
        """What is wrong with the collection, in a sentence; None when it is sound or not there. Asks for every id."""
        lacking = total = 0
        if self._milvus.absent():
            return None
        try:
            with self.store.snapshot() as connection:
                self._looked = 0.0
                found = self._found(self.store.generation())
                if found is None:
                    return None
                collection, state = found
                for block in rows_of.since(connection, self.name, 0, _BATCH):
                    copied = [one for one in block if one.generation <= state.generation]
                    there = set(collection.ids_of([one.row for one in copied]))
                    lacking += sum(entity_id(one.row, one.token) not in there for one in copied)
                    total += len(copied)
        except (VectorsUnavailable, CollectionGone, LibraryDamaged) as exc:
            return str(exc)
        if not lacking:
            return None
        return f"The Milvus collection {collection.name} of {self.name} lacks {lacking} of {total} vectors."

    def behind(self) -> int | None:
        """How many changes of the library the collection does not have yet; None when there is no collection."""
        with self._lock, self.store.snapshot():
            target = self.store.generation()
            found = self._found(target)
            return None if found is None else max(0, target - found[1].generation)

    # --- searching --------------------------------------------------------------------------------------------------

    def _nearest(
        self,
        found: tuple[Collection, State],
        query: np.ndarray,
        k: int,
        *,
        told: str,
        rows: np.ndarray | None,
    ) -> list[Scored] | None:
        """As `search`; None when Milvus would have to give more than it does at once."""
        collection, state = found
        settled = time.monotonic() - self._since > _SETTLED_S
        wanted = k + _SPARE
        if rows is not None:  # as many more as the rows are a smaller part
            wanted = math.ceil(k * self._count() / len(rows)) + _SPARE
        while wanted < collections.MOST:
            ids = collection.nearest(query, k=wanted, expression=told, index=state.index, settled=settled)
            counting = self._counting(ids, rows)
            if len(counting) >= k or len(ids) < wanted:
                return _best(query, k, iter([counting]))
            wanted *= 4
        return None

    def _counting(self, ids: Sequence[int], rows: np.ndarray | None) -> dict[int, np.ndarray]:
        """Row -> vector of the entities that are in this snapshot just so, and among the rows."""
        with self.store.snapshot() as connection:
            now = rows_of.current(connection, self.name, [row_of(one) for one in ids])
        there = set(ids)
        found = {row: vector for row, (token, vector) in now.items() if entity_id(row, token) in there}
        if rows is None:
            return found
        among = np.isin(np.fromiter(found, np.int64, len(found)), rows)
        return {row: vector for (row, vector), one in zip(found.items(), among, strict=True) if one}

    def _read(self, rows: np.ndarray | None) -> Iterator[dict[int, np.ndarray]]:
        """The store's own vectors of these rows, of all when None, batch by batch."""
        if rows is None:
            for some, matrix in self.store.vector_batches(self.name, _BATCH):
                yield dict(zip(some.tolist(), matrix, strict=True))
            return
        for start in range(0, len(rows), _BATCH):
            yield self.store.vectors(self.name, rows[start : start + _BATCH].tolist())

    # --- the collection ---------------------------------------------------------------------------------------------

    def _found(self, target: int) -> tuple[Collection, State] | None:
        """The collection of this library and its state; looks at it when it may have changed."""
        if self._collection is not None and self._known is not None:
            if self._known.generation >= target and time.monotonic() - self._looked < _TRUSTED_S:
                return self._collection, self._known
            with suppress(CollectionGone):
                state = self._collection.state()
                if state is not None and self._is_ours(state):
                    return self._know(self._collection, state)
        self._forget()
        ours = self._ours()
        if not ours:
            return None
        return self._know(*ours[-1])

    def _ours(self) -> list[tuple[Collection, State]]:
        """The collections of this library and space whose state it has had, the most recent last."""
        found: list[tuple[Collection, State]] = []
        for name in collections.names(self._milvus, self._prefix()):
            collection = Collection(self._milvus, name, self.dim)
            with suppress(CollectionGone):
                state = collection.state()
                if state is not None and self._is_ours(state):
                    found.append((collection, state))
        return sorted(found, key=lambda one: (one[1].generation, one[0].name))

    def _is_ours(self, state: State) -> bool:
        if state.generation == 0:  # it was made, and nothing is in it yet
            return True
        if state.generation <= self.store.generation():
            return self.store.generation_token(state.generation) == state.token

        def now() -> str | None:  # it may be ahead of what this thread sees
            try:
                return self.store.generation_token(state.generation)
            finally:
                self.store.database.release()

        with ThreadPoolExecutor(1) as another:
            return another.submit(now).result() == state.token

    def _know(self, collection: Collection, state: State) -> tuple[Collection, State]:
        self._looked = time.monotonic()
        if (collection, state) != (self._collection, self._known):
            self._since = self._looked
        self._collection, self._known = collection, state
        return collection, state

    def _forget(self) -> None:
        self._collection = self._known = None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes from doing the same work for the block, where a lock can be had; two do no harm."""
        with ExitStack() as held:
            if not self.store.read_only:
                with suppress(DiskFull, LibraryReadOnly):
                    held.enter_context(self._filling.hold(wait_s=_WAIT_S))
            yield

    def _filled(self, target: int) -> tuple[Collection, State] | None:
        self._looked = 0.0
        found = self._found(target)  # another process may have been faster
        if found is None:
            if not self._count():
                return None
            found = self._made(target)
        elif found[1].generation >= target:
            return found
        collection, state = self._fill(*found, target)
        return self._know(collection, state)

    def _made(self, target: int) -> tuple[Collection, State]:
        """A new, empty collection; one that was made before and nothing more, by a process that was killed, goes."""
        for name in collections.names(self._milvus, self._prefix()):
            with suppress(CollectionGone):
                if (old := Collection(self._milvus, name, self.dim)).state() is None:
                    old.drop()
        state = State(0, "", cleaned=target, index=_index(self._count()))
        name = f"{self._prefix()}{secrets.token_hex(4)}"
        collection = Collection.create(self._milvus, name, self.dim, index=state.index)
        collection.put_state(state)
        return collection, state

    def _fill(self, collection: Collection, state: State, target: int) -> tuple[Collection, State]:
        """Add what came since `state`, say so, and take out what went long enough ago."""
        before = state
        with self.store.snapshot() as connection:
            last = 0
            for block in rows_of.since(connection, self.name, state.generation, _BATCH):
                collection.put(block)
                begun = [last, *(one.generation for one in block)]
                last = begun[-1]
                whole = max((one for one in begun if one < last), default=0)  # all of it and of those before is there
                if whole > state.generation:
                    state = self._told(collection, state, replace(state, **self._mark(whole)))
            state = self._told(collection, state, replace(state, **self._mark(target)))
            long_ago = datetime.now(UTC) - timedelta(seconds=_STAYS_S)
            until = rows_of.generation_at(connection, long_ago.isoformat(timespec="seconds"))
            until = min(until, before.generation)
            if until > state.cleaned:
                gone = rows_of.touched(connection, self.name, state.cleaned, until)
                lately = rows_of.touched(connection, self.name, until, target)
                if gone is None or lately is None:  # too long ago to know: what is left in it would only slow it down
                    return self._fill(*self._made(target), target)
                collection.delete(self._obsolete(collection, sorted({*gone}.difference(lately))))
                state = self._told(collection, state, replace(state, cleaned=until))
        collection.settle()
        return collection, state

    def _obsolete(self, collection: Collection, rows: Sequence[int]) -> list[int]:
        """Ids of entities of these rows that the store does not have any more."""
        ids = collection.ids_of(rows)
        with self.store.snapshot() as connection:
            now = rows_of.current(connection, self.name, rows)
        there = {entity_id(row, token) for row, (token, _) in now.items()}
        return [one for one in ids if one not in there]

    def _told(self, collection: Collection, before: State, after: State) -> State:
        """Write the collection's state, where nobody else has written it since."""
        if collection.state() != before:
            raise CollectionGone(f"{collection.name} is written by another copy of the library")
        collection.put_state(after)
        return after

    def _mark(self, generation: int) -> dict[str, Any]:  # Any: fields of State
        return {"generation": generation, "token": self.store.generation_token(generation) or ""}

    def _count(self) -> int:
        with self.store.snapshot() as connection:
            return rows_of.count(connection, self.name)

    def _prefix(self) -> str:
        """What the names of this library's collections for this space begin with."""
        return f"rag_{self.store.get_meta('library')}_{hashlib.sha256(self.name.encode()).hexdigest()[:8]}_"

    def _unsteady(self) -> VectorsUnavailable:
        return VectorsUnavailable(
            f"The collection of {self.name} at {self._milvus.address} is made anew again and again: two copies of the "
            "library write to it. Let only one run, or give each a Milvus of its own."
        )


def _index(count: int) -> str:
    return "FLAT" if count <= _FLAT else "HNSW"


def _best(query: np.ndarray, k: int, batches: Iterator[dict[int, np.ndarray]]) -> list[Scored]:
    """The `k` rows with the largest inner product, best first; equal ones in the order of their rows."""
    rows, scores = np.empty(0, np.int64), np.empty(0, np.float32)
    for batch in batches:
        if batch:
            rows = np.concatenate([rows, np.fromiter(batch, np.int64, len(batch))])
            scores = np.concatenate([scores, np.stack(list(batch.values())) @ query])
            best = np.lexsort((rows, -scores))[:k]
            rows, scores = rows[best], scores[best]
    return [Scored(int(row), float(score)) for row, score in zip(rows, scores, strict=True)]
