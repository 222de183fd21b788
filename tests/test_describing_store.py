"""The ledger and the nodes that descriptions go into: one transaction, nothing lost, nothing twice."""

from __future__ import annotations

import dataclasses
import gzip
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from llama_index.core.schema import BaseNode

from ingestion.chunking import to_nodes
from rag_app.errors import DiskFull, LibraryReadOnly
from rag_app.searchable import terms
from rag_app.store import Store
from rag_app.store.schema import SCHEMA_VERSION
from rag_app.vectors.space import Space
from tests.described_papers import (
    MODEL,
    VERSIONS,
    crop,
    description_of,
    element,
    made_paper,
    plan,
    put_paper,
    reading,
    vectors_of,
)
from tests.storing import SPACE, put, sha

ROOT = Path(__file__).parent.parent
VERSION_1 = Path(__file__).parent / "libraries" / "version1.sqlite.gz"  # written by rag-app 0.1.0, format 1


@pytest.fixture
def store(tmp_path: Path):
    with Store.open(tmp_path / "library") as opened:
        yield opened


def test_a_plan_is_made_once_and_leaves_out_what_has_no_crop(store: Store) -> None:
    paper = made_paper()
    put_paper(store, paper)
    assert store.ledger.plan(paper.sha256, paper.elements[1:], model=MODEL, prompt_versions=VERSIONS) == 3
    assert store.ledger.plan(paper.sha256, paper.elements[1:], model=MODEL, prompt_versions=VERSIONS) == 0
    bare = [element(9, "figure", "no crop")]
    assert store.ledger.plan(paper.sha256, bare, model=MODEL, prompt_versions=VERSIONS) == 0
    assert store.ledger.plan(sha("another"), paper.elements[1:], model=MODEL, prompt_versions=VERSIONS) == 0
    assert store.ledger.counts() == {"pending": 3}


def test_a_description_is_in_its_node_words_and_vector_at_once(store: Store) -> None:
    paper = made_paper()
    committed = put_paper(store, paper)
    figure, *_ = plan(store, paper)
    space = Space(store, SPACE)
    space.search(np.ones(8), k=3)
    before = store.nodes(committed.rows)
    assert store.lexical(terms("zigzag curve"), k=5) == []

    said = reading(figure, "A zigzag curve sinks.")
    assert store.describe([said], embed=vectors_of) == 1

    after = store.nodes(committed.rows)
    assert [(n.row, n.node_id, n.text) for n in after] == [(n.row, n.node_id, n.text) for n in before]
    (node,) = [n for n in after if n.kind == "figure"]
    assert node.metadata["description"] == dataclasses.asdict(said.description) | {"reasons": ["ok"]}
    assert "zigzag" not in node.node.get_content(metadata_mode="embed")  # pyright: ignore[reportArgumentType]  # its value
    assert [hit.row for hit in store.lexical(terms("zigzag curve"), k=5)] == [node.row]
    expected = vectors_of([node.node])[SPACE][0]
    assert np.array_equal(store.vectors(SPACE, [node.row])[node.row], expected)
    assert space.search(expected / np.linalg.norm(expected), k=1)[0].row == node.row
    (row,) = store.ledger.rows(state="done")
    assert (row.score, row.verified, row.seconds, row.attempts) == (0.9, 1, 1.5, 1)
    assert store.ledger.winners(paper.sha256) == {row.element_id: (MODEL, 0.9, True)}
    assert store.vectors_behind(SPACE) == []
    assert store.integrity().damage == ()
    store.repair()  # the full text made anew says the same
    assert [hit.row for hit in store.lexical(terms("zigzag curve"), k=5)] == [node.row]


def test_without_vectors_the_old_ones_stay_and_are_known_to_be_behind(store: Store) -> None:
    paper = made_paper()
    put_paper(store, paper)
    figure, *_ = plan(store, paper)
    (row,) = store.rows_where("kind = 'figure'", []).tolist()
    old = store.vectors(SPACE, [row])[row]
    store.describe([reading(figure, "A curve.")])
    assert np.array_equal(store.vectors(SPACE, [row])[row], old)
    assert store.vectors_behind(SPACE) == [row]
    assert row in store.unembedded(SPACE)
    now = store.generation()
    store.fill(SPACE, [row], np.ones((1, 8), np.float32), as_of=now)
    assert store.vectors_behind(SPACE) == []


