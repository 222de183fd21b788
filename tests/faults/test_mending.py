"""Crops and originals that were changed or lost: a check tells them, a repair brings back what it can."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rag_app import Library
from rag_app.store import Store
from tests.faults import oracle
from tests.faults.sentences import told
from tests.faults.stage import Stage


def test_a_changed_original_comes_from_where_it_was_read(stage: Stage, copy: Callable[[str], Path]) -> None:
    folder = copy("library")
    with Library.open(folder) as library:
        info = next(one for one in library.documents() if one.name == "made.pdf")
        kept = folder / "files" / f"{info.document_id}.pdf"
        whole = kept.read_bytes()
        kept.write_bytes(whole[:-1] + b"x")
        messages = [finding.message for finding in library.check().findings]
        assert len(messages) == 1
        told("A stored copy was changed", messages[0])
        assert library.repair().sound
        assert kept.read_bytes() == whole
        assert library.check().sound
        kept.unlink()
        assert library.repair().sound
        assert kept.read_bytes() == whole


def test_a_changed_original_is_kept_where_there_is_no_other(copy: Callable[[str], Path]) -> None:
    """The paper at its place has changed since: what is left of the old version is not thrown away."""
    folder = copy("library")
    with Library.open(folder) as library:
        info = next(one for one in library.documents() if one.name == "clip_fa.pdf")
        kept = folder / "files" / f"{info.document_id}.pdf"
        changed = kept.read_bytes()[:-1] + b"x"
        kept.write_bytes(changed)
        report = library.repair()
        assert not report.sound and any("the stored copy of clip_fa.pdf is not the file" in one for one in report.found)
        assert kept.read_bytes() == changed


def test_a_changed_crop_is_cut_again(stage: Stage, copy: Callable[[str], Path]) -> None:
    folder = copy("library")
    after = oracle.contents(stage.library)
    crop = next(iter(sorted((folder / "crops").glob("*.png"))))
    crop.write_bytes(crop.read_bytes()[:-9] + b"x" * 9)
    with Library.open(folder) as library:
        messages = [finding.message for finding in library.check().findings]
        told("A crop was changed", messages[0])
        library.repair()
        assert not crop.exists()
        info = next(one for one in library.documents() if one.name == "clip_fa.pdf")
        library.ingest(folder / "files" / f"{info.document_id}.pdf")
        assert library.check().sound
    found = oracle.contents(folder)
    assert found.documents == after.documents


def test_an_original_whose_document_lost_its_name_stays(copy: Callable[[str], Path]) -> None:
    """A changed bit in a document's name makes its original look as if nothing needed it."""
    folder = copy("library")
    before = sorted((folder / "files").iterdir())
    with Store.open(folder) as store:
        connection = store.database.connection
        connection.execute("UPDATE documents SET document_id = 'f' || substr(document_id, 2) WHERE name = 'made.pdf'")
        assert store.integrity().damage
        store.repair()
        store.vacuum()
        store.remove("clip_fa.pdf")
        store.remove_orphans()
    assert sorted((folder / "files").iterdir()) == before
