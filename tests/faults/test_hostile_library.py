"""A library folder from a stranger: what it holds stays data. Nothing outside of it is read, removed or sent."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import sqlite3
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import faiss
import numpy as np
import pytest

from rag_app import Library
from rag_app.errors import LibraryDamaged, SettingsError
from rag_app.settings import FILE_NAME, Settings
from rag_app.store import Store, postings, sums
from rag_app.vectors import files
from tests.commands import CommandLine
from tests.faults.sentences import told
from tests.faults.watching import models_loaded_once, watch

MARKUP = "<script>alert(1)</script><img src=x onerror=alert(2)>"
STEERING = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp.exe"


@pytest.fixture(scope="module", autouse=True)
def loaded() -> Iterator[None]:
    with models_loaded_once():
        yield


@pytest.mark.parametrize(
    "name", ["crops", "files", "spaces", "cache", "library.sqlite", "settings.toml", "writer.json"]
)
def test_a_link_out_of_the_library(
    name: str, copy: Callable[[str], Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """`repair` and `vacuum` remove files that no document needs: behind a link they would be the user's."""
    folder = copy("library")
    private = tmp_path / "private"
    private.mkdir()
    (private / "diary.pdf").write_bytes(b"mine")
    (private / "old.tmp").write_bytes(b"mine too")
    place = folder / name
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
    place.symlink_to(private if name in ("crops", "files", "spaces", "cache") else private / "diary.pdf")
    before = {path.name: path.read_bytes() for path in private.iterdir()}
    command = CommandLine(capfd)
    for words in (["repair"], ["vacuum"], ["status"]):
        done = command(*words, "--library", folder)
        assert done.returncode == 1, done.stderr
        told("A library from somebody else has a link", done.stderr.strip().removeprefix("Error: "))
    assert {path.name: path.read_bytes() for path in private.iterdir()} == before


def test_the_library_itself_may_be_a_link(copy: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "here").symlink_to(copy("library"))
    assert watch(tmp_path / "here").error is None


