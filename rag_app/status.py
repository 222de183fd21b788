"""What a library holds, for `Library.status`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from rag_app.reports import DescriptionStatus, LibraryStatus
from rag_app.store import Store


def library_status(folder: Path, store: Store, *, note: str | None) -> LibraryStatus:
    """Counts over all documents, spaces and descriptions; reads no node. note: what the user has to know."""
    documents = store.documents()
    nodes: Counter[str] = Counter()
    for document in documents:
        nodes.update(document.nodes)
    described, verified = store.ledger.described()
    return LibraryStatus(
        path=str(folder),
        documents=tuple(documents),
        pages=sum(document.pages for document in documents),
        nodes=dict(nodes),
        spaces=tuple(store.spaces()),
        size_bytes=sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()),
        answers=store.count_answers(),
        read_only=store.read_only,
        descriptions=DescriptionStatus(
            tuple(store.ledger.tallies()), described, verified, tuple(store.ledger.failures()), store.describer()
        ),
        note=note,
    )
