"""An exported library in again: everything is checked, and there is the whole library or none.

It is made under another name inside the new folder and gets its own when it is whole. Crops and originals go to where
they belong under the digests of their content, which are compared; no name of the export is ever used as a path.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ingestion.elements import Element, Paper
from rag_app.errors import InputError, UsageError
from rag_app.exchange import checking
from rag_app.exchange.exporting import FORMATS
from rag_app.exchange.manifest import Manifest, read_manifest
from rag_app.exchange.tables import CROPS, ORIGINALS, TABLES, Row, Unfit, check_row
from rag_app.store import Store, fulltext, generations, reading, spaces, writing
from rag_app.store.checking import FILES, named_crops
from rag_app.store.copying import digest
from rag_app.store.database import FILE_NAME
from rag_app.store.failures import os_errors
from rag_app.store.lock import writer_lock
from rag_app.store.replacing import flush_names

UNFINISHED = "importing"

Progress = Callable[[str, int, int], None]  # what is counted, done, in all
Numbered = list[tuple[int, Row]]  # rows with their numbers in the table, from 1


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What came in: rows by table. lost: crops and originals that the exported library lacked."""

    path: str
    rows: dict[str, int]
    crops: int
    originals: int
    lost: tuple[str, ...]
    seconds: float

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return asdict(self)


def import_(source: Path, folder: Path, *, on_progress: Progress | None = None) -> ImportReport:
    """Make a library in `folder` of the export in `source`.

    Raises UsageError when there is a library already, InputError when the export is not whole or not as an export is,
    LibraryBusy when another process imports there, DiskFull, LibraryReadOnly; then there is no library.
    """
    began = time.perf_counter()
    heard = on_progress or _unheard
    manifest = read_manifest(source)
    with os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with writer_lock(folder).hold():
        if (folder / FILE_NAME).exists():
            raise UsageError(f"There is a library in {folder} already: name a new folder with --library.")
        unfinished = folder / UNFINISHED
        new = [folder / name for name in (CROPS, FILES) if not (folder / name).exists()]
        with os_errors(folder):
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
        try:
            with Store.open(unfinished) as store:
                store.database.connection.execute("PRAGMA synchronous = OFF")  # it is flushed once, when it is whole
                counts = _Import(source, folder, manifest, store, heard).run()
                store.database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            with os_errors(folder):
                with (unfinished / FILE_NAME).open("rb") as file:
                    os.fsync(file.fileno())
                (unfinished / FILE_NAME).replace(folder / FILE_NAME)
                flush_names(folder)
        except BaseException:
            for path in new:
                shutil.rmtree(path, ignore_errors=True)
            raise
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    rows = {name: table.rows for name, table in manifest.tables.items()}
    return ImportReport(str(folder), rows, *counts, manifest.lost, time.perf_counter() - began)


