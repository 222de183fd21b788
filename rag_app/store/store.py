"""Store: the library's one truth, with every operation on it in one place.

The work is in the modules beside this one; what stands here is which of it runs in a snapshot, which in a transaction,
and which under the writer lock.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ingestion.elements import Paper
from rag_app.errors import UnknownDocument
from rag_app.store import (
    captions,
    checking,
    descriptions,
    fulltext,
    generations,
    naming,
    reading,
    spaces,
    vacuum,
    vector_rows,
    writing,
)
from rag_app.store.backup import Backup, backup
from rag_app.store.backup import Progress as BackupProgress
from rag_app.store.database import Database
from rag_app.store.failures import os_errors
from rag_app.store.failures import read_only as read_only_error
from rag_app.store.ledger import Ledger
from rag_app.store.ledger import now as ledger_now
from rag_app.store.lock import describer_lock, writer_lock
from rag_app.store.passing import Passing
from rag_app.store.records import (
    Active,
    Caption,
    CaptionsChange,
    CommitResult,
    DocumentInfo,
    Filter,
    Integrity,
    Reading,
    SavedAnswer,
    Scored,
    SpaceInfo,
    StoredNode,
)
from rag_app.store.vacuum import Vacuumed
from rag_app.store.words import Words

if TYPE_CHECKING:
    import sqlite3

    from llama_index.core.schema import BaseNode

Embed = Callable[[Sequence["BaseNode"]], Mapping[str, np.ndarray]]  # nodes -> by space, vectors (nodes, dimension)


class Store:
    """The SQLite file `<folder>/library.sqlite`. One writer at a time, any number of readers, safe between threads."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder = folder
        self.database = database
        self.ledger = Ledger(database)
        self._lock = writer_lock(folder)
        self._describer = describer_lock(folder)
        self._passing = Passing()
        self._words = Words(folder, self._passing)

    @classmethod
    def open(cls, folder: Path, *, create: bool = True, read_only: bool = False) -> Self:
        """The library in `folder`, made when missing and `create`.

        A folder that cannot be written opens for reading. Raises LibraryNotFound, LibraryDamaged, LibraryTooNew.
        """
        folder = Path(folder)
        return cls(folder, Database(folder, create=create, read_only=read_only))

    def close(self) -> None:
        """Close all connections. The store cannot be used afterwards."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- states ---------------------------------------------------------------------------------------------------

    @property
    def read_only(self) -> bool:
        return self.database.read_only

    def write_lock(self, *, wait_s: float = 0.0) -> AbstractContextManager[None]:
        """Be the one writer for the block. Raises LibraryBusy (who, where, since when), LibraryReadOnly, DiskFull."""
        if self.read_only:
            raise read_only_error(self.folder)
        return self._lock.hold(wait_s=wait_s)

    def describer_lock(self, *, wait_s: float = 0.0) -> AbstractContextManager[None]:
        """Be the one that asks models for the block; papers may come and go meanwhile. Raises as `write_lock`."""
        if self.read_only:
            raise read_only_error(self.folder)
        return self._describer.hold(wait_s=wait_s)

    def describer(self) -> dict[str, str | int] | None:
        """The process that asks models now: pid, host, since (UTC, ISO 8601), command; None when there is none."""
        return self._describer.holder()

    def snapshot(self) -> AbstractContextManager[sqlite3.Connection]:
        """See one unchanging state in all reads of this thread inside the block, whatever other processes commit."""
        return self.database.snapshot()

    def generation(self) -> int:
        """Number of the last change to nodes or vectors; 0 in a new library."""
        with self.snapshot() as connection:
            return connection.execute("SELECT coalesce(max(generation), 0) FROM generations").fetchone()[0]

    def generation_token(self, generation: int) -> str | None:
        """The random mark of that state, None when this library never had it: tells a diverged copy."""
        with self.snapshot() as connection:
            found = connection.execute("SELECT token FROM generations WHERE generation = ?", (generation,)).fetchone()
        return found[0] if found else None

    # --- documents ------------------------------------------------------------------------------------------------

    def commit(
        self,
        paper: Paper,
        nodes: Sequence[BaseNode],
        vectors: Mapping[str, np.ndarray],
        *,
        path: Path | None = None,
        seconds: float | None = None,
    ) -> CommitResult:
        """Put a paper in, whole, in one transaction; what it replaces leaves in the same one.

        Args:
            paper: as parsed; its sha256 is the document's identity.
            nodes: in reading order, with the metadata keys of `ingestion.keys`.
            vectors: space name -> (len(nodes), dimension) float32; a row of NaN means no vector in that space.
            path: where the file was read. A document read there before with other content is replaced; another
                file of the same name from another folder is kept, and this one's name gets its folder in front.
                Without a path the file name decides.
            seconds: what parsing and embedding took.

        Raises LibraryBusy, LibraryReadOnly, DiskFull, SpaceMismatch; nothing has changed then.
        """
        with self.write_lock(), self.database.transaction() as connection:
            return writing.commit(connection, paper, nodes, vectors, path=path, seconds=seconds)

    def remove(self, document_id: str) -> int:
        """Take a document out (id or name); returns how many nodes it had. Raises UnknownDocument."""
        with self.write_lock(), self.database.transaction() as connection:
            return writing.remove(connection, naming.resolve(connection, document_id))

    def remove_with_crops(self, document_id: str) -> int:
        """As `remove`, with those of its crops that no node of another document shows."""
        with self.write_lock():
            with self.database.transaction() as connection:
                document = naming.resolve(connection, document_id)
                found = connection.execute("SELECT document_id FROM documents WHERE id = ?", (document,)).fetchone()
                crops = checking.crops_of(connection, self.folder, found[0])
                count = writing.remove(connection, document)
            with self.snapshot() as connection, os_errors(self.folder):
                checking.remove_unused(connection, crops)
        return count

    def add_alias(self, document_id: str, path: Path) -> bool:
        """Note that this content was also found at `path`; False when that was known."""
        with self.write_lock(), self.database.transaction() as connection:
            document = naming.resolve(connection, document_id)
            added = writing.add_alias(connection, document, path.name, naming.place(path))
            if added:  # filters by folder let other nodes through now
                generations.new_generation(connection)
            return added

    def documents(self) -> list[DocumentInfo]:
        """All documents in the order they came."""
        with self.snapshot() as connection:
            return reading.documents(connection)

    def find_document(self, name_or_id: str) -> DocumentInfo:
        """By name, file name, path, id or its first 6 characters. Raises UnknownDocument with the nearest names."""
        with self.snapshot() as connection:
            return reading.documents(connection, naming.resolve(connection, name_or_id))[0]

    def has(self, document_id: str, *, parser: str | None = None) -> bool:
        """Is this content (sha256) in the library, parsed by `parser` if one is named?"""
        with self.snapshot() as connection:
            found = connection.execute("SELECT parser FROM documents WHERE document_id = ?", (document_id,)).fetchone()
        return found is not None and parser in (None, found[0])

    def paper(self, document_id: str) -> Paper:
        """The paper as parsed. Raises UnknownDocument."""
        with self.snapshot() as connection:
            found = reading.paper(connection, naming.resolve(connection, document_id))
        if found is None:
            raise UnknownDocument(f"The document {document_id} came as bare nodes and has no parsed paper.")
        return found

    def crops(self, document_id: str) -> list[str]:
        """File names, in the crops folder, of the pictures that a document's nodes have; by id."""
        with self.snapshot() as connection:
            return reading.crops(connection, document_id)

    # --- nodes ----------------------------------------------------------------------------------------------------

    def nodes(self, rows: Sequence[int]) -> list[StoredNode]:
        """The nodes in the given order; rows that are gone are left out."""
        with self.snapshot() as connection:
            return reading.nodes(connection, rows)

    def rows_of(self, node_ids: Sequence[str]) -> dict[str, int]:
        """Row of each node id that is in the library."""
        with self.snapshot() as connection:
            return reading.rows_of(connection, node_ids)

    def existing(self, rows: Sequence[int]) -> set[int]:
        """Those of `rows` that are nodes now."""
        with self.snapshot() as connection:
            return reading.existing(connection, rows)

    def row_ids(self, filter: Filter | None) -> np.ndarray | None:
        """Rows (n,) int64, ascending, that pass the filter; None when there is no filter at all. Remembered."""
        if not filter:
            return None
        with self.snapshot() as connection:
            return self._passing.rows(connection, filter)

    def rows_where(self, condition: str, values: Sequence[object]) -> np.ndarray:
        """Rows (n,) int64, ascending, for which an SQL condition over `nodes` holds (rag_app.vectors builds it)."""
        with self.snapshot() as connection:
            return reading.rows_where(connection, condition, values)

    def lexical(self, terms: Sequence[str], *, k: int, allowed: Filter | None = None) -> list[Scored]:
        """The `k` best nodes for any of the searchable `terms` by BM25, best first, among those `allowed`."""
        with self.snapshot() as connection:
            return self._words.search(connection, terms, k=k, allowed=allowed)

    def fold_words(self, *, always: bool = False) -> bool:
        """Make the postings file of a large library anew if it is worth it: call it when an ingestion ends.

        Says whether it was written. Costs about 60 microseconds a node. Raises DiskFull, LibraryReadOnly.
        """
        with self.write_lock(), self.snapshot() as connection:
            return self._words.fold(connection, always=always)

    def labelled(self, labels: Sequence[str], filter: Filter | None = None) -> list[int]:
        """Rows of the nodes which are that label ("Table 3"), in reading order."""
        with self.snapshot() as connection:
            return reading.labelled(connection, labels, filter)

    def mentioning(self, label: str, document_id: str) -> list[int]:
        """Rows of the document's nodes whose text mentions the label, in reading order."""
        with self.snapshot() as connection:
            return reading.mentioning(connection, label, document_id)

    def neighbours(self, row: int, *, before: int = 1, after: int = 1) -> list[int]:
        """Rows just before and after in the same document, in reading order."""
        with self.snapshot() as connection:
            return reading.neighbours(connection, row, before=before, after=after)

    def add_nodes(
        self, document_id: str, name: str, nodes: Sequence[BaseNode], vectors: Mapping[str, np.ndarray]
    ) -> list[int]:
        """Append nodes that come without a Paper (the LlamaIndex vector store); equal node ids are replaced."""
        with self.write_lock(), self.database.transaction() as connection:
            generation = generations.new_generation(connection)
            fulltext.make_current(connection)
            document = writing.bare_document(connection, document_id, name)
            rows = writing.add_nodes(connection, document, nodes, generation)
            for space, matrix in vectors.items():
                spaces.add_matrix(connection, space, rows, matrix, generation)
            return rows

    def remove_rows(self, rows: Sequence[int]) -> None:
        """Take single nodes out."""
        with self.write_lock(), self.database.transaction() as connection:
            fulltext.make_current(connection)
            writing.remove_nodes(connection, reading.existing(connection, rows), generations.new_generation(connection))

    # --- descriptions ---------------------------------------------------------------------------------------------

    def known_descriptions(self, paper: Paper) -> dict[str, dict[str, Any]]:  # Any: a Description as JSON
        """By element id: what has been read, in any document, in a crop that is exactly the element's."""
        images = {element.image for element in paper.elements if element.image}
        with self.snapshot() as connection:
            found = descriptions.known(connection, images)
        wanted = {element.id: (element.image or "", element.kind) for element in paper.elements}
        return {element: found[crop] for element, crop in wanted.items() if crop in found}

    def describe(self, readings: Sequence[Reading], *, embed: Embed | None = None) -> int:
        """Make the ledger rows of these readings done and put the descriptions into their nodes, in one transaction.

        A node keeps its row and id. It carries the description that wins for its element: a verified one before an
        unverified one, then the higher score, then the newer. Works while another process ingests.

        Args:
            embed: vectors (n, dimension) of nodes by space, NaN for none. Without it, and where a node was changed in
                between, the vectors stay as they are and are `behind` (see `vectors_behind`).

        Returns how many rows are done now; 0 when their documents are gone. Raises LibraryBusy, LibraryReadOnly,
        DiskFull; nothing has changed then.
        """
        with self.snapshot() as connection:
            drafts = [
                descriptions.described(node, reading.description.to_dict())
                for reading in readings
                for node in descriptions.would_win(connection, reading)
            ]
        vectors = _by_row(embed([node.node for node in drafts]), drafts) if embed and drafts else {}
        with self.database.transaction() as connection:
            return descriptions.settle(connection, readings, vectors, ledger_now())

    # --- stored captions ------------------------------------------------------------------------------------------

    def add_captions(self, said: Mapping[str, Sequence[Caption]], *, embed: Embed) -> CaptionsChange:
        """Put captions below the figures that show these pictures, in one transaction.

        What is there already stays; other captions that the same models wrote of these pictures in the same language
        are taken out.

        Args:
            said: by sha256 of the picture file, or of the crop.
            embed: vectors of the new nodes by space, NaN for none.

        Raises LibraryBusy, LibraryReadOnly, DiskFull; nothing has changed then.
        """
        with self.write_lock():
            with self.snapshot() as connection:
                plan = captions.plan(connection, said)
            vectors = embed([node for _, node in plan.new]) if plan.new else {}
            if plan.new or plan.gone:
                with self.database.transaction() as connection:
                    generation = generations.new_generation(connection)
                    fulltext.make_current(connection)
                    writing.remove_nodes(connection, plan.gone, generation)
                    rows = [
                        writing.add_nodes(connection, document, [node], generation)[0] for document, node in plan.new
                    ]
                    for space, matrix in vectors.items():
                        spaces.add_matrix(connection, space, rows, matrix, generation)
            return CaptionsChange(len(plan.new), plan.unchanged, len(plan.gone), tuple(plan.unmatched))

    def captions_of(self, rows: Sequence[int]) -> list[int]:
        """Rows of the captions stored below the figures at `rows`."""
        with self.snapshot() as connection:
            return captions.below(connection, rows)

    def holds(self, kind: str) -> bool:
        """Whether there is any node of that kind."""
        with self.snapshot() as connection:
            return reading.holds(connection, kind)

    # --- vectors --------------------------------------------------------------------------------------------------

    def spaces(self) -> list[SpaceInfo]:
        """All embedding spaces, oldest first."""
        with self.snapshot() as connection:
            return spaces.listing(connection)

    def active_space(self, role: str) -> str | None:
        """The space that answers for a role ("text", "image"); None when nothing was embedded yet."""
        with self.snapshot() as connection:
            return spaces.active(connection, role)

    def add_vectors(self, space: str, rows: Sequence[int], matrix: np.ndarray) -> None:
        """Store vectors (len(rows), dimension) of nodes that are there already."""
        with self.write_lock(), self.database.transaction() as connection:
            spaces.add_matrix(connection, space, rows, matrix, generations.new_generation(connection))

    def fill(self, space: str, rows: Sequence[int], matrix: np.ndarray, *, as_of: int) -> None:
        """Store vectors (len(rows), dimension) made from the nodes as they were in generation `as_of`.

        Nodes that have gone or changed since are left out. Works while another process ingests.
        """
        with self.database.transaction() as connection:
            there = spaces.unchanged(connection, rows, as_of)
            at = [i for i, row in enumerate(rows) if row in there]
            if at:
                generation = generations.new_generation(connection)
                spaces.add_matrix(connection, space, [rows[i] for i in at], matrix[at], generation)

    def begin_space(self, space: str) -> None:
        """Make the space, empty: from now on what is ingested goes into it too."""
        with self.database.transaction() as connection:
            spaces.ensure(connection, space)

    def unembedded(self, space: str) -> list[int]:
        """Rows of nodes that belong into `space` and have no vector there made from what they are today.

        Into a text space belongs all but the bibliography, into an image space every figure with a picture.
        """
        with self.snapshot() as connection:
            return spaces.unembedded(connection, space)

    def vectors_behind(self, space: str) -> list[int]:
        """Rows that were described since their vector in `space` was made."""
        with self.snapshot() as connection:
            return spaces.behind(connection, space)

    def pictures(self) -> int:
        """How many figures have a picture, and so belong into an image space."""
        with self.snapshot() as connection:
            return spaces.pictures(connection)

    def missing_vectors(self, space: str) -> list[int]:
        """Rows that answer now and have no vector in `space` yet."""
        with self.snapshot() as connection:
            return spaces.missing(connection, space)

    def activate(self, space: str, *, without: Collection[int] = ()) -> Active:
        """Let `space` answer for its role if it is complete but for `without`; says how many nodes are missing else.

        without: rows that its model cannot embed. Works while another process ingests.
        """
        with self.database.transaction() as connection:
            return spaces.activate(connection, space, without=without)

    def drop_space(self, space: str) -> None:
        """Forget a space that does not answer, with its vectors."""
        with self.write_lock(), self.database.transaction() as connection:
            spaces.drop(connection, space)

    def vectors(self, space: str, rows: Sequence[int]) -> dict[int, np.ndarray]:
        """Row -> vector (dimension,) float32, for those that have one."""
        with self.snapshot() as connection:
            return spaces.vectors(connection, space, rows)

    def vectors_since(self, space: str, generation: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows (n,) int64 and vectors (n, dimension) float32 stored after `generation`; 0 gives all."""
        with self.snapshot() as connection:
            return spaces.since(connection, space, generation)

    def count_vectors(self, space: str) -> int:
        """How many nodes have a vector in `space`."""
        with self.snapshot() as connection:
            return vector_rows.count(connection, space)

    def vector_batches(self, space: str, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """As `vectors_since` from 0, at most `size` vectors at a time, in order of rows. Call it inside a snapshot."""
        return spaces.batches(self.database.connection, space, size)

    def removed_since(self, generation: int) -> np.ndarray | None:
        """Rows removed after `generation`; None when that is too long ago to know."""
        with self.snapshot() as connection:
            return spaces.removed_since(connection, generation)

    # --- answers, settings, soundness -----------------------------------------------------------------------------

    def save_answer(self, question: str, body: Mapping[str, Any]) -> int:  # Any: the Answer document as JSON
        """Keep an answer with what led to it; works while another process ingests. Returns its number."""
        with self.database.transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO answers(at, question, generation, body) "
                "VALUES(?, ?, (SELECT coalesce(max(generation), 0) FROM generations), ?)",
                (generations.now(), question, json.dumps(body, ensure_ascii=False)),
            )
            assert cursor.lastrowid is not None
            return cursor.lastrowid

    def answers(self, *, last: int = 20) -> list[SavedAnswer]:
        """The last answers, newest first."""
        with self.snapshot() as connection:
            found = connection.execute(
                "SELECT id, at, question, generation, body FROM answers ORDER BY id DESC LIMIT ?", (last,)
            ).fetchall()
        return [SavedAnswer(i, at, question, gen, json.loads(body)) for i, at, question, gen, body in found]

    def get_meta(self, key: str) -> str | None:
        with self.snapshot() as connection:
            found = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return found[0] if found else None

    def set_meta(self, key: str, value: str) -> None:
        with self.database.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO meta VALUES(?, ?)", (key, value))

    def integrity(self) -> Integrity:
        """Check everything, change nothing; reads the whole library. Raises LibraryDamaged when SQLite cannot go on."""
        with self.snapshot() as connection:
            found = checking.integrity(connection, self.folder)
        words = self._words.check()
        return found if words is None else dataclasses.replace(found, damage=(*found.damage, words))

    def repair(self) -> list[str]:
        """Build what is derived in SQLite anew and remove files nothing needs; returns what was done."""
        with self.write_lock():
            with self.database.transaction() as connection:
                done = checking.repair(connection, self.folder)
            self._words.forget()
            if self.fold_words():
                done.append("The postings file was built anew.")
            return done

    def backup(self, target: Path, *, on_progress: BackupProgress | None = None) -> Backup:
        """Copy the library as it is at one moment into the folder `target`, while others read and write it."""
        return backup(self.database, target, on_progress=on_progress)

    def vacuum(self) -> Vacuumed:
        """Remove what nothing needs and write SQLite's file, full text and postings anew, without their gaps.

        Raises LibraryBusy while another process ingests or describes, LibraryReadOnly, DiskFull before any change.
        """
        began = time.perf_counter()
        with self.write_lock(), self.describer_lock():
            before, sqlite_before = vacuum.folder_bytes(self.folder), vacuum.sqlite_bytes(self.database)
            removed = self.remove_orphans()
            emptied = vacuum.vacuum(self.database)
            self.fold_words(always=self._words.path.exists())
        after, sqlite_after = vacuum.folder_bytes(self.folder), vacuum.sqlite_bytes(self.database)
        seconds = time.perf_counter() - began
        return Vacuumed(before, after, sqlite_before, sqlite_after, removed, not emptied, seconds)

    def size(self) -> int:
        """How many nodes the library has."""
        with self.snapshot() as connection:
            return reading.size(connection)

    def document_frequency(self, terms: Sequence[str]) -> dict[str, int]:
        """How many nodes hold each of the searchable `terms`; terms that none holds are 0."""
        with self.snapshot() as connection:
            return self._words.document_frequency(connection, terms)

    def frequency_in(self, document_id: str, terms: Sequence[str]) -> tuple[int, dict[str, int]]:
        """How many nodes a document (by id) has, and how many of them hold each of the searchable `terms`."""
        with self.snapshot() as connection:
            return self._words.frequency_in(connection, document_id, terms)

    def count_answers(self) -> int:
        """How many answers are kept."""
        with self.snapshot() as connection:
            return connection.execute("SELECT count(*) FROM answers").fetchone()[0]

    def remove_orphans(self) -> int:
        """Remove crops and copies that no document needs any more; returns how many files went."""
        with self.write_lock(), self.snapshot() as connection:
            return checking.remove_orphans(connection, self.folder)


def _by_row(
    vectors: Mapping[str, np.ndarray], nodes: Sequence[descriptions.NodeOf]
) -> dict[int, dict[str, np.ndarray]]:
    """Node row -> space -> vector (dimension,)."""
    return {node.row: {space: matrix[i] for space, matrix in vectors.items()} for i, node in enumerate(nodes)}
