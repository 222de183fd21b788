"""Is a library whole? Every part is read and compared with the others; nothing is changed. `rag-app check`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rag_app.errors import VectorsUnavailable
from rag_app.store import Store, auditing

if TYPE_CHECKING:
    from rag_app.store.auditing import Progress
    from rag_app.vectors.protocol import VectorSpace

_PROBES = 64  # vectors of a space that are looked for in its index
_NEAREST = 10
_FOUND_SHARE = 0.95  # of the probes that an approximate index must find; an exact one finds all
_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, in a sentence, and what to do.

    part: sqlite, full text, vectors, index, crops, originals, or files: those that nothing needs.
    """

    part: str
    message: str
    mend: str


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What was looked at and what is wrong with it; files that nothing needs are told, and are no damage."""

    path: str
    findings: tuple[Finding, ...]
    nodes: int
    vectors: int
    crops: int
    originals: int
    seconds: float

    @property
    def sound(self) -> bool:
        return all(finding.part == "files" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return {**asdict(self), "sound": self.sound}


def check(store: Store, space: Callable[[str], VectorSpace], *, on_progress: Progress | None = None) -> CheckReport:
    """Read all of a library that was opened for reading only. Raises LibraryDamaged when SQLite cannot go on."""
    began = time.perf_counter()
    heard = on_progress or _unheard
    with store.snapshot() as connection:
        heard("SQLite and full text", 0, 0)
        found = list(_stored(store))
        if not any(finding.part == "sqlite" for finding in found):  # else its rows are not to be read any further
            counted = auditing.count(connection)
            repair = f"Run: rag-app repair --library {store.folder}"
            found += [
                Finding("vectors", message, f"Run: rag-app ingest --reembed --library {store.folder}")
                for message in auditing.vector_faults(connection, heard)
            ]
            found += [Finding("full text", message, repair) for message in auditing.term_faults(connection)]
            for name, message in auditing.file_faults(connection, store.folder, heard):
                part = "crops" if name.endswith(".png") and (store.folder / "crops" / name).exists() else "originals"
                found.append(Finding(part, message, "Ingest its paper again."))
            heard("indexes", 0, 0)
            for info in store.spaces():
                found += [Finding("index", message, repair) for message in _index_faults(store, space(info.name))]
        else:
            counted = auditing.Counted(0, 0, 0, 0)
    return CheckReport(str(store.folder), tuple(found), *counted, time.perf_counter() - began)


def _stored(store: Store) -> Iterator[Finding]:
    whole = store.integrity()
    mend = (
        f"Run: rag-app repair --library {store.folder}; what stays wrong comes from a backup, or from ingesting again."
    )
    for message in whole.damage:
        yield Finding("full text" if "full text" in message or "postings" in message else "sqlite", message, mend)
    for name in whole.missing_crops:
        yield Finding("crops", f"the crop {name} is missing", "Ingest its paper again.")
    for name in whole.missing_files:
        yield Finding("originals", f"the stored copy of {name} is missing", "Ingest it again.")
    for name in whole.orphans:
        yield Finding("files", f"{name} is needed by no document", f"Run: rag-app vacuum --library {store.folder}")


def _index_faults(store: Store, space: VectorSpace) -> Iterator[str]:
    """Whether the index is whole, finds vectors that the store holds, and gives them the scores they have."""
    try:
        problem = space.check()
        yield from [problem.rstrip(".")] if problem is not None else _unlike(store, space)
    except VectorsUnavailable as exc:
        yield str(exc).rstrip(".")


def _unlike(store: Store, space: VectorSpace) -> Iterator[str]:
    """Where searches of the index do not give what the stored vectors say."""
    rows = store.rows_where(
        "row IN (SELECT row FROM vectors WHERE space = (SELECT id FROM spaces WHERE name = ?))", [space.name]
    )
    if len(rows) == 0:
        return
    probes = rows[np.linspace(0, len(rows) - 1, min(_PROBES, len(rows))).astype(int)].tolist()
    found = 0
    for row, vector in store.vectors(space.name, probes).items():
        hits = space.search(vector, k=_NEAREST)
        true = {at: float(held @ vector) for at, held in store.vectors(space.name, [hit.row for hit in hits]).items()}
        scale = max(1.0, float(vector @ vector))
        wrong = [hit.row for hit in hits if abs(true.get(hit.row, np.inf) - hit.score) > _TOLERANCE * scale]
        if wrong:
            yield f"the index of {space.name} gives node {wrong[0]} a score that its stored vector does not have"
            return
        least = min((hit.score for hit in hits), default=-np.inf)
        found += row in true or (len(hits) == _NEAREST and least >= float(vector @ vector) - _TOLERANCE * scale)
    if found < _FOUND_SHARE * len(probes):
        yield f"the index of {space.name} finds {found} of {len(probes)} stored vectors"


def _unheard(_what: str, _done: int, _total: int) -> None:
    pass
