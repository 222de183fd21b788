"""A collection of Milvus that holds a copy of a space's vectors, and says which state of the library it is a copy of.

An entity is one vector as one generation stored it: its id is made of the node's row and the generation's token, so it
never changes, and no other history of the library has it. Entity 0 is the collection's state.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from rag_app.store.vector_rows import VectorRow
from rag_app.vectors.milvus_server import CALL_S, Milvus, NotLoaded

if TYPE_CHECKING:
    from pymilvus import CollectionSchema

MOST = 16_384  # entities that Milvus gives back at once
_TOKEN_BITS = 31
_STATE = 0  # id; rows, and so all other ids, begin at 1
_ROWS_AT_ONCE = 1000
_KIND_BYTES = 1024
_MOST_PAGES = 4096  # what Milvus allows in a list
_HNSW = {"M": 32, "efConstruction": 360}


@dataclass(frozen=True, slots=True)
class State:
    """Which state of the library a collection is a copy of.

    generation, token: that state. cleaned: what was taken out up to this generation is out of the collection too.
    index: how Milvus searches it, "FLAT" (exact) or "HNSW".
    """

    generation: int
    token: str
    cleaned: int
    index: str


_UNREADABLE = State(-1, "", -1, "")  # written by another version, and so no library's


class Collection:
    """One collection, by its name. Raises CollectionGone and VectorsUnavailable everywhere."""

    def __init__(self, milvus: Milvus, name: str, dim: int) -> None:
        self._milvus = milvus
        self.name = name
        self._dim = dim

    @classmethod
    def create(cls, milvus: Milvus, name: str, dim: int, *, index: str) -> Collection:
        """An empty collection, which has no state yet."""
        client = milvus.client()
        wanted = client.prepare_index_params()
        wanted.add_index("embedding", index_type=index, metric_type="IP", params=_HNSW if index == "HNSW" else {})
        for field in (
            ("row", "document", "kind") if index == "HNSW" else ()
        ):  # in a small one they cost more than reading
            wanted.add_index(field, index_type="INVERTED")
        with milvus.translated():
            client.create_collection(
                name, schema=_schema(dim), index_params=wanted, consistency_level="Strong", timeout=CALL_S
            )
        return cls(milvus, name, dim)

    def state(self) -> State | None:
        """What it is a copy of; None in one that was made and nothing more. Makes it ready for searching."""
        try:
            found = self._get_state()
        except NotLoaded:
            with self._milvus.translated():
                self._milvus.client().load_collection(self.name, timeout=CALL_S)
            found = self._get_state()
        if not found:
            return None
        try:
            return State(**json.loads(found[0]["state"]))
        except (ValueError, TypeError, KeyError):
            return _UNREADABLE

    def put_state(self, state: State) -> None:
        nothing = {"row": 0, "document": 0, "kind": "", "pages": [], "embedding": [0.0] * self._dim}
        self._upsert([{"id": _STATE, **nothing, "state": json.dumps(dataclasses.asdict(state))}])

    def put(self, vectors: Sequence[VectorRow]) -> None:
        """Add vectors; those that are there already stay as they are."""
        self._upsert(
            [
                {
                    "id": entity_id(one.row, one.token),
                    "row": one.row,
                    "document": one.document,
                    "kind": one.kind,
                    "pages": list(one.pages),
                    "embedding": one.vector,
                    "state": "",
                }
                for one in vectors
            ]
        )

    def nearest(self, vector: np.ndarray, *, k: int, expression: str, index: str, settled: bool) -> list[int]:
        """Ids of the `k` entities with the largest inner product with `vector` (dim,), best first.

        settled: whether all that has to be seen was written seconds ago; else a server waits until it sees it, 0.2 s.
        """
        with self._milvus.translated():
            found = self._milvus.client().search(
                self.name,
                [vector],
                limit=k,
                filter=expression,
                output_fields=["row"],  # without any, milvus-lite sends all of them, vectors too
                search_params={"params": {"ef": max(2 * k, 128)}} if index == "HNSW" else {},
                consistency_level="Bounded" if settled else "Strong",
                timeout=CALL_S,
            )
        return [int(hit["id"]) for hit in found[0]]

    def ids_of(self, rows: Sequence[int]) -> list[int]:
        """Ids of all entities of these node rows."""
        found: list[int] = []
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            some = ", ".join(str(int(row)) for row in rows[start : start + _ROWS_AT_ONCE])
            with self._milvus.translated():
                entities = self._milvus.client().query(
                    self.name, filter=f"row in [{some}]", output_fields=["id"], timeout=CALL_S
                )
            found += [int(entity["id"]) for entity in entities]
        return found

    def delete(self, ids: Sequence[int]) -> None:
        for start in range(0, len(ids), _ROWS_AT_ONCE):
            with self._milvus.translated():
                self._milvus.client().delete(self.name, ids=list(ids[start : start + _ROWS_AT_ONCE]), timeout=CALL_S)

    def settle(self) -> None:
        """Let milvus-lite put what is in memory into files, for searches ten times as fast; servers do so anyway."""
        if self._milvus.lite:
            with self._milvus.translated():
                self._milvus.client().flush(self.name, timeout=CALL_S)

    def drop(self) -> None:
        with self._milvus.translated():
            self._milvus.client().drop_collection(self.name, timeout=CALL_S)

    def _get_state(self) -> list[dict[str, Any]]:  # Any: a value of each of the schema's types
        with self._milvus.translated():
            return self._milvus.client().get(self.name, ids=[_STATE], output_fields=["state"], timeout=CALL_S)

    def _upsert(self, entities: list[dict[str, Any]]) -> None:  # Any: a value of each of the schema's types
        with self._milvus.translated():
            self._milvus.client().upsert(self.name, entities, timeout=CALL_S)


def names(milvus: Milvus, prefix: str) -> list[str]:
    """Names of the collections that begin so."""
    with milvus.translated():
        found = cast("list[str]", milvus.client().list_collections(timeout=CALL_S))
    return sorted(name for name in found if name.startswith(prefix))


def entity_id(row: int, token: str) -> int:
    """The id of the vector that the generation with this token stored for the row."""
    return row << _TOKEN_BITS | int(token[:8], 16) >> (32 - _TOKEN_BITS)


def row_of(entity: int) -> int:
    return entity >> _TOKEN_BITS


def _schema(dim: int) -> CollectionSchema:
    from pymilvus import DataType, MilvusClient

    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("row", DataType.INT64)
    schema.add_field("document", DataType.INT64)
    schema.add_field("kind", DataType.VARCHAR, max_length=_KIND_BYTES)
    schema.add_field("pages", DataType.ARRAY, element_type=DataType.INT64, max_capacity=_MOST_PAGES)
    schema.add_field("state", DataType.VARCHAR, max_length=_KIND_BYTES)
    schema.add_field("embedding", DataType.FLOAT_VECTOR, dim=dim)
    return schema