class _Import:
    """One import into an empty store."""

    def __init__(self, source: Path, folder: Path, manifest: Manifest, store: Store, heard: Progress) -> None:
        self._source = source
        self._folder = folder
        self._manifest = manifest
        self._store = store
        self._heard = heard
        self._documents: dict[str, int] = {}
        self._papers: dict[str, Paper] = {}
        self._originals: dict[str, str] = {}
        self._open: str | None = None  # the document whose elements come now
        self._elements: list[Element] = []
        self._before, self._now = manifest.generation + 1, manifest.generation + 2
        self._dims = {space.name: spaces.parse(space.name)[2] for space in manifest.spaces}

    def run(self) -> tuple[int, int]:
        """Returns how many crops and originals came along."""
        self._check_files()
        with self._store.database.transaction() as connection:
            self._begin(connection)
        self._each("documents", self._put_documents)
        self._each("elements", self._put_elements)
        with self._store.database.transaction() as connection:
            self._finish_paper(connection)
            for document_id in list(self._papers):  # without elements
                self._put_paper(connection, document_id)
        self._each("nodes", self._put_nodes)
        self._each("vectors", self._put_vectors)
        self._each("ledger", self._put_ledger)
        self._each("answers", self._put_answers)
        return self._put_files()

    def _check_files(self) -> None:
        """Every table is a plain file of the size and digest that the manifest says."""
        for name, table in self._manifest.tables.items():
            path = self._path(name)
            if not _is_plain(path) or path.stat().st_size != table.bytes or digest(path) != table.sha256:
                raise InputError(
                    f"{path} is missing, or not the file that was exported. Copy or make the export again."
                )

    def _begin(self, connection: sqlite3.Connection) -> None:
        """Two states after that of the exported library: vectors are made in the first, nodes change in the second."""
        fulltext.make_current(connection)
        made = generations.now()
        for number in (self._before, self._now):
            token = os.urandom(8).hex()
            connection.execute("INSERT INTO generations(generation, token, at) VALUES(?, ?, ?)", (number, token, made))
        for space in self._manifest.spaces:
            spaces.ensure(connection, space.name)
            connection.execute("UPDATE spaces SET added = ? WHERE name = ?", (space.added, space.name))
            if space.active:
                role = spaces.parse(space.name)[0]
                connection.execute("INSERT OR REPLACE INTO meta VALUES(?, ?)", (f"active:{role}", space.name))

    def _put_documents(self, connection: sqlite3.Connection, rows: Numbered) -> None:
        for number, row in rows:
            with _row("documents", number):
                paper = checking.check_document(row)
                cursor = connection.execute(
                    "INSERT INTO documents(document_id, name, file_name, title, language, pages, parser, metadata, "
                    "added, seconds) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        *(row[key] for key in ("document_id", "name", "file_name", "title", "language", "pages")),
                        row["parser"],
                        json.dumps(row["metadata"], ensure_ascii=False),
                        row["added"],
                        row["seconds"],
                    ),
                )
                assert cursor.lastrowid is not None
                document = self._documents[row["document_id"]] = cursor.lastrowid
                connection.executemany(
                    "INSERT INTO aliases VALUES(?, ?, ?)",
                    [(document, alias["name"], alias["path"]) for alias in row["aliases"]],
                )
                connection.executemany(
                    "INSERT INTO problems(document, stage, page, message) VALUES(?, ?, ?, ?)",
                    [(document, one["stage"], one["page"], one["message"]) for one in row["problems"]],
                )
                if paper is not None:
                    self._papers[paper.sha256] = paper
                if row["original"] is not None:
                    self._originals[row["document_id"]] = row["original"]

    def _put_elements(self, connection: sqlite3.Connection, rows: Numbered) -> None:
        """Elements stand together by document; a paper is stored when its last one has come."""
        for number, row in rows:
            with _row("elements", number):
                if row["document_id"] != self._open:
                    self._finish_paper(connection)
                    if row["document_id"] not in self._papers:
                        raise Unfit("its document is none with elements, or they stand apart")
                    self._open = row["document_id"]
                self._elements.append(checking.check_element(row))

    def _finish_paper(self, connection: sqlite3.Connection) -> None:
        if self._open is not None:
            self._put_paper(connection, self._open)
        self._open = None

    def _put_paper(self, connection: sqlite3.Connection, document_id: str) -> None:
        paper = replace(self._papers.pop(document_id), elements=tuple(self._elements))
        body = zlib.compress(paper.to_json().encode())
        connection.execute("INSERT INTO papers VALUES(?, ?)", (self._documents[document_id], body))
        self._elements = []

    def _put_nodes(self, connection: sqlite3.Connection, rows: Numbered) -> None:
        ids = [row["node_id"] for _, row in rows]
        if len(set(ids)) < len(ids) or reading.rows_of(connection, ids):
            raise InputError(f"nodes, rows {rows[0][0]} to {rows[-1][0]}: a node_id stands there twice.")
        together: list[Any] = []  # Any: nodes of LlamaIndex, of one document
        for at, (number, row) in enumerate(rows):
            with _row("nodes", number):
                together.append(checking.check_node(row))
                following = rows[at + 1][1]["document_id"] if at + 1 < len(rows) else None
                if following != row["document_id"]:
                    document = self._document(row)
                    writing.add_nodes(connection, document, together, self._now)
                    together = []

    def _put_vectors(self, connection: sqlite3.Connection, rows: Numbered) -> None:
        at = reading.rows_of(connection, [row["node_id"] for _, row in rows])
        by_space: dict[tuple[str, bool], list[tuple[int, np.ndarray]]] = {}
        for number, row in rows:
            with _row("vectors", number):
                if row["node_id"] not in at:
                    raise Unfit(f"there is no node {row['node_id']!r}")
                if len(row["vector"]) != self._dims.get(row["space"]):
                    raise Unfit(f"the vector has {len(row['vector'])} numbers in the space {row['space']!r}")
                key = (row["space"], row["behind"])
                by_space.setdefault(key, []).append((at[row["node_id"]], row["vector"]))
        for (space, behind), found in by_space.items():
            numbers = [number for number, _ in found]
            matrix = np.stack([vector for _, vector in found])
            there = spaces.vectors(connection, space, numbers)
            if there or len(set(numbers)) < len(numbers):
                raise InputError(f"vectors, rows {rows[0][0]} to {rows[-1][0]}: a node has two in {space}.")
            spaces.add_matrix(connection, space, numbers, matrix, self._before if behind else self._now)
            if behind:
                connection.executemany(
                    "INSERT OR IGNORE INTO changed_nodes VALUES(?, ?)", [(number, self._now) for number in numbers]
                )

    def _put_ledger(self, connection: sqlite3.Connection, rows: Numbered) -> None:
        columns = [column.name for column in TABLES["ledger"]][1:]
        for number, row in rows:
            with _row("ledger", number):
                checking.check_ledger(row)
                values = {**row, "result": row["result"] and json.dumps(row["result"], ensure_ascii=False)}
                connection.execute(
                    f"INSERT INTO ledger(document, {', '.join(columns)}) VALUES({', '.join('?' * 15)})",
                    (self._document(row), *(values[name] for name in columns)),
                )

    def _put_answers(self, connection: sqlite3.Connection, rows: Numbered) -> None:
        for number, row in rows:
            with _row("answers", number):
                checking.check_answer(row)
                body = json.dumps(row["body"], ensure_ascii=False)
                connection.execute(
                    "INSERT INTO answers(id, at, question, generation, body) VALUES(?, ?, ?, ?, ?)",
                    (row["id"], row["at"], row["question"], row["generation"], body),
                )

    def _put_files(self) -> tuple[int, int]:
        """Copy the crops and originals that the tables name, and compare their digests."""
        with self._store.snapshot() as connection:
            crops = sorted(named_crops(connection))
        wanted = [(self._source / CROPS / name, self._folder / CROPS / name) for name in crops]
        wanted += [(self._source / ORIGINALS / name, self._folder / FILES / name) for name in self._originals.values()]
        lost, came = set(self._manifest.lost), 0
        with os_errors(self._folder):
            for name in (CROPS, FILES):
                (self._folder / name).mkdir(exist_ok=True)
            for done, (file, target) in enumerate(wanted, start=1):
                if f"{file.parent.name}/{file.name}" in lost:
                    continue
                if not _is_plain(file):
                    raise InputError(f"{file} is missing. Copy or make the export again.")
                if not _copied(file, target):
                    raise InputError(f"{file} is not the file that was exported. Copy or make the export again.")
                came += target.parent.name == CROPS
                self._heard("files", done, len(wanted))
            for name in (CROPS, FILES):
                flush_names(self._folder / name)
        return came, len(self._originals)

    def _each(self, table: str, put: Callable[[sqlite3.Connection, Numbered], None]) -> None:
        """Put in the rows of a table, checked by their types, a transaction a batch."""
        done, total = 0, self._manifest.tables[table].rows
        for rows in FORMATS[self._manifest.tables_as].read(self._path(table), table):
            numbered = list(enumerate(rows, start=done + 1))
            for number, row in numbered:
                with _row(table, number):
                    check_row(table, row)
            with self._store.database.transaction() as connection:
                put(connection, numbered)
            done += len(rows)
            self._heard(table, done, max(done, total))
        if done != total:
            raise InputError(f"The table {table} has {done} rows where the export says {total}. Export it again.")

    def _path(self, table: str) -> Path:
        return self._source / f"{table}.{FORMATS[self._manifest.tables_as].SUFFIX}"

    def _document(self, row: Row) -> int:
        document = self._documents.get(row["document_id"])
        if document is None:
            raise Unfit(f"there is no document {row['document_id']!r:.80}")
        return document


@contextmanager
def _row(table: str, number: int) -> Iterator[None]:
    """Errors of the block name the row."""
    try:
        yield
    except Unfit as exc:
        raise InputError(f"{table}, row {number}: {exc}. Nothing was imported.") from exc
    except sqlite3.IntegrityError as exc:
        raise InputError(f"{table}, row {number}: what must be there once is there twice ({exc}).") from exc


def _is_plain(path: Path) -> bool:
    """Whether it is a file itself, no link, pipe or device."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _copied(source: Path, target: Path) -> bool:
    """Copy a file that is named by its digest, flushed; False, and nothing there, when it is not what its name says."""
    if target.is_file() and digest(target) == target.stem:
        return True
    partial = target.with_suffix(".tmp")
    try:
        shutil.copyfile(source, partial)
        if digest(partial) != target.stem:
            return False
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return True


def _unheard(_what: str, _done: int, _total: int) -> None:
    pass
