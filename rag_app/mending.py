"""Crops and kept originals that are not what their name says, brought back where they can be: part of a repair."""

from __future__ import annotations

from pathlib import Path

from ingestion.files import sha256_of
from rag_app.errors import InputError
from rag_app.originals import Originals
from rag_app.store import Store, auditing

CROPS, FILES = "crops", "files"


def mend_files(folder: Path, store: Store) -> tuple[list[str], list[str]]:
    """What was wrong with the files, and what was done, a sentence each. Call it under the writer lock.

    A lost or changed original is copied again from a place it was read at, if that still holds the same; else what
    there is of it stays. A changed crop goes: it is cut again when its paper is ingested. Reads every file once.
    """
    found: list[str] = []
    done: list[str] = []
    with store.snapshot() as connection:
        faults = list(auditing.file_faults(connection, folder, lambda *_: None))
    changed = {Path(name).stem: message for name, message in faults}
    for info in store.documents():
        originals = Originals(folder / FILES)
        kept = originals.find(info.document_id)
        if kept is not None and info.document_id not in changed:
            continue
        if kept is not None:
            found.append(f"{changed[info.document_id]}.")
        places = [Path(one.path) for one in info.aliases if one.path is not None]
        source = next((path for path in places if _is(path, info.document_id)), None)
        if source is not None:
            originals.drop(info.document_id)
            originals.keep(source, info.document_id)
            done.append(f"The stored copy of {info.name} was made anew from {source}.")
    for name, message in faults:
        if (folder / CROPS / name).is_file():
            (folder / CROPS / name).unlink()
            found.append(f"{message}: it was taken away, ingest its paper again.")
    return found, done


def _is(path: Path, sha256: str) -> bool:
    """Whether the file at `path` has that content."""
    try:
        return sha256_of(path) == sha256
    except InputError:
        return False
