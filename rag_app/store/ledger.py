"""The ledger: what models still have to describe. A row is there before the work starts; a failure is never a text.

A row is pending, done or failed. A pending row with a result has its reply, which is not in its node yet: it is put
there by the next run and never asked for again. Equal crops of a kind are one piece of work for a model and a prompt.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from ingestion.elements import Element
from rag_app.store import descriptions, reading
from rag_app.store.database import Database
from rag_app.store.records import Failure, LedgerKey, LedgerRow, ModelTally, Reading, Winner

_COLUMNS = (
    "ledger.id, document_id, element_id, ledger.kind, ledger.image, model, prompt_version, state, error, reason, "
    "result, score, verified, ledger.seconds, attempts, updated "
    "FROM ledger JOIN documents ON documents.id = ledger.document"
)
_NOT_DESCRIBED = (
    "NOT EXISTS (SELECT 1 FROM ledger AS other WHERE other.document = ledger.document "
    "AND other.element_id = ledger.element_id AND other.state = 'done')"
)


class Ledger:
    """Rows (element, model, prompt version) with a state: pending, done, failed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def plan(
        self, document_id: str, elements: Sequence[Element], *, model: str, prompt_versions: Mapping[str, str]
    ) -> int:
        """Note that these elements are to be described; those already noted keep their state. Returns the new rows.

        Elements without a crop are left out, and those that are gone because their document is, or was parsed anew.
        prompt_versions: by kind.
        """
        with self._database.transaction() as connection:
            found = connection.execute("SELECT id FROM documents WHERE document_id = ?", (document_id,)).fetchone()
            paper = reading.paper(connection, found[0]) if found else None
            if paper is None:
                return 0
            there = {(element.id, element.image) for element in paper.elements if element.image}
            before = connection.total_changes
            connection.executemany(
                "INSERT OR IGNORE INTO ledger(document, element_id, kind, image, model, prompt_version, state, updated)"
                " VALUES(?, ?, ?, ?, ?, ?, 'pending', ?)",
                [
                    (found[0], e.id, e.kind, e.image, model, prompt_versions[e.kind], now())
                    for e in elements
                    if (e.id, e.image) in there
                ],
            )
            return connection.total_changes - before

    def rows(
        self, *, state: str | None = None, model: str | None = None, document_id: str | None = None
    ) -> list[LedgerRow]:
        """Rows that fit, oldest first."""
        wanted = {"state": state, "model": model, "document_id": document_id}
        given = {key: value for key, value in wanted.items() if value is not None}
        where = " AND ".join(f"{key} = ?" for key in given) or "1"
        with self._database.snapshot() as connection:
            found = connection.execute(
                f"SELECT {_COLUMNS} WHERE {where} ORDER BY ledger.id", list(given.values())
            ).fetchall()
        return [LedgerRow(*row) for row in found]

    def known(self, key: LedgerKey) -> str | None:
        """What this model already read in such a crop with this prompt, as JSON; None when it has to be asked."""
        with self._database.snapshot() as connection:
            return descriptions.reading_of(connection, key)

    def keep(self, read: Reading) -> int:
        """Note a reply before it is in its nodes; returns for how many rows, 0 when the document is gone."""
        with self._database.transaction() as connection:
            return descriptions.keep(connection, read, now())

    def failed(self, key: LedgerKey, *, error: str, reason: str, seconds: float) -> int:
        """The model did not answer: the failure's class, and one sentence. Returns for how many rows."""
        with self._database.transaction() as connection:
            return connection.execute(
                "UPDATE ledger SET state = 'failed', error = ?, reason = ?, seconds = ?, updated = ?, "
                "attempts = attempts + 1 WHERE image = ? AND kind = ? AND model = ? AND prompt_version = ? "
                "AND state = 'pending' AND result IS NULL",
                (error, reason, seconds, now(), *key),
            ).rowcount

    def forget(self, key: LedgerKey) -> int:
        """Take out what is pending of a piece of work that turned out to be none; returns how many rows."""
        with self._database.transaction() as connection:
            return connection.execute(
                "DELETE FROM ledger WHERE image = ? AND kind = ? AND model = ? AND prompt_version = ? "
                "AND state = 'pending' AND result IS NULL",
                key,
            ).rowcount

    def reopen(self, rows: Sequence[int]) -> int:
        """Make failed rows, by id, pending again; returns how many."""
        with self._database.transaction() as connection:
            return connection.execute(
                "UPDATE ledger SET state = 'pending', error = NULL, reason = NULL, updated = ? "
                "WHERE state = 'failed' AND id IN (SELECT value FROM json_each(?))",
                (now(), json.dumps(list(rows))),
            ).rowcount

    def undescribed_failures(self) -> list[LedgerRow]:
        """Failed rows of elements that no model has described, oldest first."""
        with self._database.snapshot() as connection:
            found = connection.execute(
                f"SELECT {_COLUMNS} WHERE state = 'failed' AND {_NOT_DESCRIBED} ORDER BY ledger.id"
            ).fetchall()
        return [LedgerRow(*row) for row in found]

    def winners(self, document_id: str) -> dict[str, Winner]:
        """By element id: the description its node carries."""
        with self._database.snapshot() as connection:
            found = connection.execute(
                "SELECT element_id, model, score, verified FROM ledger JOIN documents ON documents.id = document "
                "WHERE document_id = ? AND state = 'done' "
                "ORDER BY verified, score, ledger.updated, ledger.id",  # the best comes last and stays
                (document_id,),
            ).fetchall()
        return {element: Winner(model, score, bool(verified)) for element, model, score, verified in found}

    def counts(self) -> dict[str, int]:
        """Number of rows by state."""
        with self._database.snapshot() as connection:
            return dict(connection.execute("SELECT state, count(*) FROM ledger GROUP BY state").fetchall())

    def tallies(self) -> list[ModelTally]:
        """How far each model has got, in the order they were first asked."""
        with self._database.snapshot() as connection:
            found = connection.execute(
                "SELECT model, sum(state = 'done'), sum(state = 'done' AND verified), sum(state = 'failed'), "
                "sum(state = 'pending') FROM ledger GROUP BY model ORDER BY min(id)"
            ).fetchall()
        return [ModelTally(*row) for row in found]

    def described(self) -> tuple[int, int]:
        """How many elements have a description, and for how many of them it is a verified one."""
        with self._database.snapshot() as connection:
            return connection.execute(
                "SELECT count(*), coalesce(sum(verified), 0) FROM (SELECT max(verified) AS verified FROM ledger "
                "WHERE state = 'done' GROUP BY document, element_id)"
            ).fetchone()

    def failures(self, *, last: int | None = None) -> list[Failure]:
        """What no model has described though one was asked, newest first."""
        with self._database.snapshot() as connection:
            found = connection.execute(
                "SELECT documents.name, element_id, ledger.kind, ledger.image, model, error, reason, "
                "(SELECT label FROM nodes WHERE nodes.image = ledger.image AND nodes.document = ledger.document), "
                "(SELECT page FROM nodes WHERE nodes.image = ledger.image AND nodes.document = ledger.document) "
                "FROM ledger JOIN documents ON documents.id = ledger.document "
                f"WHERE state = 'failed' AND {_NOT_DESCRIBED} ORDER BY updated DESC, ledger.id DESC LIMIT ?",
                (-1 if last is None else last,),
            ).fetchall()
        return [Failure(*row) for row in found]


def now() -> str:
    """UTC to the millisecond: which of two descriptions is newer."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
