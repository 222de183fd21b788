"""StoreVectorStore: the library as a LlamaIndex vector store, for use in anyone's LlamaIndex program.

store = Store.open(Path("rag_library"))
vectors = StoreVectorStore(store, space="text:builtin-minilm:384")
index = VectorStoreIndex.from_vector_store(vectors, embed_model=...)
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.schema import BaseNode
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
    VectorStoreQueryResult,
)

from rag_app.errors import UsageError
from rag_app.settings import Settings
from rag_app.store import Store
from rag_app.vectors.choosing import Vectors
from rag_app.vectors.conditions import Sql, condition
from rag_app.vectors.protocol import VectorSpace


class StoreVectorStore(BasePydanticVectorStore):
    """Nodes and vectors of one space of a library; a delete deletes, and a filter works inside the search."""

    stores_text: bool = True
    flat_metadata: bool = False

    _store: Store = PrivateAttr()
    _space: VectorSpace = PrivateAttr()

    def __init__(self, store: Store, *, space: str | VectorSpace) -> None:
        super().__init__(stores_text=True)
        self._store = store
        self._space = Vectors(store, Settings.load(store.folder)).space(space) if isinstance(space, str) else space

    @classmethod
    def class_name(cls) -> str:
        return "StoreVectorStore"

    @property
    def client(self) -> Store:
        return self._store

    def add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:  # Any: LlamaIndex's signature
        """Store nodes that carry embeddings; a node whose id is there already is replaced. Returns the node ids."""
        _refuse(kwargs)
        by_document: dict[str, list[BaseNode]] = defaultdict(list)
        for node in nodes:
            by_document[node.ref_doc_id or node.node_id].append(node)
        with self._store.write_lock(), self._store.database.transaction():
            for document_id, group in by_document.items():
                vectors = np.array([node.get_embedding() for node in group], dtype=np.float32)
                name = str(group[0].metadata.get("file_name") or document_id)
                self._store.add_nodes(document_id, name, group, {self._space.name: vectors})
        return [node.node_id for node in nodes]

    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:  # Any: LlamaIndex's signature
        """Take out all nodes of a document; one that is not there is no error."""
        _refuse(delete_kwargs)
        if self._store.has(ref_doc_id):
            self._store.remove(ref_doc_id)

    def delete_nodes(
        self,
        node_ids: list[str] | None = None,
        filters: MetadataFilters | None = None,
        **delete_kwargs: Any,  # Any: LlamaIndex's signature
    ) -> None:
        """Take out the nodes with these ids that also pass the filters. Raises UsageError when neither is given."""
        _refuse(delete_kwargs)
        if node_ids is None and filters is None:
            raise UsageError("Say which nodes to delete: node_ids or filters. To delete all, call clear().")
        rows = self._allowed(filters, node_ids, None)
        assert rows is not None
        self._store.remove_rows(rows.tolist())

    def clear(self) -> None:
        """Take out every node of the library."""
        for document in self._store.documents():
            self._store.remove(document.document_id)

    def get_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None) -> list[BaseNode]:
        """The nodes with these ids that also pass the filters, oldest first; without either, all."""
        with self._store.snapshot():
            rows = self._allowed(filters, node_ids, None)
            if rows is None:
                rows = self._store.rows_where("1", [])
            return [stored.node for stored in self._store.nodes(rows.tolist())]

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:  # Any: LlamaIndex's signature
        """The nearest nodes by inner product. Raises UsageError for a mode other than the default, or no vector."""
        _refuse(kwargs)
        if query.mode != VectorStoreQueryMode.DEFAULT:
            raise UsageError(
                f"The mode {query.mode.value!r} is not one of a vector store over a library; "
                "Library.as_retriever() searches by vectors and words together."
            )
        if query.query_embedding is None:
            raise UsageError("The query has no embedding; give the index an embed_model.")
        with self._store.snapshot():
            # VectorStoreIndex passes an empty list of node_ids when it means all
            rows = self._allowed(query.filters, query.node_ids or None, query.doc_ids or None)
            hits = self._space.search(np.array(query.query_embedding), k=query.similarity_top_k, rows=rows)
            nodes = self._store.nodes([hit.row for hit in hits])
        return VectorStoreQueryResult(
            nodes=[stored.node for stored in nodes],
            similarities=[hit.score for hit in hits],
            ids=[stored.node_id for stored in nodes],
        )

    def _allowed(
        self, filters: MetadataFilters | None, node_ids: list[str] | None, doc_ids: list[str] | None
    ) -> np.ndarray | None:
        parts: list[Sql] = []
        if filters is not None and filters.filters:
            parts.append(condition(filters))
        if node_ids is not None:
            parts.append(("node_id IN (SELECT value FROM json_each(?))", [json.dumps(node_ids)]))
        if doc_ids is not None:
            parts.append(
                (
                    "document IN (SELECT id FROM documents WHERE document_id IN (SELECT value FROM json_each(?)))",
                    [json.dumps(doc_ids)],
                )
            )
        if not parts:
            return None
        where = " AND ".join(f"({sql})" for sql, _ in parts)
        return self._store.rows_where(where, [value for _, values in parts for value in values])


def _refuse(options: dict[str, Any]) -> None:  # Any: LlamaIndex hands through what its caller wrote
    if options:
        raise UsageError(f"Unknown options: {', '.join(sorted(options))}.")
