"""Tables as JSON Lines: UTF-8, one row a line, columns by name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import numpy as np

from rag_app.errors import InputError
from rag_app.exchange.tables import BATCH, TABLES, Row, Unfit, parse_json

SUFFIX = "jsonl"
_LONGEST_LINE = 64 << 20  # bytes


def write(file: IO[bytes], table: str, batches: Iterable[list[Row]]) -> int:
    """Write the rows; returns how many."""
    vector = next((column.name for column in TABLES[table] if column.type == "vector"), None)
    count = 0
    for batch in batches:
        for row in batch:
            if vector is None:
                line = json.dumps(row, ensure_ascii=False)
            else:  # nine digits give every float32 back
                numbers = ", ".join(["%.9g"] * len(row[vector])) % tuple(row[vector].tolist())
                others = json.dumps({key: value for key, value in row.items() if key != vector}, ensure_ascii=False)
                line = f'{others[:-1]}, "{vector}": [{numbers}]}}'
            file.write(line.encode() + b"\n")
            count += 1
    return count


def read(path: Path, table: str) -> Iterator[list[Row]]:
    """The rows, in batches; their types are not checked. Raises InputError, naming the line."""
    vector = next((column.name for column in TABLES[table] if column.type == "vector"), None)
    batch: list[Row] = []
    with path.open("rb") as file:
        number = 0
        while line := file.readline(_LONGEST_LINE):
            number += 1
            try:
                if not line.endswith(b"\n"):
                    raise Unfit("it is cut off, or longer than 64 MiB")
                row = parse_json(line)
                if not isinstance(row, dict):
                    raise Unfit("it is not an object")
                if vector is not None:
                    row[vector] = _vector(row.get(vector))
            except Unfit as exc:
                raise InputError(f"{path.name}, line {number}: {exc}. Nothing was imported.") from exc
            batch.append(row)
            if len(batch) == BATCH:
                yield batch
                batch = []
    if batch:
        yield batch


def _vector(numbers: object) -> np.ndarray:
    if not isinstance(numbers, list) or not set(map(type, numbers)) <= {int, float}:
        raise Unfit("its vector is not a list of numbers")
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused as that
        return np.array(numbers, np.float64).astype(np.float32)
