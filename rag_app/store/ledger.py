"""The ledger: what models still have to describe. A row is there before the work starts; a failure is never a text."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime

from ingestion.elements import Element
from rag_app.store import naming
from rag_app.store.database import Database
from rag_app.store.records import LedgerRow

_COLUMNS = (
    "ledger.id, document_id, element_id, ledger.kind, model, prompt_version, state, reason, result, ledger.seconds, "
    "attempts FROM ledger JOIN documents ON documents.id = ledger.document"
)


class Ledger:
    """Rows (element, model, prompt version) with a state: pending, done, failed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def plan(self, document_id: str, elements: Sequence[Element], *, model: str, prompt_version: str) -> int:
        """Note that these elements are to be described; those already noted keep their state. Returns the new rows."""
        with self._database.transaction() as connection:
            document = naming.resolve(connection, document_id)
            before = connection.total_changes
            connection.executemany(
                "INSERT OR IGNORE INTO ledger(document, element_id, kind, model, prompt_version, state, updated) "
                "VALUES(?, ?, ?, ?, ?, 'pending', ?)",
                [(document, element.id, element.kind, model, prompt_version, _now()) for element in elements],
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

    def done(self, row: int, *, result: str, seconds: float) -> None:
        """The model answered; `result` is its description."""
        self._settle(row, "done", None, result, seconds)

    def failed(self, row: int, *, reason: str, seconds: float) -> None:
        """The model did not answer; `reason` is one sentence."""
        self._settle(row, "failed", reason, None, seconds)

    def retry(self, *, model: str | None = None) -> int:
        """Make failed rows pending again; returns how many."""
        with self._database.transaction() as connection:
            where, values = ("AND model = ?", (model,)) if model else ("", ())
            return connection.execute(
                f"UPDATE ledger SET state = 'pending', reason = NULL WHERE state = 'failed' {where}", values
            ).rowcount

    def counts(self) -> dict[str, int]:
        """Number of rows by state."""
        with self._database.snapshot() as connection:
            return dict(connection.execute("SELECT state, count(*) FROM ledger GROUP BY state").fetchall())

    def _settle(self, row: int, state: str, reason: str | None, result: str | None, seconds: float) -> None:
        with self._database.transaction() as connection:
            _update(connection, row, (state, reason, result, seconds, _now()))


def _update(connection: sqlite3.Connection, row: int, values: tuple[object, ...]) -> None:
    connection.execute(
        "UPDATE ledger SET state = ?, reason = ?, result = ?, seconds = ?, updated = ?, attempts = attempts + 1 "
        "WHERE id = ?",
        (*values, row),
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
