"""A library out into open formats: one state of it, while others read and write."""

from __future__ import annotations

import hashlib
import io
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

import numpy as np

from rag_app.exchange import jsonl, parquet
from rag_app.exchange.manifest import Manifest, SpaceEntry, TableFile
from rag_app.exchange.tables import BATCH, MANIFEST, ORIGINALS, TABLES, Row
from rag_app.store import generations, reading, spaces, sums
from rag_app.store.copying import begin, end, files_copied
from rag_app.store.failures import os_errors
from rag_app.store.replacing import replace_file

if TYPE_CHECKING:
    from rag_app.store import Store

Format = Literal["parquet", "jsonl"]
FORMATS: dict[Format, Any] = {"parquet": parquet, "jsonl": jsonl}  # Any: modules with write, read and SUFFIX
Progress = Callable[[str, int, int], None]  # what is counted, done, in all


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export holds: rows by table. lost: crops and originals that the library lacks or has damaged."""

    path: str
    format: str
    rows: dict[str, int]
    crops: int
    originals: int
    bytes: int
    lost: tuple[str, ...]
    seconds: float

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return asdict(self)


def export(
    store: Store, target: Path, *, format: Format = "parquet", on_progress: Progress | None = None
) -> ExportReport:
    """Write the library into the folder `target`, which is new, empty, or holds an unfinished export.

    Raises UsageError for any other folder and without pyarrow for Parquet, DiskFull, LibraryReadOnly, LibraryDamaged.
    """
    began = time.perf_counter()
    module = FORMATS[format]
    if format == "parquet":
        parquet.need()
    begin(store.folder, target)
    heard = on_progress or _unheard
    with files_copied(
        store.database, target, files=ORIGINALS, on_progress=lambda done, total: heard("files", done, total)
    ) as (connection, copied):
        originals = {Path(name).stem: name for name in copied.files}
        tables: dict[str, TableFile] = {}
        for name in TABLES:
            total = connection.execute(_COUNTS[name]).fetchone()[0]
            batches = _heard(_ROWS[name](connection, originals), name, total, heard)
            with os_errors(target), (target / f"{name}.{module.SUFFIX}").open("wb") as file:
                digesting = _Digesting(file)
                count = module.write(digesting, name, batches)
                file.flush()
                os.fsync(file.fileno())
            tables[name] = TableFile(digesting.digest.hexdigest(), digesting.size, count)
        manifest = Manifest(
            f"rag-app {metadata.version('rag-app')}",
            generations.now(),
            format,
            store.generation(),
            tables,
            _spaces(connection),
            copied.lost,
        )
    replace_file(target / MANIFEST, [manifest.to_json().encode()], library=target)
    end(target)
    return ExportReport(
        str(target),
        format,
        {name: table.rows for name, table in tables.items()},
        len(copied.crops),
        len(copied.files),
        sum(path.stat().st_size for path in target.rglob("*") if path.is_file()),
        copied.lost,
        time.perf_counter() - began,
    )


class _Digesting(io.RawIOBase):
    """A file that notes the digest of what is written to it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:  # Any: bytes, or a buffer of pyarrow
        piece = bytes(data)
        self.digest.update(piece)
        self.size += len(piece)
        return self._file.write(piece)


def _spaces(connection: sqlite3.Connection) -> tuple[SpaceEntry, ...]:
    found = connection.execute("SELECT name, role, added FROM spaces ORDER BY id").fetchall()
    return tuple(SpaceEntry(name, added, spaces.active(connection, role) == name) for name, role, added in found)


def _documents(connection: sqlite3.Connection, originals: dict[str, str]) -> Iterator[Row]:
    aliases: dict[int, list[dict[str, str | None]]] = {}
    for document, name, path in connection.execute("SELECT document, name, path FROM aliases ORDER BY rowid"):
        aliases.setdefault(document, []).append({"name": name, "path": path})
    for (
        document,
        document_id,
        name,
        file_name,
        title,
        language,
        pages,
        parser,
        told,
        added,
        seconds,
    ) in connection.execute(
        "SELECT id, document_id, name, file_name, title, language, pages, parser, metadata, added, seconds "
        "FROM documents ORDER BY id"
    ):
        paper = reading.paper(connection, document)
        yield {
            "document_id": document_id,
            "name": name,
            "file_name": file_name,
            "title": title,
            "language": language,
            "pages": pages,
            "parser": parser,
            "metadata": json.loads(told),
            "added": added,
            "seconds": seconds,
            "aliases": aliases.get(document, []),
            "problems": [
                {"stage": stage, "page": page, "message": message}
                for stage, page, message in connection.execute(
                    "SELECT stage, page, message FROM problems WHERE document = ? ORDER BY id", (document,)
                )
            ],
            "parsed": None
            if paper is None
            else {
                "name": paper.name,
                "title": paper.title,
                "language": paper.language,
                "parser": paper.parser,
                "metadata": paper.metadata,
                "pages": [asdict(page) for page in paper.pages],
                "problems": [asdict(problem) for problem in paper.problems],
            },
            "original": originals.get(document_id),
        }


