"""What `checking.integrity` leaves out: every byte of crops and originals, the lengths of all vectors, and whether the
search terms are those of the texts. Nothing is changed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rag_app.store import fulltext, reading, spaces
from rag_app.store.checking import CROPS, FILES, named_crops
from rag_app.store.copying import digest

Progress = Callable[[str, int, int], None]  # what is counted, done, in all

_BATCH = 5_000
_SHOWN = 20  # findings of one sort
_UNIT = 1e-3  # a space is one of unit vectors when its median length is as near to 1 ...
_OFF = 1e-2  # ... and then no vector may be further from it than this
_PROBED_NODES = 400  # nodes whose search terms are made anew: about 1 ms each


class Counted(NamedTuple):
    """How much was looked at."""

    nodes: int
    vectors: int
    crops: int
    originals: int


def count(connection: sqlite3.Connection) -> Counted:
    """How much there is to look at."""
    nodes, vectors, papers = connection.execute(
        "SELECT (SELECT count(*) FROM nodes), (SELECT count(*) FROM vectors), (SELECT count(*) FROM papers)"
    ).fetchone()
    return Counted(nodes, vectors, len(named_crops(connection)), papers)


def vector_faults(connection: sqlite3.Connection, on_progress: Progress) -> Iterator[str]:
    """Vectors that hold NaN or infinity, are zero, or are not of length 1 in a space where all others are."""
    for info in spaces.listing(connection):
        lengths, rows = [], []
        faults = 0
        for at, norms, finite in _norms(connection, info.name, info.dim):
            for row in at[~finite | (norms == 0)].tolist():
                faults += 1
                if faults <= _SHOWN:
                    yield f"the vector of node {row} in {info.name} is zero, or holds NaN or infinity"
            rows.append(at[finite])
            lengths.append(norms[finite])
            on_progress("vectors", sum(map(len, rows)), info.vectors)
        if not lengths:
            continue
        norms, at = np.concatenate(lengths), np.concatenate(rows)
        if len(norms) and abs(float(np.median(norms)) - 1) < _UNIT:
            off = np.flatnonzero((np.abs(norms - 1) > _OFF) & (norms > 0))
            for i in off[:_SHOWN].tolist():
                yield f"the vector of node {at[i]} in {info.name} has length {norms[i]:.3f} where the others have 1"


def _norms(connection: sqlite3.Connection, name: str, dim: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Rows, lengths, and whether all parts are finite, by batches; vectors of a wrong size are left out."""
    found = spaces.find(connection, name)
    last = -1
    while found is not None:
        block = connection.execute(
            "SELECT row, vector FROM vectors WHERE space = ? AND row > ? ORDER BY row LIMIT ?", (found[0], last, _BATCH)
        ).fetchall()
        if not block:
            return
        last = block[-1][0]
        whole = [(row, blob) for row, blob in block if isinstance(blob, bytes) and len(blob) == dim * 4]
        matrix = np.frombuffer(b"".join(blob for _, blob in whole), spaces.VECTOR).reshape(len(whole), dim)
        finite = np.all(np.isfinite(matrix), axis=1).reshape(-1)
        norms = np.linalg.norm(np.where(finite[:, None], matrix, 0).astype(np.float64), axis=1)
        yield np.array([row for row, _ in whole], np.int64), norms, finite


def term_faults(connection: sqlite3.Connection) -> Iterator[str]:
    """Nodes whose search terms are not those of their texts, among some that are spread over the library."""
    rows = reading.rows_where(connection, "1", [])
    for at in np.linspace(0, len(rows) - 1, min(_PROBED_NODES, len(rows))).astype(int).tolist():
        metadata, text, words = connection.execute(
            "SELECT metadata, text, words FROM nodes WHERE row = ?", (int(rows[at]),)
        ).fetchone()
        if fulltext.columns(metadata, text) != tuple(fulltext.unpack(words)):
            yield f"the search terms of node {rows[at]} are not those of its text"


def file_faults(connection: sqlite3.Connection, folder: Path, on_progress: Progress) -> Iterator[tuple[str, str]]:
    """Crops and originals whose content is not what their name says, as (name, sentence); missing ones are left out."""
    documents = dict(connection.execute("SELECT document_id, name FROM documents").fetchall())
    crops = [folder / CROPS / name for name in sorted(named_crops(connection))]
    kept = {path.stem: path for path in _listed(folder / FILES)}
    originals = [kept[document_id] for document_id in sorted(documents.keys() & kept.keys())]
    for done, path in enumerate([*crops, *originals], start=1):
        if path.is_file() and digest(path) != path.stem:
            what = f"of {documents[path.stem]}" if path.stem in documents else path.name
            yield (
                path.name,
                (
                    f"the stored copy {what} is not the file that was read"
                    if path.parent.name == FILES
                    else f"the crop {what} is not the picture that was stored"
                ),
            )
        if done % 100 == 0 or done == len(crops) + len(originals):
            on_progress("files", done, len(crops) + len(originals))


def _listed(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.suffix != ".tmp"] if folder.is_dir() else []
