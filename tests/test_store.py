"""The store: what goes in comes out, whole or not at all."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from llama_index.core.schema import ImageNode, NodeRelationship, RelatedNodeInfo

from ingestion.elements import Problem
from rag_app.errors import (
    LibraryBusy,
    LibraryDamaged,
    LibraryNotFound,
    LibraryReadOnly,
    LibraryTooNew,
    SpaceMismatch,
    UnknownDocument,
    UsageError,
)
from rag_app.searchable import terms as searchable_terms
from rag_app.store import Filter, Store
from tests.storing import SPACE, VOCABULARY, node, nodes, nodes_of, paper, put, sha, state, vectors


@pytest.fixture
def store(tmp_path: Path):
    with Store.open(tmp_path / "library") as opened:
        yield opened


def texts(store: Store, rows: list[int]) -> list[str]:
    return [found.text for found in store.nodes(rows)]


def test_a_paper_comes_back_as_it_went_in(store: Store):
    given = paper("a", problems=[Problem("parse", 3, "page 3 is broken")])
    made = nodes("a")
    store.commit(given, made, {SPACE: vectors("a", 6)}, seconds=1.5)
    info = store.find_document("paper.pdf")
    assert (info.document_id, info.pages, info.nodes, info.seconds) == (sha("a"), 5, {"text": 4, "table": 2}, 1.5)
    assert info.problems == (Problem("parse", 3, "page 3 is broken"),)
    assert store.paper(sha("a")) == given
    back = [found.node for found in nodes_of(store, sha("a"))]
    assert [n.to_dict() for n in back] == [n.to_dict() for n in made]


def test_the_terms_of_a_node_are_kept(store: Store):
    made = node("a", 0, "Running studies: 28.4", title="On\ntests", section="3 Results", caption="Figure 3: Dogs")
    (row,) = store.commit(paper("a"), [made], {}).rows
    terms = store.nodes([row])[0].terms
    for column, text in zip(terms, ("On\ntests", "3 Results", "Figure 3: Dogs", made.text, ""), strict=True):
        assert column == searchable_terms(text)


def test_an_image_node_keeps_its_class_and_relations(store: Store):
    figure = ImageNode(
        id_="f",
        text="a figure",
        image_path="abc.png",
        image_mimetype="image/png",
        metadata={"kind": "figure", "page": 2},
        relationships={NodeRelationship.NEXT: RelatedNodeInfo(node_id="g")},
    )
    result = store.commit(paper("a"), [figure], {})
    assert store.nodes(result.rows)[0].node.to_dict() == figure.to_dict()


def test_a_changed_file_replaces_its_old_nodes(store: Store):
    old = put(store, "old", path=Path("/papers/paper.pdf"))
    new = put(store, "new", path=Path("/papers/paper.pdf"))
    assert new.replaced == (sha("old"),)
    assert [info.document_id for info in store.documents()] == [sha("new")]
    assert store.nodes(old.rows) == []
    assert min(new.rows) > max(old.rows)


def test_without_paths_the_name_decides(store: Store):
    put(store, "old")
    assert put(store, "new").replaced == (sha("old"),)


def test_two_files_of_one_name_both_live(store: Store):
    put(store, "a", path=Path("/papers/2022/paper.pdf"))
    put(store, "b", path=Path("/papers/2023/paper.pdf"))
    put(store, "c", path=Path("/other/2023/paper.pdf"))
    assert [info.name for info in store.documents()] == ["paper.pdf", "2023/paper.pdf", "other/2023/paper.pdf"]
    assert store.find_document("2023/paper.pdf").document_id == sha("b")
    assert {found.metadata["document"] for found in nodes_of(store, sha("b"))} == {"2023/paper.pdf"}


def test_the_same_content_under_two_names_is_one_document(store: Store):
    put(store, "a", "first.pdf", path=Path("/papers/first.pdf"))
    assert store.has(sha("a"), parser="parser 1")
    assert store.add_alias(sha("a"), Path("/papers/copy.pdf"))
    assert not store.add_alias(sha("a"), Path("/papers/copy.pdf"))
    assert store.find_document("copy.pdf").name == "first.pdf"
    changed = put(store, "a2", "first.pdf", path=Path("/papers/first.pdf"))
    assert changed.replaced == ()  # the old content is still at copy.pdf
    assert {info.name: info.document_id for info in store.documents()} == {
        "copy.pdf": sha("a"),
        "first.pdf": sha("a2"),
    }


def test_parsing_again_replaces_the_nodes_and_keeps_the_name(store: Store):
    first = put(store, "a", path=Path("/x/paper.pdf"))
    again = put(store, "a", path=Path("/x/paper.pdf"), count=3)
    assert again.replaced == ()
    assert store.nodes(first.rows) == []
    assert [info.nodes for info in store.documents()] == [{"text": 2, "table": 1}]


def test_documents_are_found_by_name_path_and_id(store: Store):
    put(store, "a", "attention.pdf", path=Path("/papers/attention.pdf"))
    put(store, "b", "bert.pdf", path=Path("/papers/bert.pdf"))
    for wanted in ("attention.pdf", "/papers/attention.pdf", sha("a"), sha("a")[:8]):
        assert store.find_document(wanted).document_id == sha("a")
    with pytest.raises(UnknownDocument, match=r"no document 'atention\.pdf'.*Nearest: attention\.pdf"):
        store.find_document("atention.pdf")


def test_an_ambiguous_name_lists_the_candidates(store: Store):
    put(store, "a", path=Path("/one/paper.pdf"))
    put(store, "b", path=Path("/two/paper.pdf"))
    store.add_alias(sha("a"), Path("/x/same.pdf"))
    store.add_alias(sha("b"), Path("/y/same.pdf"))
    with pytest.raises(UnknownDocument, match=r"several documents: paper\.pdf, two/paper\.pdf"):
        store.find_document("same.pdf")


def test_a_failing_commit_leaves_nothing(store: Store):
    put(store, "a", path=Path("/x/paper.pdf"))
    before, generation = state(store), store.generation()
    with pytest.raises(SpaceMismatch, match=r"takes \(6, 8\).*not \(6, 9\)"):
        store.commit(paper("b"), nodes("b"), {SPACE: vectors("b", 6, 9)}, path=Path("/x/paper.pdf"))
    with pytest.raises(SpaceMismatch, match="NaN or infinity"):
        store.commit(paper("b"), nodes("b"), {SPACE: np.full((6, 8), np.inf)}, path=Path("/x/paper.pdf"))
    assert (state(store), store.generation()) == (before, generation)
    assert store.integrity().damage == ()


def test_ids_are_never_used_again(store: Store):
    first = put(store, "a")
    assert store.remove(sha("a")) == 6
    assert min(put(store, "a").rows) > max(first.rows)


def test_a_row_of_nan_means_no_vector(store: Store):
    matrix = vectors("a", 6)
    matrix[2] = np.nan
    rows = store.commit(paper("a"), nodes("a"), {SPACE: matrix}).rows
    assert sorted(store.vectors(SPACE, rows)) == [row for i, row in enumerate(rows) if i != 2]


def test_filters(store: Store):
    a = put(store, "a", "a.pdf").rows
    b = put(store, "b", "b.pdf").rows

    def passing(**fields: tuple) -> list[int]:
        rows = store.row_ids(Filter(**fields))
        assert rows is not None
        return rows.tolist()

    assert store.row_ids(Filter()) is None
    assert store.row_ids(None) is None
    assert passing(documents=(sha("b"),)) == list(b)
    assert passing(kinds=("table",)) == [a[2], a[5], b[2], b[5]]
    assert passing(exclude_kinds=("table",), documents=(sha("a"),)) == [a[0], a[1], a[3], a[4]]
    assert passing(pages=(2,), documents=(sha("a"),)) == [a[2], a[3]]
    assert passing(pages=(2, 3), kinds=("table",)) == [a[2], a[5], b[2], b[5]]
    assert passing(metadata=(("label", "Table 2"),)) == [a[5], b[5]]
    assert passing(metadata=(("year", "2020"), ("page", "1"))) == [a[0], a[1], b[0], b[1]]  # the document's, the node's
    with pytest.raises(UsageError, match="a quotation mark in the name of metadata"):
        passing(metadata=(('odd"key', "x"),))
    assert passing(documents=("unknown",)) == []


def test_a_folder_filter_follows_the_places_a_paper_is_found_in(store: Store):
    rows = store.commit(paper("a"), nodes("a"), {}, path=Path("/papers/old/a.pdf")).rows
    new = Filter(folders=("/papers/new",))
    assert store.row_ids(new).tolist() == []  # pyright: ignore[reportOptionalMemberAccess]
    assert store.lexical(VOCABULARY, k=10, allowed=new) == []
    assert store.add_alias(sha("a"), Path("/papers/new/a.pdf"))
    assert store.row_ids(new).tolist() == list(rows)  # pyright: ignore[reportOptionalMemberAccess]
    assert {hit.row for hit in store.lexical(VOCABULARY, k=10, allowed=new)} == set(rows)
    before = store.generation()
    assert not store.add_alias(sha("a"), Path("/papers/new/a.pdf"))
    assert store.generation() == before


def test_a_node_over_two_pages_is_found_on_both(store: Store):
    (row,) = store.commit(paper("a"), [node("a", 0, "long", pages=[3, 4], page=3)], {}).rows
    for page in (3, 4):
        assert store.row_ids(Filter(pages=(page,))).tolist() == [row]  # pyright: ignore[reportOptionalMemberAccess]


def test_labels_mentions_and_neighbours(store: Store):
    a = put(store, "a", "a.pdf").rows
    b = put(store, "b", "b.pdf").rows
    assert store.labelled(["Table 1"]) == [a[2], b[2]]
    assert store.labelled(["Table 2", "Table 1"], Filter(documents=(sha("b"),))) == [b[2], b[5]]
    assert store.mentioning("Table 1", sha("b")) == [b[0]]
    assert store.neighbours(a[2]) == [a[1], a[3]]
    assert store.neighbours(a[5], before=2, after=2) == [a[3], a[4]]
    assert store.neighbours(b[0]) == [b[1]]
    assert store.neighbours(999) == []


def test_a_snapshot_does_not_move(store: Store):
    put(store, "a", "a.pdf")
    with Store.open(store.folder) as other, store.snapshot():
        before = store.generation()
        put(other, "b", "b.pdf")
        assert store.generation() == before
        assert len(store.documents()) == 1
    assert len(store.documents()) == 2


def test_a_change_inside_a_snapshot_is_refused(store: Store):
    with store.snapshot(), pytest.raises(RuntimeError, match="inside a snapshot"):
        store.set_meta("key", "value")


def test_threads_have_their_own_connections(store: Store):
    put(store, "a")
    seen: list[int] = []
    threads = [threading.Thread(target=lambda: seen.append(len(store.documents()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [1, 1, 1, 1]


def test_answers_are_kept_with_what_led_to_them(store: Store):
    put(store, "a")
    with Store.open(store.folder) as other, other.write_lock():  # another process is ingesting
        store.save_answer("what?", {"answer": "that [1]", "citations": [{"n": 1}]})
    (saved,) = store.answers()
    assert (saved.question, saved.generation, saved.body["citations"]) == ("what?", 1, [{"n": 1}])
    assert store.count_answers() == 1


def test_another_writer_is_named(store: Store):
    with (
        store.write_lock(),
        store.write_lock(),  # the same thread may ask again
        Store.open(store.folder) as other,
        pytest.raises(LibraryBusy, match=rf"written by process {os.getpid()} \(.+\) on \S+ since \d{{4}}-"),
        other.write_lock(),
    ):
        pass
    with Store.open(store.folder) as other, other.write_lock():
        pass


def test_a_killed_writer_leaves_no_lock(store: Store):
    script = (
        "import sys, time; from pathlib import Path; from rag_app.store import Store\n"
        "with Store.open(Path(sys.argv[1])).write_lock(): print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", script, store.folder], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(LibraryBusy, match=f"process {process.pid} "), store.write_lock():
        pass
    process.kill()
    process.wait()
    with store.write_lock():
        pass


def test_no_library(tmp_path: Path):
    with pytest.raises(LibraryNotFound, match="rag-app ingest"):
        Store.open(tmp_path / "none", create=False)
    assert not (tmp_path / "none").exists()


def test_opened_for_reading(store: Store):
    put(store, "a")
    store.close()
    with Store.open(store.folder, read_only=True) as reader:
        assert reader.read_only
        assert len(reader.documents()) == 1
        with pytest.raises(LibraryReadOnly):
            reader.remove(sha("a"))
        with Store.open(store.folder) as writer:
            writer.remove(sha("a"))
        assert reader.documents() == []
    with pytest.raises(LibraryNotFound):
        Store.open(store.folder / "none", read_only=True)


def test_a_later_format_is_refused(store: Store):
    store.database.connection.execute("PRAGMA user_version = 99")
    with pytest.raises(LibraryTooNew, match="format 99"):
        Store.open(store.folder)


@pytest.mark.parametrize("content", [b"not a database at all" * 500, b"SQLite format 3\0" + bytes(5000)])
def test_a_file_that_is_no_database(tmp_path: Path, content: bytes):
    (tmp_path / "library.sqlite").write_bytes(content)
    with pytest.raises(LibraryDamaged, match="rag-app ingest"):
        Store.open(tmp_path)


def test_another_programs_database(tmp_path: Path):
    connection = sqlite3.connect(tmp_path / "library.sqlite")
    connection.execute("CREATE TABLE theirs(x)")
    connection.close()
    with pytest.raises(LibraryDamaged, match="another program"):
        Store.open(tmp_path)


def test_damage_in_the_middle_is_reported(tmp_path: Path):
    with Store.open(tmp_path) as store:
        for i in range(20):
            put(store, f"p{i}", f"p{i}.pdf", count=20)
    file = tmp_path / "library.sqlite"
    content = bytearray(file.read_bytes())
    content[8192 * 4 : -8192] = b"\xff" * (len(content) - 8192 * 5)
    file.write_bytes(content)
    with (
        pytest.raises(LibraryDamaged, match="ingest the originals that the library kept"),
        Store.open(tmp_path) as store,
    ):
        for info in store.documents():
            nodes_of(store, info.document_id)
        store.integrity()


def test_integrity_and_repair(store: Store):
    crop, original = store.folder / "crops" / "used.png", store.folder / "files" / f"{sha('a')}.pdf"
    for path in (crop, original, store.folder / "crops" / "left.png", store.folder / "files" / "gone.pdf"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    store.commit(paper("a"), [node("a", 0, "zebra", image="used.png"), node("a", 1, "b", image="lost.png")], {})
    found = store.integrity()
    assert (found.damage, found.missing_crops, found.missing_files) == ((), ("lost.png",), ())
    assert found.orphans == ("crops/left.png", "files/gone.pdf")
    with store.database.transaction() as connection:
        connection.execute("INSERT INTO search(search) VALUES('delete-all')")
    assert store.integrity().damage == ("the full text index does not hold the nodes' words; run: rag-app repair",)
    store.repair()
    repaired = store.integrity()
    assert (repaired.damage, repaired.orphans) == ((), ())
    assert crop.exists()
    assert original.exists()
    assert texts(store, [hit.row for hit in store.lexical(["zebra"], k=5)]) == ["zebra"]


def test_fifty_nodes_load_in_three_milliseconds(store: Store):
    rows = [row for i in range(20) for row in put(store, f"p{i}", f"p{i}.pdf", count=30).rows]
    wanted = rows[::12]
    assert len(wanted) == 50
    store.nodes(wanted)
    started = time.process_time()
    for _ in range(20):
        store.nodes(wanted)
    assert (time.process_time() - started) / 20 < 0.003


@pytest.fixture
def read_only_folder(tmp_path: Path):
    """A folder that cannot be written: by permissions, or for root, by mounting it read-only."""
    folder = tmp_path / "mounted"
    folder.mkdir()
    if os.geteuid() != 0:
        with Store.open(folder) as store:
            put(store, "a")
        folder.chmod(0o555)
        yield folder
        folder.chmod(0o755)
        return
    if subprocess.run(["mount", "-t", "tmpfs", "none", folder], check=False, capture_output=True).returncode != 0:
        pytest.skip("root writes everywhere, and may not mount here")
    try:
        with Store.open(folder) as store:
            put(store, "a")
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_a_read_only_folder_is_read(read_only_folder: Path):
    with Store.open(read_only_folder) as store:
        assert store.read_only
        assert len(store.lexical(["w1", "w2", "w3", "w4", "w5"], k=3)) > 0
        assert store.find_document("paper.pdf").document_id == sha("a")
        for change in (lambda: put(store, "b"), lambda: store.save_answer("q", {}), store.repair):
            with pytest.raises(LibraryReadOnly, match="cannot be written; reading works"):
                change()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LibraryNotFound, match="cannot be made"):
        Store.open(tmp_path / "file" / "library")


def test_a_version_2_library_learns_its_sums(tmp_path: Path):
    with Store.open(tmp_path) as store:
        put(store, "a")
        before = state(store)
        connection = store.database.connection
        connection.execute("ALTER TABLE nodes DROP COLUMN crc")
        connection.execute("ALTER TABLE vectors DROP COLUMN crc")
        connection.execute("PRAGMA user_version = 2")
    with Store.open(tmp_path) as store:
        assert state(store) == before
        assert store.integrity().damage == ()


@pytest.mark.parametrize("column", ["text", "metadata", "extras", "label", "node_id"])
def test_a_changed_letter_in_a_node_is_noticed(store: Store, column: str):
    put(store, "a")
    store.database.connection.execute(f"UPDATE nodes SET {column} = coalesce({column}, '') || ' ' WHERE row = 2")
    with pytest.raises(LibraryDamaged, match="node 2 is not what was stored"):
        store.nodes([1, 2, 3])
    assert any("node 2 of paper.pdf is not what was stored" in text for text in store.integrity().damage)


def test_damaged_search_terms_are_made_anew_by_a_repair(store: Store):
    put(store, "a")
    (before,) = store.nodes([2])
    store.database.connection.execute(
        "UPDATE nodes SET words = CAST(substr(words, 1, 9) || x'00' || substr(words, 11) AS BLOB) WHERE row = 2"
    )
    (damaged,) = store.nodes([2])
    with pytest.raises(LibraryDamaged, match=r"search terms of a node are damaged\. Run: rag-app repair"):
        _ = damaged.terms
    store.repair()
    assert store.nodes([2])[0].terms == before.terms


def test_a_changed_number_in_a_vector_is_noticed(store: Store):
    put(store, "a")
    connection = store.database.connection
    blob = bytearray(connection.execute("SELECT vector FROM vectors WHERE row = 3").fetchone()[0])
    blob[7] ^= 1
    connection.execute("UPDATE vectors SET vector = ? WHERE row = 3", (bytes(blob),))
    for read in (
        lambda: store.vectors(SPACE, [3]),
        lambda: store.vectors_since(SPACE, 0),
        lambda: list(store.vector_batches(SPACE, 10)),
    ):
        with pytest.raises(LibraryDamaged, match="the vector of node 3 is not what was stored"), store.snapshot():
            read()
    assert any("the vector of node 3" in text for text in store.integrity().damage)