def _elements(connection: sqlite3.Connection, _originals: dict[str, str]) -> Iterator[Row]:
    for document, document_id in connection.execute("SELECT id, document_id FROM documents ORDER BY id"):
        paper = reading.paper(connection, document)
        for element in paper.elements if paper is not None else ():
            # Through JSON, so that tuples are the lists that are read back.
            yield {"document_id": document_id, **json.loads(json.dumps(asdict(element)))}


def _nodes(connection: sqlite3.Connection, _originals: dict[str, str]) -> Iterator[Row]:
    """In the order of their rows, which is that of results with equal scores."""
    for row, document_id, crc, *fields in connection.execute(
        f"SELECT row, document_id, crc, {sums.FIELDS} FROM nodes JOIN documents ON documents.id = nodes.document "
        "ORDER BY row"
    ):
        sums.check_node(row, fields, crc)
        node_id, kind, page, label, image, text, told, extras = fields
        yield {
            "node_id": node_id,
            "document_id": document_id,
            "kind": kind,
            "page": page,
            "label": label,
            "image": image,
            "text": text,
            "metadata": json.loads(told),
            "extras": json.loads(extras),
        }


def _vectors(connection: sqlite3.Connection, _originals: dict[str, str]) -> Iterator[Row]:
    for space, name in connection.execute("SELECT id, name FROM spaces ORDER BY id").fetchall():
        for row, node_id, vector, crc, behind in connection.execute(
            "SELECT vectors.row, node_id, vector, vectors.crc, "
            "vectors.generation < coalesce(changed_nodes.generation, 0) FROM vectors "
            "JOIN nodes ON nodes.row = vectors.row LEFT JOIN changed_nodes ON changed_nodes.row = vectors.row "
            "WHERE +vectors.space = ? ORDER BY vectors.row",  # by the order of rows: else SQLite sorts them in memory
            (space,),
        ):
            sums.check_vector(row, vector, crc)
            yield {
                "node_id": node_id,
                "space": name,
                "vector": np.frombuffer(vector, spaces.VECTOR),
                "behind": bool(behind),
            }


def _ledger(connection: sqlite3.Connection, _originals: dict[str, str]) -> Iterator[Row]:
    columns = [column.name for column in TABLES["ledger"]][1:]
    for document_id, *values in connection.execute(
        f"SELECT document_id, {', '.join(f'ledger.{name}' for name in columns)} FROM ledger "
        "JOIN documents ON documents.id = ledger.document ORDER BY ledger.id"
    ):
        row: Row = {"document_id": document_id, **dict(zip(columns, values, strict=True))}
        row["result"] = None if row["result"] is None else json.loads(row["result"])
        row["verified"] = None if row["verified"] is None else bool(row["verified"])
        yield row


def _answers(connection: sqlite3.Connection, _originals: dict[str, str]) -> Iterator[Row]:
    for id_, at, question, generation, body in connection.execute(
        "SELECT id, at, question, generation, body FROM answers ORDER BY id"
    ):
        yield {"id": id_, "at": at, "question": question, "generation": generation, "body": json.loads(body)}


_ROWS = {
    "documents": _documents,
    "elements": _elements,
    "nodes": _nodes,
    "vectors": _vectors,
    "ledger": _ledger,
    "answers": _answers,
}
_COUNTS = {name: f"SELECT count(*) FROM {'papers' if name == 'elements' else name}" for name in TABLES}


def _heard(rows: Iterator[Row], table: str, total: int, on_progress: Progress) -> Iterator[list[Row]]:
    """The rows in batches, the progress told after each; of elements, whose number is not known, batches alone."""
    batch: list[Row] = []
    done = 0
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH:
            yield batch
            done += len(batch)
            batch = []
            on_progress(table, done, max(done, total))
    if batch:
        yield batch
        on_progress(table, done + len(batch), done + len(batch))


def _unheard(_what: str, _done: int, _total: int) -> None:
    pass
