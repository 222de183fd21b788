"""The library on disk: one SQLite file holds documents, nodes, vectors, full text, ledger and answers."""

from rag_app.store.records import (
    Active,
    Alias,
    Caption,
    CaptionsChange,
    CommitResult,
    DocumentInfo,
    Failure,
    Filter,
    LedgerKey,
    LedgerRow,
    ModelTally,
    Reading,
    Scored,
    SpaceInfo,
    StoredNode,
    Terms,
)
from rag_app.store.store import Store

__all__ = [
    "Active",
    "Alias",
    "Caption",
    "CaptionsChange",
    "CommitResult",
    "DocumentInfo",
    "Failure",
    "Filter",
    "LedgerKey",
    "LedgerRow",
    "ModelTally",
    "Reading",
    "Scored",
    "SpaceInfo",
    "Store",
    "StoredNode",
    "Terms",
]