def test_a_link_in_place_of_a_picture_or_an_original(
    copy: Callable[[str], Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = copy("library")
    secret = tmp_path / "secret"
    secret.write_bytes(b"the user's own")
    for path in [*(folder / "crops").iterdir(), *(folder / "files").iterdir()]:
        path.unlink()
        path.symlink_to(secret)
    with Library.open(folder) as library:
        assert not library.check().sound
        with pytest.raises(LibraryDamaged):
            library.search_images("Figure 1")
    for words in (
        ["ask", "What is shown in Figure 1?", "--html", tmp_path / "page.html"],
        ["backup", tmp_path / "copy"],
    ):
        CommandLine(capfd)(*words, "--library", folder)
    shown = [path for path in tmp_path.rglob("*") if path.is_file() and not path.is_symlink() and path != secret]
    leaked = [path for path in shown if b"the user's own" in path.read_bytes()]
    assert leaked == []
    with Library.open(folder) as library:
        library.repair()
    assert secret.read_bytes() == b"the user's own"


@pytest.mark.parametrize("name", ["../../secret.png", "/etc/passwd", "..", "a/b.png", "a\0.png", "c:x.png"])
def test_a_crop_that_is_named_outside(
    name: str, copy: Callable[[str], Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = copy("library")
    (tmp_path / "secret.png").write_bytes(b"\x89PNG mine")
    with Store.open(folder) as store:
        connection = store.database.connection
        for row, *fields in connection.execute(
            f"SELECT row, {sums.FIELDS} FROM nodes WHERE image IS NOT NULL"
        ).fetchall():
            fields[4] = name
            fields[6] = json.dumps({**json.loads(fields[6]), "image": name})
            connection.execute(
                "UPDATE nodes SET image = ?, metadata = ?, crc = ? WHERE row = ?",
                (name, fields[6], sums.of_node(fields), row),
            )
        connection.execute("UPDATE OR IGNORE ledger SET image = ?", (name,))
    with Library.open(folder) as library:
        with pytest.raises(LibraryDamaged) as caught:
            library.search_images("Figure 1")
        told("A picture is named outside of the library", caught.value)
        assert not library.check().sound
    command = CommandLine(capfd)
    done = command("ask", "What is shown in Figure 1?", "--html", tmp_path / "page.html", "--library", folder)
    assert done.returncode in (0, 1) and "Unexpected" not in done.stderr
    command("repair", "--library", folder)
    assert (tmp_path / "secret.png").read_bytes() == b"\x89PNG mine"


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON documents BEGIN DELETE FROM nodes; END",
        "CREATE TRIGGER t AFTER UPDATE ON meta BEGIN UPDATE nodes SET text = 'other'; END",
        "CREATE VIEW other AS SELECT * FROM documents",
        "CREATE VIRTUAL TABLE other USING fts5(x)",
        "CREATE VIRTUAL TABLE other USING rtree(id, a, b)",
    ],
)
def test_a_program_in_the_library_file(statement: str, copy: Callable[[str], Path]) -> None:
    folder = copy("library")
    with closing(sqlite3.connect(folder / "library.sqlite")) as connection:
        connection.execute(statement)
        connection.commit()
    told("A library from somebody else holds a program", watch(folder).error)


def test_a_view_in_place_of_a_table(copy: Callable[[str], Path]) -> None:
    folder = copy("library")
    with closing(sqlite3.connect(folder / "library.sqlite")) as connection:
        connection.executescript(
            "PRAGMA foreign_keys = OFF; ALTER TABLE answers RENAME TO kept; CREATE VIEW answers AS SELECT * FROM kept"
        )
    assert isinstance(watch(folder).error, LibraryDamaged)


def test_values_that_inflate(copy: Callable[[str], Path]) -> None:
    """A parsed paper and the search terms of a node are kept compressed: 1 MB may stand for a gigabyte."""
    folder = copy("library")
    packing = zlib.compressobj(9)
    bomb = b"".join(packing.compress(b" " * 2**20) for _ in range(520)) + packing.flush()
    with Store.open(folder) as store:
        store.database.connection.execute("UPDATE papers SET body = ?", (bomb,))
        store.database.connection.execute("UPDATE nodes SET words = ?", (bomb,))
    with Library.open(folder) as library:
        with pytest.raises(LibraryDamaged):
            library.paper(library.documents()[0].document_id)
        with pytest.raises(LibraryDamaged):
            library.search("vision language model encoder")


@pytest.mark.parametrize("lie", ["dimension", "kind", "count", "sizes", "ids"])
def test_an_index_file_that_lies(lie: str, copy: Callable[[str], Path]) -> None:
    """Its sums fit, and the library's own mark is in it; still it is not what a library writes, and is made anew."""
    folder = copy("library")
    goal = watch(folder)
    (path,) = (folder / "spaces").glob("text-*.faiss")
    content = path.read_bytes()
    (length,) = struct.unpack("<I", content[-12:-8])
    origin = files.Origin(**json.loads(content[-12 - length : -12]))
    index = faiss.deserialize_index(np.frombuffer(content[: origin.faiss_bytes], np.uint8))
    ids = faiss.vector_to_array(index.id_map)  # pyright: ignore[reportAttributeAccessIssue]  # made at import
    vectors = np.random.default_rng(1).normal(size=(len(ids), index.d)).astype(np.float32)
    if lie == "dimension":
        strange = faiss.IndexIDMap(faiss.IndexFlatIP(7))
        strange.add_with_ids(np.ascontiguousarray(vectors[:, :7]), ids)
    else:
        strange = faiss.IndexIDMap(faiss.IndexHNSWFlat(index.d, 4) if lie == "kind" else faiss.IndexFlatIP(index.d))
        strange.add_with_ids(vectors, ids)
    body = bytearray(faiss.serialize_index(strange).tobytes())
    if lie == "count":
        body = bytearray(body.replace(struct.pack("<q", len(ids)), struct.pack("<q", 1 << 40)))
    elif lie == "sizes":
        body = bytearray(body.replace(struct.pack("<q", len(ids)), struct.pack("<q", 10 * len(ids))))
    elif lie == "ids":
        body = body[: -8 * len(ids) - 8] + struct.pack("<q", 1) + struct.pack("<q", -5)
    seal = dataclasses.replace(
        origin, faiss_bytes=len(body), head_crc=zlib.crc32(body[:4096]), crc=zlib.crc32(body), count=len(ids)
    )
    end = json.dumps(dataclasses.asdict(seal)).encode()
    path.write_bytes(bytes(body) + end + struct.pack("<I", len(end)) + files.MARK)
    found = watch(folder)
    assert found.error is None
    assert found.results == goal.results


@pytest.mark.parametrize(
    "sizes", [{"rows": -64}, {"rows": 1 << 60}, {"counts": 1 << 60}, {"rows": "a"}, {"rows": 1.5}, None, []]
)
def test_a_postings_file_that_lies(sizes: object, copy: Callable[[str], Path]) -> None:
    folder = copy("library")
    with Store.open(folder) as store:
        assert store.fold_words(always=True)
    goal = watch(folder)
    path = folder / "spaces" / "words.postings"
    content = path.read_bytes()
    (length,) = struct.unpack("<I", content[8:12])
    header = json.loads(content[16 : 16 + length])
    if isinstance(sizes, dict):
        header["sizes"] |= sizes
    else:
        header["sizes"] = sizes
    said = json.dumps(header).encode()
    said += b" " * (-(16 + len(said)) % 64)
    path.write_bytes(postings.MARK + struct.pack("<II", len(said), zlib.crc32(said)) + said + content[16 + length :])
    found = watch(folder)
    assert found.error is None and found.results == goal.results


def test_settings_that_are_no_file_or_endless(copy: Callable[[str], Path]) -> None:
    folder = copy("library")
    os.mkfifo(folder / FILE_NAME)
    told("settings.toml is a pipe or a device", watch(folder).error)
    (folder / FILE_NAME).unlink()
    (folder / FILE_NAME).write_bytes(b"#" * 2_000_000)
    assert isinstance(watch(folder).error, SettingsError)
    (folder / FILE_NAME).write_text("a = " + "[" * 100_000, encoding="utf-8")
    assert isinstance(watch(folder).error, SettingsError)


def test_markup_and_steering_in_what_is_stored(
    copy: Callable[[str], Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Titles, names, sections and texts of a stranger reach neither page nor terminal as commands."""
    folder = copy("library")
    said = f"{MARKUP}{STEERING}"
    with Store.open(folder) as store:
        connection = store.database.connection
        connection.execute("UPDATE documents SET name = ? || id || '.pdf', title = ?", (said, said))
        connection.execute("UPDATE aliases SET name = ? || document || '.pdf'", (said,))
        for row, *fields in connection.execute(f"SELECT row, {sums.FIELDS} FROM nodes").fetchall():
            metadata = json.loads(fields[6])
            fields[6] = json.dumps({**metadata, "document": said, "title": said, "section": said, "label": said})
            fields[5] = f"{fields[5]} {said}"
            connection.execute(
                "UPDATE nodes SET text = ?, metadata = ?, crc = ? WHERE row = ?",
                (fields[5], fields[6], sums.of_node(fields), row),
            )
        connection.execute(
            "INSERT INTO problems(document, stage, page, message) SELECT id, 'parse', 1, ? FROM documents", (said,)
        )
    page = tmp_path / "page.html"
    command = CommandLine(capfd)
    for words in (
        ["status"],
        ["status", "--json"],
        ["search", "figure of a model"],
        ["ask", "What is shown in Figure 1?", "--html", page],
        ["ask", "alert owned"],
        ["remove", "nothing of the kind"],
        ["remove", f"{STEERING}.pdf"],
        ["check"],
        ["ingest", f"nowhere{STEERING}.pdf"],
    ):
        done = command(*words, "--library", folder)
        assert "Unexpected" not in done.stderr, done.stderr
        for stream in (done.stdout, done.stderr):
            assert not set(stream) & {"\x1b", "\x07", "\x9b", "\u202e"}, (words, stream)
    text = page.read_text(encoding="utf-8")
    assert MARKUP not in text and "<img src=x" not in text


ELSEWHERE = {
    "[ollama]\nhost = 'evil.example'": "evil.example",
    "[ollama]\nhost = '127.0.0.1, http://u:a,b@evil.example:80/x'": "evil.example",
    "[ollama]\nhost = 'evil.example,x@localhost'": "evil.example",
    "[ollama]\nhost = 'http://evil.example/@127.0.0.1'": "evil.example",
    "[ollama]\nhost = 'http://127.0.0.1@evil.example'": "evil.example",
    "[ollama]\nhost = 'evil.example?@localhost'": "evil.example",
    "[openai]\nhosts = 'localhost:8000, 203.0.113.9:8000'": "203.0.113.9",
    "[vectors]\nmilvus = 'https://evil.example'": "evil.example",
    "[vectors]\nmilvus = 'http://127.0.0.1.evil.example:1'": "127.0.0.1.evil.example",
    "[ingestion]\nray = 'ray://[2001:db8::1]:10001'": "2001:db8::1",
    "[ingestion]\nray = 'evil.example:6379'": "evil.example",
}


@pytest.mark.parametrize("text", ELSEWHERE)
def test_settings_that_name_another_machine(
    text: str, copy: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy("library")
    (folder / FILE_NAME).write_text(text, encoding="utf-8")
    monkeypatch.setenv("RAG_APP_TRUST", "other.example, example")
    told("settings.toml names another machine", watch(folder).error)
    monkeypatch.setenv("RAG_APP_TRUST", f"other.example, {ELSEWHERE[text]}")
    Settings.load(folder)


@pytest.mark.parametrize("place", ["../outside.db", "/tmp/outside.db", "~/outside.db", "a/../../outside.db"])
def test_settings_that_name_a_place_outside(
    place: str, copy: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy("library")
    (folder / FILE_NAME).write_text(f"[vectors]\nmilvus = '{place}'\n", encoding="utf-8")
    told("settings.toml names a place outside of the library", watch(folder).error)
    monkeypatch.setenv("RAG_APP_TRUST", place)
    Settings.load(folder)


@pytest.mark.parametrize(
    "text",
    [
        "[ollama]\nhost = 'localhost, :1234, [::1]:5, ::1, 0.0.0.0, http://127.0.0.2/x, http://a:b@localhost'",
        "[vectors]\nmilvus = 'vectors.db'",
        "[vectors]\nmilvus = 'http://localhost:19530'",
        "[ingestion]\nray = 'auto'",
        "[ingestion]\nray = 'ray://127.0.0.1:10001'",
    ],
)
def test_this_machine_needs_no_trust(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAG_APP_TRUST", raising=False)
    (tmp_path / FILE_NAME).write_text(text, encoding="utf-8")
    Settings.load(tmp_path)