def test_a_vector_made_before_the_description_is_not_taken_for_its(store: Store) -> None:
    paper = made_paper()
    put_paper(store, paper)
    figure, *_ = plan(store, paper)
    rows = store.unembedded("text:other:2")
    as_of = store.generation()
    store.describe([reading(figure, "A curve.")], embed=vectors_of)
    store.fill("text:other:2", rows, np.ones((len(rows), 2), np.float32), as_of=as_of)
    (described,) = store.rows_where("kind = 'figure'", []).tolist()
    assert store.missing_vectors("text:other:2") == [described]


@pytest.mark.parametrize(
    ("first", "second", "wins"),
    [
        ((0.9, False), (0.4, True), "second"),
        ((0.4, True), (0.9, False), "first"),
        ((0.9, True), (0.8, True), "first"),
        ((0.8, True), (0.9, True), "second"),
        ((0.8, True), (0.8, True), "second"),
        ((0.0, False), (0.0, False), "second"),
    ],
)
def test_which_description_wins(store: Store, first: tuple[float, bool], second: tuple[float, bool], wins: str) -> None:
    paper = made_paper()
    put_paper(store, paper)
    for name, (score, verified) in (("first", first), ("second", second)):
        key = plan(store, paper, model=f"ollama:{name}")[0]
        store.describe([reading(key, name, score=score, verified=verified)], embed=vectors_of)
    carried = description_of(store, "figure")
    assert carried is not None and carried["text"] == wins
    assert store.ledger.winners(paper.sha256)["e0001"].model == f"ollama:{wins}"
    assert bool(store.lexical(terms("first"), k=1)) == (wins == "first")


def test_a_failure_is_a_sentence_and_never_text(store: Store) -> None:
    paper = made_paper()
    put_paper(store, paper)
    figure, table, _ = plan(store, paper)
    assert store.ledger.failed(figure, error="ModelTimeout", reason="It took too long.", seconds=9.0) == 1
    (failed,) = store.ledger.rows(state="failed")
    assert (failed.error, failed.reason, failed.result, failed.attempts) == (
        "ModelTimeout",
        "It took too long.",
        None,
        1,
    )
    (told,) = store.ledger.failures()
    assert (told.document, told.label, told.page, told.error) == ("paper.pdf", "Figure 1", 1, "ModelTimeout")
    assert description_of(store, "figure") is None
    assert store.lexical(terms("took too long"), k=5) == []
    assert store.ledger.reopen([failed.id]) == 1
    store.describe([reading(figure, "a plot"), reading(table, "| a |")], embed=vectors_of)
    assert store.ledger.counts() == {"done": 2, "pending": 1}
    assert store.ledger.failures() == []
    assert store.ledger.failed(figure, error="X", reason="late", seconds=0.0) == 0  # a done row stays done


def test_a_reply_that_is_kept_is_pending_until_it_is_in_its_node(store: Store) -> None:
    paper = made_paper()
    put_paper(store, paper)
    figure, *_ = plan(store, paper)
    said = reading(figure, "a plot")
    assert store.ledger.keep(said) == 1
    assert store.ledger.counts() == {"pending": 3}
    assert description_of(store, "figure") is None
    assert store.ledger.known(figure) is not None
    store.describe([said], embed=vectors_of)
    (row,) = store.ledger.rows(state="done")
    assert row.attempts == 1
    carried = description_of(store, "figure")
    assert carried is not None and carried["text"] == "a plot"


def test_equal_crops_are_settled_together(store: Store) -> None:
    one = made_paper("one", name="one.pdf")
    twin = dataclasses.replace(made_paper("two", name="two.pdf"), elements=one.elements)
    for paper in (one, twin):
        put_paper(store, paper)
        plan(store, paper)
    key = store.ledger.rows()[0].key
    assert store.describe([reading(key, "a plot")], embed=vectors_of) == 2
    for paper in (one, twin):
        carried = description_of(store, "figure", paper.sha256)
        assert carried is not None and carried["text"] == "a plot"


