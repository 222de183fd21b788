"""Generations: each change to nodes or vectors makes a numbered state of the library with a mark of its own."""

from __future__ import annotations

import secrets
import sqlite3
from datetime import UTC, datetime


def new_generation(connection: sqlite3.Connection) -> int:
    """Number the state this transaction makes."""
    cursor = connection.execute("INSERT INTO generations(token, at) VALUES(?, ?)", (secrets.token_hex(8), now()))
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def now() -> str:
    """UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
