"""A library out into open formats and in again: nothing changes on the way, and a stranger's export does no harm."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rag_app import Library
from rag_app.errors import InputError, UsageError
from rag_app.exchange.tables import TABLES
from rag_app.store import Filter, Store
from tests import whole_library
from tests.commands import CommandLine
from tests.storing import SPACE, sha
from tests.whole_library import IMAGES

DOCS = Path(__file__).parent.parent / "docs"
RAG_APP = str(Path(sys.executable).with_name("rag-app"))
Edit = Callable[[dict[str, Any]], None]  # Any: a row

# All that a library answers from, without row numbers, states and random marks.
EVERYTHING = {
    "documents": "SELECT document_id, name, file_name, title, language, pages, parser, metadata, added, seconds "
    "FROM documents ORDER BY id",
    "papers": "SELECT document_id, body FROM papers JOIN documents ON id = document ORDER BY id",
    "aliases": "SELECT document_id, aliases.name, path FROM aliases JOIN documents ON id = document "
    "ORDER BY id, aliases.rowid",
    "problems": "SELECT document_id, stage, page, message FROM problems JOIN documents ON documents.id = document "
    "ORDER BY problems.id",
    "nodes": "SELECT node_id, document_id, kind, page, label, image, text, nodes.metadata, extras, words, crc, length "
    "FROM nodes JOIN documents ON documents.id = document JOIN lengths USING(row) ORDER BY row",
    "node_pages": "SELECT node_id, node_pages.page FROM node_pages JOIN nodes USING(row) ORDER BY row, 2",
    "mentions": "SELECT node_id, mentions.label FROM mentions JOIN nodes USING(row) ORDER BY row, 2",
    "vectors": "SELECT spaces.name, node_id, vector, vectors.generation < coalesce(changed_nodes.generation, 0) "
    "FROM vectors JOIN nodes USING(row) LEFT JOIN changed_nodes USING(row) JOIN spaces ON spaces.id = space "
    "ORDER BY space, row",
    "spaces": "SELECT name, role, dim, added FROM spaces ORDER BY id",
    "active": "SELECT * FROM meta WHERE key LIKE 'active:%' ORDER BY key",
    "ledger": "SELECT document_id, element_id, kind, image, model, prompt_version, state, error, reason, result, "
    "score, verified, ledger.seconds, attempts, updated FROM ledger JOIN documents ON documents.id = document "
    "ORDER BY ledger.id",
    "answers": "SELECT * FROM answers ORDER BY id",
}


def everything(folder: Path) -> dict[str, Any]:  # Any: rows
    with Store.open(folder, create=False, read_only=True) as store, store.snapshot() as connection:
        found = {name: connection.execute(sql).fetchall() for name, sql in EVERYTHING.items()}
    found["files"] = {
        str(path.relative_to(folder)): path.read_bytes()
        for kind in ("crops", "files")
        for path in sorted((folder / kind).iterdir())
    }
    return found


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "library"
    whole_library.make(folder)
    return folder


@pytest.fixture(scope="module")
def once_exported(library: Path) -> Path:
    with Library.open(library, read_only=True) as opened:
        opened.export(library.parent / "export", format="jsonl")
    return library.parent / "export"


@pytest.fixture
def exported(once_exported: Path, tmp_path: Path) -> Path:
    """An export in JSON Lines, to be changed."""
    return Path(shutil.copytree(once_exported, tmp_path / "export"))


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_nothing_changes_on_the_way(library: Path, tmp_path: Path, form: Any) -> None:
    with Library.open(library, read_only=True) as opened:
        before = opened.export(tmp_path / "export", format=form)
    assert before.lost == () and before.rows["ledger"] == 6 and before.crops == 9 and before.originals == 3
    done = Library.import_(tmp_path / "export", tmp_path / "again")
    assert done.rows == before.rows and (done.crops, done.originals) == (9, 3)
    was, now = everything(library), everything(tmp_path / "again")
    for name in was:
        assert now[name] == was[name], name
    assert any(behind for _, _, _, behind in was["vectors"])  # else that was not tried
    with Library.open(tmp_path / "again") as opened:
        assert opened.check().findings == ()
        opened.export(tmp_path / "twice", format=form)
    for table in TABLES:
        once, twice = (tmp_path / name / f"{table}.{form}" for name in ("export", "twice"))
        assert once.read_bytes() == twice.read_bytes()


def test_the_imported_library_answers_and_goes_on(library: Path, exported: Path, tmp_path: Path) -> None:
    Library.import_(exported, tmp_path / "again")
    vector = np.ones(8, np.float32)
    found = []
    for folder in (library, tmp_path / "again"):
        with Library.open(folder) as opened:
            store = opened._store
            hits = opened._vectors.space(SPACE).search(vector, k=9, allowed=Filter(exclude_kinds=("caption",)))
            words = store.lexical(["zigzag", "loss", "curv"], k=9)
            ids = {n.row: n.node_id for n in store.nodes([hit.row for hit in [*hits, *words]])}
            found.append([(ids[hit.row], hit.score) for hit in [*hits, *words]])
    assert found[0] == found[1] and len(found[0]) > 10
    with Store.open(tmp_path / "again") as store, Store.open(library, read_only=True) as before:
        assert store.generation() > before.generation()
        assert store.get_meta("library") != before.get_meta("library")
        assert store.vectors_behind(SPACE) and store.active_space("image") == IMAGES
        whole_library.add_paper(store, "new")
        assert store.save_answer("And?", {}) == 3
        assert store.integrity().damage == ()


def test_the_sample_papers(sample_library: Path, tmp_path: Path) -> None:
    """Nodes with pictures, Persian, tables and formulas, as ingestion makes them."""
    with Library.open(sample_library, read_only=True) as opened:
        opened.export(tmp_path / "export", format="parquet")
    Library.import_(tmp_path / "export", tmp_path / "again")
    assert everything(tmp_path / "again") == everything(sample_library)
    with Library.open(tmp_path / "again") as again, Library.open(sample_library, read_only=True) as before:
        question = "Which data was used?"
        hits = [(hit.node_id, hit.score, hit.text) for hit in before.search(question).hits]
        assert [(hit.node_id, hit.score, hit.text) for hit in again.search(question).hits] == hits


def test_others_read_the_tables(exported: Path, library: Path, tmp_path: Path) -> None:
    """With a JSON reader and with pyarrow alone."""
    nodes = [json.loads(line) for line in (exported / "nodes.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {"caption", "figure", "table"} <= {row["kind"] for row in nodes}
    with Library.open(library, read_only=True) as opened:
        opened.export(tmp_path / "parquet", format="parquet")
    parquet = pytest.importorskip("pyarrow.parquet")
    vectors = parquet.read_table(tmp_path / "parquet" / "vectors.parquet").to_pylist()
    lines = [json.loads(line) for line in (exported / "vectors.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [np.float32(row["vector"]).tolist() for row in lines] == [row["vector"] for row in vectors]


def test_what_is_missing_is_told_and_comes_in_as_missing(
    library: Path, tmp_path: Path, copy_of: Callable[[Path], Path], capfd: pytest.CaptureFixture[str]
) -> None:
    folder = copy_of(library)
    crop = next((folder / "crops").iterdir())
    crop.write_bytes(b"something else")
    next((folder / "files").iterdir()).unlink()
    run = CommandLine(capfd)
    told = run.json("export", tmp_path / "export", "--format", "jsonl", "--library", folder, code=1)
    assert [name.split("/")[0] for name in told["lost"]] == ["crops", "originals"]
    result = run("import", tmp_path / "export", "--library", tmp_path / "again")
    assert (
        result.returncode == 1 and f"left out  crops/{crop.name}: missing in the library, or damaged" in result.stdout
    )
    with Library.open(tmp_path / "again") as opened:
        assert {finding.part for finding in opened.check().findings} == {"crops", "originals"}


def test_commands_refuse_what_they_cannot_do(
    library: Path, exported: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = CommandLine(capfd)
    refused = {
        ("export", exported): "is not empty: name a new folder",
        ("export", library / "inside"): "lies in the library itself",
        ("import", tmp_path): "holds no whole export: it has no export.json",
        ("import", exported): "There is a library in",
    }
    for (command, folder), said in refused.items():
        result = run(command, folder, "--library", library)
        assert result.returncode in (1, 2) and said in result.stderr, result.stderr
        assert result.stderr.count("\n") == 1 and "Traceback" not in result.stderr
    assert not (library / "inside").exists()


def test_without_pyarrow_it_is_named(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with Library.open(library, read_only=True) as opened:
        with pytest.raises(UsageError, match=r"pip install 'rag-app\[scale\]', or take --format jsonl"):
            opened.export(tmp_path / "export")
        assert not (tmp_path / "export").exists()
        opened.export(tmp_path / "export", format="jsonl")


# --- exports that somebody has changed --------------------------------------------------------------------------------


def put(exported: Path, table: str, text: str, rows: int) -> None:
    """Write a table anew, with a manifest that fits."""
    path = exported / f"{table}.jsonl"
    path.write_text(text, encoding="utf-8")
    manifest = json.loads((exported / "export.json").read_text(encoding="utf-8"))
    entry = {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "bytes": path.stat().st_size, "rows": rows}
    manifest["tables"][table] = entry
    (exported / "export.json").write_text(json.dumps(manifest), encoding="utf-8")


def rows_of(exported: Path, table: str) -> list[dict[str, Any]]:  # Any: a row
    return [json.loads(line) for line in (exported / f"{table}.jsonl").read_text(encoding="utf-8").splitlines()]


def edited(exported: Path, table: str, edit: Edit, which: int = 0) -> None:
    rows = rows_of(exported, table)
    edit(rows[which])
    put(exported, table, "".join(f"{json.dumps(row)}\n" for row in rows), len(rows))


def assert_refused(exported: Path, said: str) -> None:
    """Refused in a sentence with `said`; no library, and nothing outside of its folder."""
    folder = exported.parent / "again"

    def elsewhere() -> set[Path]:
        return {path for path in exported.parent.rglob("*") if folder not in (path, *path.parents)}

    before = elsewhere()
    with pytest.raises(InputError, match=said) as caught:
        Library.import_(exported, folder)
    assert "\n" not in str(caught.value)
    assert {path.name for path in folder.iterdir()} <= {"writer.lock"} if folder.exists() else True
    assert elsewhere() == before


OUTSIDE = "../../outside.png"
EDITS: dict[str, tuple[str, Edit, str]] = {
    "a crop outside": ("nodes", lambda r: r.update(image=OUTSIDE), "image is not that of the metadata"),
    "a crop outside, twice": (
        "nodes",
        lambda r: (r.update(image=OUTSIDE), r["metadata"].update(image=OUTSIDE)),
        r"image is '../../outside\.png'",
    ),
    "an absolute crop": ("elements", lambda r: r.update(image="/etc/passwd"), "image is '/etc/passwd'"),
    "an answer's picture": ("answers", lambda r: r["body"].update(a=[{"image": "../x"}]), "image is '../x'"),
    "an original outside": ("documents", lambda r: r.update(original="../../x.pdf"), "original is"),
    "a document outside": ("documents", lambda r: r.update(document_id="../../x"), "document_id is a path"),
    "a picture from the net": (
        "nodes",
        lambda r: r["extras"].update(class_name="ImageNode", image_url="http://example.org/a.png"),
        "extras name the file 'http://example.org/a.png'",
    ),
    "a file of the node": ("nodes", lambda r: r["extras"].update(image_path="/etc/passwd"), "extras name the file"),
    "a class": ("nodes", lambda r: r["extras"].update(class_name="os.system"), "extras are not those of a node"),
    "no column": ("nodes", lambda r: r.pop("text"), "the columns 'text' are missing or unknown"),
    "a column more": ("answers", lambda r: r.update(x=1), "the columns 'x' are missing or unknown"),
    "a type": ("nodes", lambda r: r.update(page="1"), "page is '1', not a whole number"),
    "a truth for a number": ("documents", lambda r: r.update(pages=True), "pages is True, not a whole number"),
    "half a character": ("nodes", lambda r: r.update(text="\ud800"), "text is .*, not a text"),
    "half a character inside": ("nodes", lambda r: r["metadata"].update(x="\udfff"), "metadata is"),
    "metadata": ("nodes", lambda r: r.update(metadata=[]), "metadata is no object"),
    "pages": ("nodes", lambda r: r["metadata"].update(pages=["a"]), "a page is no number"),
    "places": ("nodes", lambda r: r["metadata"].update(places=[[1, 2]]), "places have another shape"),
    "a description": ("nodes", lambda r: r["metadata"].update(description={"summary": 1}), "a description has another"),
    "a document that is not there": ("nodes", lambda r: r.update(document_id="x"), "there is no document 'x'"),
    "a node that is not there": ("vectors", lambda r: r.update(node_id="x"), "there is no node 'x'"),
    "a shorter vector": ("vectors", lambda r: r["vector"].pop(), "the vector has 7 numbers"),
    "a vector of texts": ("vectors", lambda r: r.update(vector=["1"] * 8), "its vector is not a list of numbers"),
    "a huge vector": ("vectors", lambda r: r.update(vector=[1e300] * 8), "vector is .*, not a list of numbers"),
    "a space that is not there": ("vectors", lambda r: r.update(space="text:x:8"), "in the space 'text:x:8'"),
    "a state": ("ledger", lambda r: r.update(state="lost"), "state is 'lost'"),
    "done without result": ("ledger", lambda r: r.update(state="done", result=None), "done without result"),
    "a kind of element": ("elements", lambda r: r.update(kind="virus"), "kind is 'virus'"),
    "no place": ("elements", lambda r: r.update(places=[]), "places are empty"),
    "an element's document": ("elements", lambda r: r.update(document_id="x"), "its document is none with elements"),
    "a negative answer": ("answers", lambda r: r.update(id=-1), "id or generation is negative"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_changed_row_is_refused(exported: Path, edit: str) -> None:
    table, change, said = EDITS[edit]
    edited(exported, table, change)
    assert_refused(exported, said)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("documents", "is there twice"),
        ("nodes", "a node_id stands there twice"),
        ("vectors", "a node has two in"),
        ("answers", "is there twice"),
        ("ledger", "is there twice"),
        ("elements", "or they stand apart"),
    ],
)
def test_a_row_twice_is_refused(exported: Path, table: str, said: str) -> None:
    rows = rows_of(exported, table)
    rows.append(rows[0])
    put(exported, table, "".join(f"{json.dumps(row)}\n" for row in rows), len(rows))
    assert_refused(exported, said)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 1: it is not JSON"),
        ("[1]", "line 1: it is not an object"),
        ('{"id": NaN}', "line 1: it is not JSON"),
        ("[" * 100_000, "line 1: it is not JSON"),
        ("{}", "row 1: the columns"),
    ],
)
def test_a_line_that_is_no_row_is_refused(exported: Path, line: str, said: str) -> None:
    put(exported, "answers", f"{line}\n", 1)
    assert_refused(exported, said)


def test_what_is_not_whole_is_refused(exported: Path) -> None:
    for name in ["export.json", "nodes.jsonl", "crops", "originals"]:
        path = exported / name
        kept = exported.parent / "kept"
        path.rename(kept)
        assert_refused(exported, "holds no whole export|is missing")
        kept.rename(path)
    nodes = exported / "nodes.jsonl"
    whole = nodes.read_bytes()
    for other in (whole[:-10], whole.replace(b"loss", b"lose", 1), whole + b"{}\n"):
        nodes.write_bytes(other)
        assert_refused(exported, r"nodes\.jsonl is missing, or not the file that was exported")
    nodes.write_bytes(whole)
    crop = next((exported / "crops").iterdir())
    content = crop.read_bytes()
    crop.write_bytes(b"another picture")
    assert_refused(exported, "is not the file that was exported")
    crop.write_bytes(content)
    rows = rows_of(exported, "nodes")
    put(exported, "nodes", "".join(f"{json.dumps(row)}\n" for row in rows), len(rows) + 1)
    assert_refused(exported, "has .* rows where the export says")


def test_links_lead_nowhere(exported: Path) -> None:
    """A table or picture that is a link to a file of the reader's is not read."""
    for path in (exported / "nodes.jsonl", next((exported / "crops").iterdir()), exported / "export.json"):
        elsewhere = exported.parent / f"elsewhere {path.name}"
        path.rename(elsewhere)
        path.symlink_to(elsewhere)
        assert_refused(exported, "is missing|holds no whole export")
        path.unlink()
        elsewhere.rename(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m.update(format="x"), "is not the list of an exported library"),
        (lambda m: m.update(version=2), "is of version 2, this rag-app reads 1: update rag-app"),
        (lambda m: m.pop("spaces"), "not as an export writes it"),
        (lambda m: m.update(more=1), "not as an export writes it"),
        (lambda m: m.update(tables_as="../../x"), "tables_as is jsonl or parquet"),
        (lambda m: m["tables"].update({"../x": m["tables"]["nodes"]}), "the tables are"),
        (lambda m: m["tables"]["nodes"].update(rows="many"), "bytes and rows are numbers"),
        (lambda m: m["spaces"][0].update(name="text"), "does not name an embedding space"),
        (lambda m: m["spaces"][0].update(active=False), "a space of each role is active"),
        (lambda m: m.update(generation=2**60), "generation is a number"),
        (lambda m: m.update(lost=[1]), "lost are texts"),
    ],
)
def test_a_changed_manifest_is_refused(exported: Path, change: Callable[[dict[str, Any]], None], said: str) -> None:
    path = exported / "export.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    change(manifest)
    path.write_text(json.dumps(manifest), encoding="utf-8")
    assert_refused(exported, said)


