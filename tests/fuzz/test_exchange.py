"""An export that a stranger changed: it comes in whole and sound, or is refused with a sentence and leaves nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_app import Library
from rag_app.exchange.manifest import read_manifest
from rag_app.exchange.tables import CROPS, MANIFEST, ORIGINALS, TABLES
from rag_app.store.copying import digest
from tests import whole_library
from tests.fuzz import examples
from tests.fuzz.making import files, nearly, written
from tests.fuzz.oracle import tried


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exchange")
    whole_library.make(folder / "library")
    with Library.open(folder / "library", read_only=True) as library:
        library.export(folder / "export", format="jsonl")
    return folder / "export"


@pytest.fixture(scope="module")
def rows(exported: Path) -> dict[str, list[Any]]:  # Any: JSON
    return {
        table: [json.loads(line) for line in (exported / f"{table}.jsonl").read_text(encoding="utf-8").split("\n")[:-1]]
        for table in TABLES
    }


def imported(changed: Path) -> None:
    """Imported, the library checks itself and finds nothing; refused, there is none, and nothing outside of it."""
    target = changed.parent / "again"
    shutil.rmtree(target, ignore_errors=True)
    before = sorted(changed.parent.iterdir())
    if tried(Library.import_, changed, target) is None:
        assert not (target / "library.sqlite").exists() and not list(target.glob("*/*"))
    else:
        with Library.open(target) as library:
            assert library.check().findings == ()
            library.status()
            tried(library.search, "loss curve", k=3)
    shutil.rmtree(target, ignore_errors=True)
    assert sorted(changed.parent.iterdir()) == before


@examples(35)
@given(data=st.data(), table=st.sampled_from(sorted(TABLES)))
def test_changed_rows(
    exported: Path, rows: dict[str, list[Any]], tmp_path: Path, data: st.DataObject, table: str
) -> None:
    """The digest in the manifest is made anew, as a stranger would, so that the rows themselves are looked at."""
    changed = tmp_path / "export"
    shutil.rmtree(changed, ignore_errors=True)
    changed.mkdir()
    for name in (*(f"{one}.jsonl" for one in TABLES), CROPS, ORIGINALS, MANIFEST):
        if (exported / name).is_dir():
            (changed / name).symlink_to(exported / name)
        else:
            shutil.copy(exported / name, changed)
    path = changed / f"{table}.jsonl"
    lines = [json.dumps(row) for row in rows[table]]
    at = data.draw(st.integers(0, len(lines) - 1))
    whole = st.just(lines[at])
    made = data.draw(st.one_of(written(nearly(rows[table][at])), nearly(rows[table][at]).map(json.dumps), whole))
    lines[at : at + 1] = [made] * data.draw(st.sampled_from([1, 1, 1, 1, 2]))
    path.write_bytes("".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass"))
    if data.draw(st.integers(0, 9)):
        manifest = json.loads((changed / MANIFEST).read_text(encoding="utf-8"))
        manifest["tables"][table] |= {"sha256": digest(path), "bytes": path.stat().st_size, "rows": len(lines)}
        (changed / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    imported(changed)


@examples(60)
@given(data=st.data())
def test_changed_manifests(exported: Path, tmp_path: Path, data: st.DataObject) -> None:
    raw = json.loads((exported / MANIFEST).read_text(encoding="utf-8"))
    (tmp_path / MANIFEST).write_bytes(data.draw(files(written(nearly(raw)))))
    manifest = tried(read_manifest, tmp_path)
    if manifest is not None:
        (tmp_path / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
        assert read_manifest(tmp_path) == manifest