def test_a_document_removed_meanwhile_is_no_trouble(store: Store) -> None:
    paper = made_paper()
    put_paper(store, paper)
    figure, *_ = plan(store, paper)
    generation = store.generation()
    store.remove(paper.sha256)
    said = reading(figure, "a plot")
    assert store.ledger.keep(said) == 0
    assert store.describe([said], embed=vectors_of) == 0
    assert store.ledger.failed(figure, error="E", reason="r", seconds=0) == 0
    assert store.generation() == generation + 1  # the removal


def test_a_removal_between_embedding_and_writing(store: Store) -> None:
    paper = made_paper()
    put_paper(store, paper)
    figure, *_ = plan(store, paper)

    def embed_slowly(nodes: Sequence[BaseNode]) -> dict[str, np.ndarray]:
        store.remove(paper.sha256)
        return vectors_of(nodes)

    assert store.describe([reading(figure, "a plot")], embed=embed_slowly) == 0
    assert store.size() == 0


def test_parsing_anew_keeps_the_descriptions_of_equal_crops(store: Store) -> None:
    paper = made_paper()
    put_paper(store, paper)
    figure, table, formula = plan(store, paper)
    store.describe([reading(figure, "a plot")], embed=vectors_of)
    store.ledger.failed(table, error="ModelTimeout", reason="slow", seconds=1)

    newer = made_paper(parser="parser 2", first=5)  # other element ids, the same crops but for the formula's
    newer = dataclasses.replace(
        newer, elements=(*newer.elements[:3], dataclasses.replace(newer.elements[3], image=crop("cut anew")))
    )
    known = store.known_descriptions(newer)
    assert set(known) == {"e0006"}
    nodes = to_nodes(newer)
    for node in nodes:
        if node.metadata["elements"] == ["e0006"]:
            node.metadata["description"] = known["e0006"]
    store.commit(newer, nodes, vectors_of(nodes))

    rows = {(row.element_id, row.kind): row.state for row in store.ledger.rows()}
    assert rows == {("e0006", "figure"): "done", ("e0007", "table"): "failed"}
    assert formula not in [row.key for row in store.ledger.rows()]
    carried = description_of(store, "figure")
    assert carried is not None and carried["text"] == "a plot"
    assert store.vectors_behind(SPACE) == []  # it was embedded with its description
    assert len(store.lexical(terms("plot"), k=5)) == 1


def test_a_description_that_came_while_the_paper_was_parsed_anew(store: Store) -> None:
    paper = made_paper()
    put_paper(store, paper)
    figure, *_ = plan(store, paper)
    nodes = to_nodes(paper)  # embedded already, when the description comes
    store.describe([reading(figure, "a zigzag")], embed=vectors_of)
    store.commit(dataclasses.replace(paper, parser="parser 2"), nodes, vectors_of(nodes))
    carried = description_of(store, "figure")
    assert carried is not None and carried["text"] == "a zigzag"
    assert len(store.lexical(terms("zigzag"), k=5)) == 1
    assert len(store.vectors_behind(SPACE)) == 1


def test_a_changed_file_takes_over_what_was_read_in_equal_crops(store: Store) -> None:
    old = made_paper("old")
    put_paper(store, old, path=Path("/papers/paper.pdf"))
    figure, *_ = plan(store, old)
    store.describe([reading(figure, "a plot")], embed=vectors_of)
    new = dataclasses.replace(made_paper("new"), elements=old.elements)
    put_paper(store, new, path=Path("/papers/paper.pdf"))
    assert [info.document_id for info in store.documents()] == [new.sha256]
    carried = description_of(store, "figure")
    assert carried is not None and carried["text"] == "a plot"
    assert store.ledger.counts() == {"done": 1, "pending": 2}


