"""export.json: what an exported library consists of. It is written last, so a folder without it is not whole."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rag_app.errors import InputError, SpaceMismatch
from rag_app.exchange.tables import FORMAT, MANIFEST, TABLES, VERSION, Unfit, parse_json
from rag_app.store.spaces import parse

_LARGEST = 64 << 20  # bytes
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MOST_GENERATIONS = 2**48


@dataclass(frozen=True, slots=True)
class TableFile:
    """The file of a table: `<table>.<tables>` with this sha256, so many bytes and rows."""

    sha256: str
    bytes: int
    rows: int


@dataclass(frozen=True, slots=True)
class SpaceEntry:
    """An embedding space; active: it answers for its role."""

    name: str
    added: str
    active: bool


@dataclass(frozen=True, slots=True)
class Manifest:
    """What export.json holds.

    made_by     program and version; made: UTC, ISO 8601
    tables_as   "jsonl" or "parquet"
    generation  the state of the library, counted in changes
    lost        crops and originals that the library itself lacked, as paths in the export
    """

    made_by: str
    made: str
    tables_as: Literal["jsonl", "parquet"]
    generation: int
    tables: dict[str, TableFile]
    spaces: tuple[SpaceEntry, ...]
    lost: tuple[str, ...]

    def to_json(self) -> str:
        return json.dumps({"format": FORMAT, "version": VERSION, **asdict(self)}, ensure_ascii=False, indent=1) + "\n"


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the export in `folder`. Raises InputError when there is none or it is not whole."""
    path = folder / MANIFEST
    if not path.is_file() or path.is_symlink():
        raise InputError(f"{folder} holds no whole export: it has no {MANIFEST}. Export the library again.")
    if path.stat().st_size > _LARGEST:
        raise InputError(f"{path} is larger than an export's list can be.")
    try:
        raw = parse_json(path.read_bytes())
    except Unfit as exc:
        raise InputError(f"{path}: {exc}. Export the library again.") from exc
    if not isinstance(raw, dict) or raw.pop("format", None) != FORMAT:
        raise InputError(f"{path} is not the list of an exported library.")
    version = raw.pop("version", None)
    if version != VERSION:
        raise InputError(f"{path} is of version {version!r}, this rag-app reads {VERSION}: update rag-app.")
    try:
        found = Manifest(
            **{
                **raw,
                "tables": {name: TableFile(**entry) for name, entry in raw["tables"].items()},
                "spaces": tuple(SpaceEntry(**entry) for entry in raw["spaces"]),
                "lost": tuple(raw["lost"]),
            }
        )
        _check(found)
    except (KeyError, TypeError, AttributeError, SpaceMismatch, Unfit) as exc:
        raise InputError(f"{path} is not as an export writes it ({exc}). Export the library again.") from exc
    return found


def _check(found: Manifest) -> None:
    _need(isinstance(found.made_by, str) and isinstance(found.made, str), "made_by and made are texts")
    _need(found.tables_as in ("jsonl", "parquet"), "tables_as is jsonl or parquet")
    _need(_whole(found.generation) and found.generation <= _MOST_GENERATIONS, "generation is a number")
    _need(found.tables.keys() == TABLES.keys(), f"the tables are {', '.join(TABLES)}")
    for table in found.tables.values():
        _need(isinstance(table.sha256, str) and _DIGEST.fullmatch(table.sha256) is not None, "sha256 is a digest")
        _need(_whole(table.bytes) and _whole(table.rows), "bytes and rows are numbers")
    roles = [parse(space.name)[0] for space in found.spaces if space.active]
    _need(set(roles) == {parse(space.name)[0] for space in found.spaces}, "a space of each role is active")
    _need(len(roles) == len(set(roles)), "one space of a role is active")
    names = [space.name for space in found.spaces]
    _need(len(names) == len(set(names)), "spaces have names of their own")
    for space in found.spaces:
        _need(isinstance(space.added, str) and isinstance(space.active, bool), "added is a text, active true or false")
    _need(all(isinstance(name, str) for name in found.lost), "lost are texts")


def _whole(value: Any) -> bool:  # Any: what a stranger wrote
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _need(holds: bool, what: str) -> None:
    if not holds:
        raise Unfit(f"needed: {what}")
