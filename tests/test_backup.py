"""`backup`, `vacuum` and `check`: a copy at one moment while the library is in use, room given back, damage told."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rag_app import Library
from rag_app.errors import DiskFull, LibraryBusy, UsageError
from rag_app.store import Store, fulltext, vacuum
from rag_app.store.schema import SCHEMA_VERSION
from tests import whole_library
from tests.commands import CommandLine
from tests.storing import SPACE, sha
from tests.test_exchange import everything
from tests.whole_library import add_paper, remove_paper


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "library"
    whole_library.make(folder)
    with Library.open(folder) as library:
        for info in library._store.spaces():
            library._vectors.space(info.name).save()
    (folder / "settings.toml").write_text("[search]\n", encoding="utf-8")
    return folder


@pytest.fixture
def library(made: Path, copy_of: Callable[[Path], Path]) -> Path:
    return copy_of(made)


def bytes_of(folder: Path) -> dict[str, bytes]:
    """Every file but SQLite's shared memory and the locks, which hold nothing."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".lock" and not path.name.endswith("-shm")
    }


# --- backup -----------------------------------------------------------------------------------------------------------


def test_a_backup_is_the_library(library: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = CommandLine(capfd)
    told = run.json("backup", tmp_path / "copy of it", "--library", library)
    assert (told["documents"], told["crops"], told["originals"], told["lost"]) == (4, 9, 3, [])
    copy = tmp_path / "copy of it"
    assert {path.name for path in copy.iterdir()} == {"library.sqlite", "crops", "files", "spaces", "settings.toml"}
    assert everything(copy) == everything(library)
    assert run("check", "--library", copy).returncode == 0
    indexes = [path for path in bytes_of(copy) if path.startswith("spaces/")]
    assert indexes and {path: bytes_of(copy)[path] for path in indexes} == {
        path: bytes_of(library)[path] for path in indexes
    }
    with Store.open(copy) as store:
        add_paper(store, "new")
        assert len(store.documents()) == 5


def test_a_backup_while_papers_come_and_go(library: Path, tmp_path: Path) -> None:
    """Each copy is one state: all papers that it names are whole, with crops and originals."""
    stop = threading.Event()
    failed: list[BaseException] = []
    rounds = 0

    def churn() -> None:
        nonlocal rounds
        try:
            with Store.open(library) as store:
                while not stop.is_set():
                    for number in range(3):
                        add_paper(store, f"{rounds} {number}")
                    for number in range(3):
                        remove_paper(store, f"{rounds} {number}")
                    rounds += 1
        except BaseException as exc:
            failed.append(exc)

    writer = threading.Thread(target=churn)
    writer.start()
    states = set()
    try:
        for number in range(12):
            with Library.open(library, read_only=True) as opened:
                done = opened.backup(tmp_path / f"copy{number}")
            assert done.lost == ()
            with Library.open(tmp_path / f"copy{number}") as copy:
                assert copy.check().findings == ()
                names = {info.name for info in copy.documents()}
            assert {"a.pdf", "b.pdf", "سلام.pdf", "notes.txt"} <= names
            states.add(frozenset(names))
    finally:
        stop.set()
        writer.join()
    assert not failed and rounds > 1 and len(states) > 1, (failed, rounds, states)


def test_a_writer_between_two_pages_changes_nothing_in_the_copy(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag_app.store.backup._PAGES", 3)
    steps = 0

    def on_progress(what: str, _done: int, _total: int) -> None:
        nonlocal steps
        if what == "bytes":
            steps += 1
            with Store.open(library) as store:
                add_paper(store, f"paper {steps}")

    before = everything(library)
    with Library.open(library, read_only=True) as opened:
        opened.backup(tmp_path / "copied", on_progress=on_progress)
    assert steps > 3
    assert everything(tmp_path / "copied") == before
    with Store.open(library) as store:
        assert len(store.documents()) == 4 + steps


def test_an_interrupted_backup_goes_on(library: Path, tmp_path: Path) -> None:
    target = tmp_path / "copied"

    def interrupt(what: str, done: int, _total: int) -> None:
        if (what, done) == ("files", 7):
            raise KeyboardInterrupt

    with Library.open(library, read_only=True) as opened:
        with pytest.raises(KeyboardInterrupt):
            opened.backup(target, on_progress=interrupt)
        assert not (target / "library.sqlite").exists()
        copied = sorted((target / "crops").iterdir())
        assert copied
        copied[0].write_bytes(b"cut")
        kept = {path: path.stat().st_mtime_ns for path in copied[1:]}
        opened.backup(target)
        assert {path: path.stat().st_mtime_ns for path in kept} == kept
        assert everything(target) == everything(library)
        with pytest.raises(UsageError, match="is not empty: name a new folder"):
            opened.backup(target)
        with pytest.raises(UsageError, match="lies in the library itself"):
            opened.backup(library / "crops" / "copied")


def test_a_damaged_file_is_left_out_and_told(library: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    crop = next((library / "crops").iterdir())
    crop.write_bytes(b"other")
    result = CommandLine(capfd)("backup", tmp_path / "copied", "--library", library)
    assert result.returncode == 1
    assert f"left out  crops/{crop.name}: missing in the library, or damaged. Ingest its paper again." in result.stdout


def test_a_full_disk_is_told_and_the_next_backup_is_whole(library: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=100k", "none", disk], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    try:
        with Library.open(library, read_only=True) as opened:
            with pytest.raises(DiskFull, match="is full"):
                opened.backup(disk / "copied")
            with pytest.raises(DiskFull, match="is full"):
                opened.export(disk / "exported", format="jsonl")
            assert not (disk / "copied" / "library.sqlite").exists()
            subprocess.run(["mount", "-o", "remount,size=40m", disk], check=True)
            opened.backup(disk / "copied")
            opened.export(disk / "exported", format="jsonl")
        assert everything(disk / "copied") == everything(library)
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


# --- vacuum -----------------------------------------------------------------------------------------------------------


def test_vacuum_gives_room_back_and_changes_nothing_else(library: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with Store.open(library) as store:
        for number in range(60):
            add_paper(store, f"paper {number}")
        for number in range(60):
            with store.write_lock():
                store.remove(sha(f"paper {number}"))
    before = everything(library)
    size = (library / "library.sqlite").stat().st_size
    told = CommandLine(capfd).json("vacuum", "--library", library)
    assert told["removed"] == 60 * 4 and not told["held"]
    assert told["after"] < told["before"] and told["sqlite_after"] < size
    assert not (library / "library.sqlite-wal").exists()
    assert len(list((library / "crops").iterdir())) == 9
    after = everything(library)
    del before["files"], after["files"]
    assert after == before
    with Library.open(library) as opened:
        assert opened.check().findings == ()


def test_readers_go_on_during_vacuum(library: Path) -> None:
    with Store.open(library, read_only=True) as reader, reader.snapshot() as connection:
        count = connection.execute("SELECT count(*) FROM nodes").fetchone()
        with Store.open(library) as store:
            vacuum._WAIT_S, kept = 0.2, vacuum._WAIT_S
            try:
                assert store.vacuum().held
            finally:
                vacuum._WAIT_S = kept
        assert connection.execute("SELECT count(*) FROM nodes").fetchone() == count
    with Store.open(library) as store:
        assert not store.vacuum().held


def test_vacuum_waits_for_no_writer_and_needs_room(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store.open(library) as other, Store.open(library) as store:
        with other.write_lock(), pytest.raises(LibraryBusy, match="is being written"):
            store.vacuum()
        with other.describer_lock(), pytest.raises(LibraryBusy, match="is being described"):
            store.vacuum()
        monkeypatch.setattr("shutil.disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 0))  # pyright: ignore[reportAttributeAccessIssue]  # the tuple that disk_usage gives
        with pytest.raises(DiskFull, match=r"nothing was changed\. Free some space, or set SQLITE_TMPDIR"):
            store.vacuum()


# --- check ------------------------------------------------------------------------------------------------------------


def sql(statement: str, *values: Any) -> Callable[[Path], None]:  # Any: SQLite values
    def change(library: Path) -> None:
        with closing(sqlite3.connect(library / "library.sqlite", isolation_level=None)) as connection:
            connection.execute(statement, values)

    return change


def flipped(folder: str, pattern: str, at: float = 0.5) -> Callable[[Path], None]:
    def change(library: Path) -> None:
        path = next((library / folder).glob(pattern))
        content = bytearray(path.read_bytes())
        content[int(len(content) * at)] ^= 4
        path.write_bytes(content)

    return change


def scaled(row: int, factor: float) -> Callable[[Path], None]:
    """A vector of another length, with a checksum that fits: what a wrong model would have stored."""

    def change(library: Path) -> None:
        with Store.open(library) as store:
            rows, matrix = store.vectors_since(SPACE, 0)
            store.add_vectors(SPACE, rows.tolist(), matrix / np.linalg.norm(matrix, axis=1, keepdims=True))
            store.add_vectors(SPACE, [int(rows[row])], matrix[row : row + 1] * factor)

    return change


def _without_words(library: Path) -> None:
    """The words of a node are taken out of the full text, as a deletion does that goes no further."""
    with Store.open(library) as store, store.database.transaction() as connection:
        fulltext.delete(connection, "[3]")


DAMAGE: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "a crop": (flipped("crops", "*.png"), "crops", "the crop .*png is not the picture that was stored"),
    "an original": (flipped("files", "*.pdf"), "originals", "the stored copy of .* is not the file that was read"),
    "no crop": (lambda f: next((f / "crops").iterdir()).unlink(), "crops", "the crop .* is missing"),
    "no original": (lambda f: next((f / "files").iterdir()).unlink(), "originals", "the stored copy of .* is missing"),
    "an index": (flipped("spaces", "text-made*.faiss"), "index", "The index file of text:made-up:8 is not usable"),
    "a text": (sql("UPDATE nodes SET text = text || '.' WHERE row = 2"), "sqlite", "node 2 of .* is not what was"),
    "a vector": (
        sql("UPDATE vectors SET vector = zeroblob(32) WHERE row = 2"),
        "sqlite",
        "the vector of node 2 in text:made-up:8 is not what was stored",
    ),
    "a short vector": (
        sql("UPDATE vectors SET vector = zeroblob(3) WHERE row = 2"),
        "sqlite",
        "the vector of node 2|has 3 bytes instead of 32",
    ),
    "a zero vector": (scaled(1, 0.0), "vectors", "is zero, or holds NaN or infinity"),
    "a long vector": (scaled(1, 3.0), "vectors", "has length .* where the others have 1"),
    "a link": (sql("DELETE FROM documents WHERE id = 1"), "sqlite", "names a missing row"),
    "words": (_without_words, "full text", "the full text index"),
    "the text normalisation": (
        sql("UPDATE meta SET value = 'x' WHERE key = 'searchable'"),
        "full text",
        "the full text index was made by another version",
    ),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_check_tells_damage_and_changes_nothing(library: Path, capfd: pytest.CaptureFixture[str], what: str) -> None:
    damage, part, said = DAMAGE[what]
    with closing(Store.open(library)):
        pass  # the WAL is in the file
    damage(library)
    before = bytes_of(library)
    result = CommandLine(capfd)("check", "--library", library, "--json")
    assert result.returncode == 1, result.stderr
    found = json.loads(result.stdout)
    assert not found["sound"]
    messages = [finding for finding in found["findings"] if part in ("", finding["part"])]
    assert any(re.search(said, finding["message"]) for finding in messages), found["findings"]
    assert all(finding["mend"].endswith((".", str(library))) for finding in found["findings"])
    assert bytes_of(library) == before


def test_what_nothing_needs_is_no_damage(library: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (library / "crops" / f"{'0' * 64}.png").write_bytes(b"left over")
    run = CommandLine(capfd)
    result = run("check", "--library", library)
    assert result.returncode == 0 and "is needed by no document. Run: rag-app vacuum" in result.stdout
    assert "The library is sound." in result.stdout
    run("vacuum", "--library", library)
    assert run.json("check", "--library", library)["findings"] == []


def test_an_index_with_other_scores_is_told(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file with a good end that holds other vectors."""
    with Library.open(library) as opened:
        space = opened._vectors.space(SPACE)
        rows, matrix = opened._store.vectors_since(SPACE, 0)
        monkeypatch.setattr(type(opened._store), "vector_batches", lambda *_: iter([(rows, matrix[::-1].copy())]))
        space.rebuild()
        monkeypatch.undo()
    with Library.open(library) as opened:
        found = opened.check().findings
    assert [finding.part for finding in found] == ["index"]
    assert "a score that its stored vector does not have" in found[0].message


def test_the_digests_are_taken_from_the_content(made: Path) -> None:
    """The crops and originals of these tests are named as those of ingestion are."""
    for path in [*(made / "crops").iterdir(), *(made / "files").iterdir()]:
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.stem
    assert SCHEMA_VERSION >= 3