def test_a_parquet_file_of_another_shape_is_refused(library: Path, tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    exported = tmp_path / "export"
    with Library.open(library, read_only=True) as opened:
        opened.export(exported)
    path = exported / "answers.parquet"
    for content in (b"PAR1 no more", None):
        if content is None:
            parquet.write_table(pyarrow.table({"id": [1]}), path)
        else:
            path.write_bytes(content)
        manifest = json.loads((exported / "export.json").read_text(encoding="utf-8"))
        told = {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "bytes": path.stat().st_size, "rows": 1}
        manifest["tables"]["answers"] = told
        (exported / "export.json").write_text(json.dumps(manifest), encoding="utf-8")
        assert_refused(exported, "is not a whole Parquet file|its columns are not those")


@pytest.mark.parametrize("command", ["export", "import"])
def test_killed_it_leaves_nothing_half_and_goes_on(library: Path, exported: Path, tmp_path: Path, command: str) -> None:
    target = tmp_path / "target"
    words = ["export", target, "--format", "jsonl", "--library", library]
    if command == "import":
        words = ["import", exported, "--library", target]
    line = [RAG_APP, *map(str, words)]
    began = time.monotonic()
    subprocess.run(line, check=True, capture_output=True)
    takes = time.monotonic() - began
    shutil.rmtree(target)
    for share in (0.7, 0.9):
        process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(share * takes)
        process.kill()
        process.wait()
        whole = target / ("export.json" if command == "export" else "library.sqlite")
        if whole.exists():  # it was done, or all but
            shutil.rmtree(target)
    subprocess.run(line, check=True, capture_output=True)
    if command == "export":
        assert {path.name for path in target.iterdir()} == {path.name for path in exported.iterdir()}
        Library.import_(target, tmp_path / "imported")
        target = tmp_path / "imported"
    assert everything(target) == everything(library)


def test_the_page_names_every_column() -> None:
    page = (DOCS / "exchange.md").read_text(encoding="utf-8")
    for table, columns in TABLES.items():
        section = page.split(f"\n## {table}\n")[1].split("\n## ")[0]
        shown = [line.split("|")[1].strip().strip("`") for line in section.splitlines() if line.startswith("| `")]
        assert shown == [column.name for column in columns], table
        for column in columns:
            kind = column.type + (", or null" if column.optional else "")
            assert f"| `{column.name}` | {kind} |" in section, (table, column)


def test_ids_are_those_of_the_content(library: Path) -> None:
    """The library of these tests is what they take it for."""
    with Store.open(library, read_only=True) as store:
        ids = [info.document_id for info in store.documents()]
    assert ids == [sha("a"), sha("b"), sha("سلام"), "notes"]
