"""Tables as Parquet files, compressed with zstd. The only module that knows pyarrow."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from rag_app.errors import InputError, UsageError
from rag_app.exchange.tables import BATCH, TABLES, Column, Row, Unfit, parse_json

if TYPE_CHECKING:
    import pyarrow

SUFFIX = "parquet"
_LARGEST_GROUP = 1 << 30  # bytes of a row group, uncompressed: ours have some ten million


def write(file: IO[bytes], table: str, batches: Iterable[list[Row]]) -> int:
    """Write the rows, a row group a batch; returns how many. Raises UsageError without pyarrow."""
    need()
    import pyarrow
    from pyarrow import parquet

    schema = _schema(table)
    count = 0
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for batch in batches:
            arrays = [_array(column, [row[column.name] for row in batch]) for column in TABLES[table]]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))
            count += len(batch)
    return count


def read(path: Path, table: str) -> Iterator[list[Row]]:
    """The rows, in batches; JSON texts are parsed, other types are not checked. Raises InputError, UsageError."""
    need()
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            if not file.schema_arrow.equals(_schema(table)):
                raise InputError(f"{path.name}: its columns are not those of the table {table}; see docs/exchange.md.")
            for group in range(file.num_row_groups):
                if file.metadata.row_group(group).total_byte_size > _LARGEST_GROUP:
                    raise InputError(f"{path.name}: row group {group} is larger than 1 GiB.")
            for batch in file.iter_batches(BATCH):
                yield _rows(path, table, batch)
    except (pyarrow.ArrowException, OSError) as exc:
        raise InputError(f"{path.name} is not a whole Parquet file: {' '.join(str(exc).split())}") from exc


def need() -> None:
    """Raises UsageError where pyarrow is not installed."""
    try:
        import pyarrow  # noqa: F401
    except ImportError as exc:
        raise UsageError("Parquet needs pyarrow: pip install 'rag-app[scale]', or take --format jsonl.") from exc


def _schema(table: str) -> pyarrow.Schema:
    import pyarrow

    types = {
        "text": pyarrow.string(),
        "integer": pyarrow.int64(),
        "number": pyarrow.float64(),
        "boolean": pyarrow.bool_(),
        "json": pyarrow.string(),
        "texts": pyarrow.list_(pyarrow.string()),
        "vector": pyarrow.list_(pyarrow.float32()),
    }
    return pyarrow.schema(
        [pyarrow.field(column.name, types[column.type], nullable=column.optional) for column in TABLES[table]]
    )


def _array(column: Column, values: list[Any]) -> pyarrow.Array:  # Any: values of the column's type
    import pyarrow

    kind = _schema_type(column)
    if column.type == "json":
        values = [None if value is None else json.dumps(value, ensure_ascii=False) for value in values]
    if column.type == "vector":
        offsets = np.cumsum([0, *map(len, values)], dtype=np.int32)
        flat = np.concatenate(values) if values else np.empty(0, np.float32)
        return pyarrow.ListArray.from_arrays(offsets, pyarrow.array(flat), type=kind)
    return pyarrow.array(values, type=kind)


def _schema_type(column: Column) -> pyarrow.DataType:
    table = next(name for name, columns in TABLES.items() if column in columns)
    return _schema(table).field(column.name).type


def _rows(path: Path, table: str, batch: pyarrow.RecordBatch) -> list[Row]:
    values: dict[str, list[Any]] = {}  # Any: values of the columns' types
    for column in TABLES[table]:
        array = batch.column(column.name)
        if column.type == "vector":
            offsets = array.offsets.to_numpy()
            flat = array.values.to_numpy(zero_copy_only=False)
            values[column.name] = [flat[offsets[i] : offsets[i + 1]] for i in range(len(array))]
        else:
            values[column.name] = array.to_pylist()
    for column in TABLES[table]:
        if column.type == "json":
            try:
                values[column.name] = [None if text is None else parse_json(text) for text in values[column.name]]
            except Unfit as exc:
                raise InputError(f"{path.name}, column {column.name}: {exc}. Nothing was imported.") from exc
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