def test_describing_while_another_process_ingests(store: Store) -> None:
    paper = made_paper()
    put_paper(store, paper)
    figure, *_ = plan(store, paper)
    hold = (
        "import sys; from pathlib import Path; from rag_app.store import Store\n"
        "with Store.open(Path(sys.argv[1])) as s, s.write_lock(): print('held', flush=True); sys.stdin.readline()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", hold, store.folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    assert store.describe([reading(figure, "a plot")], embed=vectors_of) == 1
    store.begin_space("text:other:2")
    rows = store.unembedded("text:other:2")
    store.fill("text:other:2", rows, np.ones((len(rows), 2), np.float32), as_of=store.generation())
    assert store.activate("text:other:2").active
    process.communicate("\n")


def test_a_library_that_cannot_be_written_keeps_its_rows(store: Store) -> None:
    paper = made_paper()
    put_paper(store, paper)
    figure, *_ = plan(store, paper)
    with Store.open(store.folder, read_only=True) as reader:
        with pytest.raises(LibraryReadOnly):
            reader.describe([reading(figure, "a plot")], embed=vectors_of)
        with pytest.raises(LibraryReadOnly):
            reader.ledger.keep(reading(figure, "a plot"))


def test_no_room_for_a_description(store: Store) -> None:
    paper = made_paper()
    put_paper(store, paper)
    figure, *_ = plan(store, paper)
    connection = store.database.connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(DiskFull):
        store.describe([reading(figure, "long " * 20_000)], embed=vectors_of)
    assert store.ledger.counts() == {"pending": 3}
    assert description_of(store, "figure") is None
    connection.execute("PRAGMA max_page_count = 1000000")
    assert store.describe([reading(figure, "short")], embed=vectors_of) == 1


def test_a_version_1_library_is_brought_up_to_date(tmp_path: Path) -> None:
    (tmp_path / "library.sqlite").write_bytes(gzip.decompress(VERSION_1.read_bytes()))
    with Store.open(tmp_path) as store:
        assert store.database.connection.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION
        (info,) = store.documents()
        rows = {row.kind: row for row in store.ledger.rows()}
        assert {kind: row.state for kind, row in rows.items()} == {
            "figure": "pending",  # version 1 put no description into a node
            "table": "failed",
            "formula": "pending",
        }
        assert rows["table"].reason == "the server is down"
        images = {e.kind: e.image for e in store.paper(info.document_id).elements if e.image}
        assert {kind: row.image for kind, row in rows.items()} == images
        assert len(store.answers()) == 1
        assert store.integrity().damage == ()
        assert len(Space(store, SPACE).search(np.ones(8), k=9)) == store.size() == 4
        assert store.lexical(terms("loss"), k=5)
        assert store.describe([reading(rows["figure"].key, "a zigzag")], embed=vectors_of) == 1
        assert len(store.lexical(terms("zigzag"), k=5)) == 1
        planned = store.ledger.plan(info.document_id, [], model=MODEL, prompt_versions=VERSIONS)
        assert planned == 0
    fresh = tmp_path / "fresh"
    with Store.open(tmp_path) as old, Store.open(fresh) as new:  # the same tables as a new library has
        assert _tables(old) == _tables(new)


def test_a_version_1_library_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "library.sqlite").write_bytes(gzip.decompress(VERSION_1.read_bytes()))
    with pytest.raises(LibraryReadOnly, match="earlier rag-app"):
        Store.open(tmp_path, read_only=True)


def test_only_one_process_describes(store: Store) -> None:
    assert store.describer() is None
    with store.describer_lock():
        with Store.open(store.folder) as other:
            holder = other.describer()
            assert holder is not None and holder["pid"] == os.getpid()
            with pytest.raises(Exception, match=rf"being described by process {os.getpid()} "), other.describer_lock():
                pass
        with store.write_lock():  # papers come in meanwhile
            put(store, "b", "b.pdf")
    assert store.describer() is None
    assert store.has(sha("b"))


def _tables(store: Store) -> dict[str, list[tuple[object, ...]]]:
    connection = store.database.connection
    names = [
        name
        for (name,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'index') AND name NOT LIKE 'search%' "
            "AND name NOT LIKE 'sqlite_%' ORDER BY name"
        )
    ]
    found = {}
    for name in names:
        found[name] = [row[1:] for row in connection.execute(f"PRAGMA table_info({name})")]
        found[name] += connection.execute(f"PRAGMA foreign_key_list({name})").fetchall()
        found[name] += [row[1:] for row in connection.execute(f"PRAGMA index_info({name})")]
    return found
