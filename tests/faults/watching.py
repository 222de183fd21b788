"""What a reader sees of a library, to be compared before and after its files were damaged."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from adapters import names
from rag_app import Library, embeddings
from rag_app.errors import RagAppError
from rag_app.store import Store
from rag_app.vectors.space import Space

QUESTIONS = ("Which data was used?", "What is shown in Figure 1?", "vision language model encoder")


@dataclass(frozen=True, slots=True)
class Seen:
    """results: what was seen, None where `error` came instead. all_hits: every node as a hit. damage: by a check."""

    results: Any  # Any: JSON of documents, searches and answers
    all_hits: list[dict[str, Any]]  # Any: JSON
    error: RagAppError | None
    damage: tuple[str, ...]


def watch(folder: Path) -> Seen:
    """List, search and ask; then check. Any error that is not one of ours is raised: it is a defect."""
    results, hits, error = None, list[dict[str, Any]](), None
    try:
        with Library.open(folder, create=False) as library:
            results = _results(library)
            hits = [hit for question in QUESTIONS for hit in library.search(question, k=1000).to_dict()["hits"]]
    except RagAppError as exc:
        error = exc
    return Seen(results, hits, error, _damage(folder))


def _results(library: Library) -> Any:  # Any: JSON
    found: list[Any] = [[(d.document_id, d.name, d.title, d.pages, d.nodes) for d in library.documents()]]
    for question in QUESTIONS:
        for hit in library.search(question, k=6).to_dict()["hits"]:
            found.append({key: round(value, 3) if isinstance(value, float) else value for key, value in hit.items()})
        answer = library.as_query_engine(k=4).answer(question).to_dict()
        found.append({key: answer[key] for key in ("question", "answer", "refused", "citations")})
    found += [library.paper(info.document_id).to_json() for info in library.documents()]
    return found


def _damage(folder: Path) -> tuple[str, ...]:
    """What `rag-app doctor` and `repair` would find."""
    try:
        with Store.open(folder, create=False) as store:
            found = store.integrity()
            checks = [Space(store, info.name).check() for info in store.spaces()]
            return (*found.damage, *found.missing_crops, *found.missing_files, *(c for c in checks if c))
    except RagAppError as exc:
        return (str(exc),)


@contextmanager
def models_loaded_once() -> Iterator[None]:
    """Within the block every library shares its models: loading them anew would take most of the time."""
    load = functools.cache(names.load_model)

    def loaded(role: Any, name: Any, settings: Any) -> Any:  # Any: as load_model
        return load(role, name, settings)

    with patch.object(embeddings, "load_model", loaded):
        yield
