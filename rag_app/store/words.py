"""The lexical search: BM25 over weighted columns, exact, with the filter inside.

Occurrences of the question's terms come from the postings file where there is one and from FTS5 for everything later,
so a paper is found in the moment it is committed. FTS5's own bm25() is not used: it takes 24 ms on 100,000 nodes where
this takes 1 to 5, and its IDF makes a word that stands in more than half of the nodes worthless, which in a library of
one paper are the paper's own topic words.
"""

from __future__ import annotations

import json
import math
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rag_app.errors import LibraryDamaged
from rag_app.store import fulltext, postings, spaces
from rag_app.store.passing import Passing
from rag_app.store.postings import Postings
from rag_app.store.records import Filter, Scored

K1, B = 1.2, 0.75  # Robertson and Zaragoza 2009; the customary values
FOLD_ABOVE = 5_000  # nodes outside the postings file before it is worth making anew ...
FOLD_SHARE = 0.05  # ... and they must be this share of the nodes inside
_REMEMBERED_BYTES = 128 * 2**20  # of postings; a word that stands in each of a million nodes takes 12 MB
_READ_WHOLE_BYTES = 64 * 2**20  # about 0.05 s; a larger file is read whole by `rag-app check`
_REMEMBERED_FILTERS = 16


class Words:
    """The lexical index of one library, shared by its threads."""

    def __init__(self, folder: Path, passing: Passing) -> None:
        self._folder = folder
        self._passing = passing
        self.path = folder / "spaces" / "words.postings"
        self._lock = threading.Lock()
        self._base: Postings | None = None
        self._state: _State | None = None
        self._read_whole: tuple[int, int, int] | None = None  # inode, time and size of the file that was

    def search(
        self, connection: sqlite3.Connection, terms: Sequence[str], *, k: int, allowed: Filter | None
    ) -> list[Scored]:
        """The `k` best nodes for any of `terms`, best first; equal scores in the order of rows."""
        if k <= 0:
            return []
        return self._now(connection).best(connection, list(dict.fromkeys(terms)), k, allowed)

    def document_frequency(self, connection: sqlite3.Connection, terms: Sequence[str]) -> dict[str, int]:
        """How many nodes hold each term."""
        state = self._now(connection)
        return {term: len(state.of(connection, term)[0]) - state.in_captions(connection, term) for term in terms}

    def frequency_in(
        self, connection: sqlite3.Connection, document_id: str, terms: Sequence[str]
    ) -> tuple[int, dict[str, int]]:
        """How many nodes a document has, and how many of them hold each term."""
        state = self._now(connection)
        count, first, last = connection.execute(
            "SELECT count(*), min(nodes.row), max(nodes.row) FROM nodes "
            "JOIN documents ON documents.id = nodes.document "
            "WHERE documents.document_id = ? AND nodes.kind != 'caption'",
            (document_id,),
        ).fetchone()
        if count == 0:
            return 0, dict.fromkeys(terms, 0)
        low, high = np.searchsorted(state.rows, [first, last + 1])
        found = {}
        for term in terms:
            positions = state.of(connection, term)[0]
            start, end = np.searchsorted(positions, [low, high])
            found[term] = int(end - start)
        return count, found

    def forget(self) -> None:
        """Remove the postings file."""
        with self._lock:
            self._base = self._state = None
            self.path.unlink(missing_ok=True)

    def check(self) -> str | None:
        """What is wrong with the postings file, in a sentence; None when it is sound or not there. Reads every byte."""
        if self.path.exists() and postings.read(self.path, thorough=True) is None:
            return "The postings file is not whole; searches read the full text index instead, more slowly."
        return None

    def fold(self, connection: sqlite3.Connection, *, always: bool = False) -> bool:
        """Write the postings file anew if enough nodes lie outside it, or `always`.

        Raises DiskFull, LibraryReadOnly.
        """
        state = self._now(connection)
        outside = len(state.rows) - state.inside + state.changed
        if not always and (outside < FOLD_ABOVE or outside < FOLD_SHARE * state.inside):
            return False
        found = _generation(connection)
        if found is None or len(state.rows) == 0:
            return False
        made = postings.build(
            connection, fulltext.WEIGHTS, generation=found[0], token=found[1], fingerprint=fulltext.fingerprint()
        )
        postings.write(self.path, made, library=self._folder)
        with self._lock:
            self._base, self._state = postings.read(self.path), None
        return True

    def _now(self, connection: sqlite3.Connection) -> _State:
        """The index of the state of the library that this connection sees."""
        found = _generation(connection)
        with self._lock:
            if self._state is None or self._state.key != found:
                self._state = _State(connection, self._trusted(connection), found, self._passing)
            return self._state

    def _read(self) -> Postings | None:
        """The postings file; one that is not large is read whole once, to notice a changed number in it."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        identity = (found.st_ino, found.st_mtime_ns, found.st_size)
        thorough = found.st_size <= _READ_WHOLE_BYTES and identity != self._read_whole
        base = postings.read(self.path, thorough=thorough)
        if thorough and base is not None:
            self._read_whole = identity
        return base

    def _trusted(self, connection: sqlite3.Connection) -> tuple[Postings, np.ndarray] | None:
        """The postings file, of this state of this library or an earlier one, and the rows removed since."""
        for base in (self._read(), self._base):
            if base is not None and base.fingerprint == fulltext.fingerprint():
                token = connection.execute(
                    "SELECT token FROM generations WHERE generation = ?", (base.generation,)
                ).fetchone()
                if token is not None and token[0] == base.token:
                    removed = spaces.removed_since(connection, base.generation)
                    if removed is not None:
                        self._base = base
                        return base, removed
        return None


class _Group(NamedTuple):
    """Nodes with statistics of their own: which they are, how many, and their dampening by length."""

    members: np.ndarray
    size: int
    norm: np.ndarray


class _State:
    """Rows, lengths and postings of one generation: those of the file, then the later ones.

    A row of the file whose words changed since keeps its place, and its words are read from FTS5 as the later ones are.
    Stored captions are counted apart from all else, so that they change nothing in what is found in papers.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        base: tuple[Postings, np.ndarray] | None,
        key: tuple[int, str] | None,
        passing: Passing,
    ) -> None:
        self.key = key
        self._passing = passing
        self._base, removed = base if base is not None else (None, np.empty(0, np.int64))
        before = self._base.rows if self._base is not None else np.empty(0, np.int64)
        self.inside = len(before)
        self._last = int(before[-1]) if len(before) else 0
        later = connection.execute(
            "SELECT row, length FROM lengths WHERE row > ? ORDER BY row", (self._last,)
        ).fetchall()
        self.rows = np.concatenate([before, np.array([row for row, _ in later], np.int64)])
        lengths = np.array([length for _, length in later], np.float32)
        gone = np.concatenate([np.isin(before, removed), np.zeros(len(later), bool)])
        stale = gone.copy()  # what the file says of these rows holds no more
        self._changed = "[]"
        self.changed = 0
        if self._base is not None:
            lengths = np.concatenate([self._base.lengths, lengths])
            changed = _changed_since(connection, self._base.generation, self._last)
            self._changed, self.changed = json.dumps(list(changed)), len(changed)
            at = np.searchsorted(before, list(changed))
            lengths[at] = list(changed.values())
            stale[at] = True
        self._stale = stale if stale.any() else None
        self._captions = np.zeros(len(self.rows), bool)
        stored = connection.execute("SELECT row FROM nodes WHERE kind = 'caption'").fetchall()
        self._captions[np.searchsorted(self.rows, [row for (row,) in stored])] = True
        self._groups = []
        for members in [~self._captions, self._captions] if stored else [~self._captions]:
            left = members & ~gone
            count = int(left.sum())
            mean = float(lengths[left].sum()) / max(count, 1) or 1.0
            self._groups.append(_Group(members, count, (K1 * (1 - B + B * lengths / mean)).astype(np.float32)))
        self._postings: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self._remembered = 0  # bytes of them, about: threads may count one term twice
        self._masks: dict[Filter, np.ndarray] = {}

    def of(self, connection: sqlite3.Connection, term: str) -> tuple[np.ndarray, np.ndarray]:
        """Positions in `rows` (ascending) and weighted counts (float32) of a term, removed nodes left out."""
        known = self._postings.get(term)
        if known is not None:
            return known
        positions, counts = np.empty(0, np.int64), np.empty(0, np.float32)
        if self._base is not None:
            positions, halves = self._base.of(term)
            positions, counts = positions.astype(np.int64), halves.astype(np.float32)
            if self._stale is not None:
                stay = ~self._stale[positions]
                positions, counts = positions[stay], counts[stay]
        if self.changed or len(self.rows) > self.inside:
            later = postings.occurrences(
                connection,
                "term = ? AND (doc > ? OR doc IN (SELECT value FROM json_each(?)))",
                (term, self._last, self._changed),
            )
            if len(later):
                starts = np.flatnonzero(np.diff(later // 8, prepend=-1))
                at = np.searchsorted(self.rows, later[starts] // 8)
                if at[-1] >= len(self.rows) or (self.rows[at] != later[starts] // 8).any():
                    raise LibraryDamaged(
                        "The library's full text index names passages that do not exist. Run: rag-app repair"
                    )
                weights = np.array(fulltext.WEIGHTS, np.float32)[later % 8]
                positions = np.concatenate([positions, at])
                counts = np.concatenate([counts, np.add.reduceat(weights, starts)])
                if self.changed:
                    order = np.argsort(positions, kind="stable")
                    positions, counts = positions[order], counts[order]
        size = positions.nbytes + counts.nbytes
        if self._remembered + size > _REMEMBERED_BYTES:
            self._postings, self._remembered = {}, 0
        self._postings[term] = positions, counts
        self._remembered += size
        return positions, counts

    def in_captions(self, connection: sqlite3.Connection, term: str) -> int:
        """How many stored captions hold the term."""
        return int(self._captions[self.of(connection, term)[0]].sum()) if len(self._groups) > 1 else 0

    def best(
        self, connection: sqlite3.Connection, terms: Sequence[str], k: int, allowed: Filter | None
    ) -> list[Scored]:
        scores = np.zeros(len(self.rows), np.float32)
        for term in terms:
            positions, counts = self.of(connection, term)
            for group in self._groups:
                if len(self._groups) > 1:
                    mine = group.members[positions]
                    there, times = positions[mine], counts[mine]
                else:
                    there, times = positions, counts
                if len(there):
                    idf = math.log(1 + (group.size - len(there) + 0.5) / (len(there) + 0.5))
                    scores[there] += idf * (K1 + 1) * times / (times + group.norm[there])
        if allowed:
            scores *= self._mask(connection, allowed)
        found = np.flatnonzero(scores)
        if len(found) > k:
            least = np.partition(scores[found], len(found) - k)[len(found) - k]
            found = found[scores[found] >= least]
        found = found[np.lexsort((found, -scores[found]))][:k]
        return [Scored(int(self.rows[at]), float(scores[at])) for at in found]

    def _mask(self, connection: sqlite3.Connection, allowed: Filter) -> np.ndarray:
        """1 for the rows that pass, 0 for the others."""
        mask = self._masks.get(allowed)
        if mask is None:
            mask = np.zeros(len(self.rows), np.float32)
            mask[np.searchsorted(self.rows, self._passing.rows(connection, allowed))] = 1
            if len(self._masks) >= _REMEMBERED_FILTERS:
                self._masks = {}
            self._masks[allowed] = mask
        return mask


def _changed_since(connection: sqlite3.Connection, generation: int, last: int) -> dict[int, int]:
    """Rows up to `last` whose words changed in place after `generation`, ascending, and how long they are now."""
    return dict(
        connection.execute(
            "SELECT changed_nodes.row, length FROM changed_nodes JOIN lengths USING(row) "
            "WHERE generation > ? AND changed_nodes.row <= ? ORDER BY changed_nodes.row",
            (generation, last),
        ).fetchall()
    )


def _generation(connection: sqlite3.Connection) -> tuple[int, str] | None:
    return connection.execute("SELECT generation, token FROM generations ORDER BY generation DESC LIMIT 1").fetchone()
