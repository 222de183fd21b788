"""Milvus killed, silent, locked, too old, closed to us: a sentence each, and never a wrong answer."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rag_app.doctor import check_milvus
from rag_app.errors import LibraryDamaged, SettingsError, VectorsUnavailable
from rag_app.library import Library
from rag_app.settings import Settings
from rag_app.store import Store
from rag_app.vectors import milvus_server, milvus_space
from rag_app.vectors.milvus_collection import names
from rag_app.vectors.milvus_server import TOKEN, Milvus
from rag_app.vectors.milvus_space import MilvusSpace
from tests.milvus_servers import milvus_server as serve
from tests.storing import DIM, SPACE, put, sha
from tests.test_milvus import assert_same, entities

ROOT = Path(__file__).parent.parent
FULL = os.environ.get("RAG_APP_FAULTS") == "full"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve(tmp_path_factory.mktemp("milvus") / "data.db") as served:
        yield served


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "library") as opened:
        yield opened


def named(address: str, folder: Path) -> Milvus:
    return Milvus(address, settings_file=folder / "settings.toml")


# --- kill -9 ----------------------------------------------------------------------------------------------------------


@pytest.mark.faults
@pytest.mark.parametrize("what", ["fill", "rebuild"])
def test_killed_while_it_fills(tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch, what: str):
    """Killed before each request that changes Milvus, twice in a row: the next opening answers exactly and goes on."""
    monkeypatch.setattr(milvus_space, "_STAYS_S", -5.0)
    draw = random.Random(what)
    for last in range(12) if FULL else draw.sample(range(12), 3):
        folder = tmp_path / f"{what}-{last}"
        with Store.open(folder) as store:
            for content in "abcd":
                put(store, content, f"{content}.pdf")
            space = MilvusSpace(store, SPACE, named(address, folder))
            space.save()
            put(store, "e", "a.pdf", count=9)
            store.remove(sha("b"))
            store.add_vectors(
                SPACE, store.vectors_since(SPACE, 0)[0][-20:-18].tolist(), np.full((2, DIM), 3.0, np.float32)
            )
        killed = [write(folder, address, last, what), write(folder, address, draw.randrange(12), what)]
        with Store.open(folder) as store:
            space = MilvusSpace(store, SPACE, named(address, folder))
            assert_same(space, np.ones(DIM), 50)
            assert space.check() is None, killed
            put(store, "f", "f.pdf")
            space.save()
            assert_same(MilvusSpace(store, SPACE, named(address, folder)), np.ones(DIM), 50)
            space.rebuild()
            assert len(entities(named(address, folder), space)) == len(store.vectors_since(SPACE, 0)[0])


def write(folder: Path, address: str, last: int, what: str) -> int:
    done = subprocess.run(
        [sys.executable, "-m", "tests.milvus_writer", str(folder), address, str(last), what],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    assert done.returncode != 0 or done.stdout == "done\n"
    return done.returncode


def test_a_vector_that_changed_in_the_library_is_neither_copied_nor_scored(store: Store, tmp_path: Path, address: str):
    put(store, "a")
    space = MilvusSpace(store, SPACE, named(address, tmp_path))
    assert_same(space, np.ones(DIM), 9)
    with sqlite3.connect(store.database.path) as connection:
        connection.execute("UPDATE vectors SET vector = zeroblob(length(vector)) WHERE row = 2")
    connection.close()
    for one in (space, MilvusSpace(store, SPACE, named(address, tmp_path))):
        with pytest.raises(LibraryDamaged):
            one.search(np.ones(DIM), k=9)
    with pytest.raises(LibraryDamaged):
        space.rebuild()
    assert "is damaged" in (space.check() or "")


# --- servers that are silent, closed or too old -----------------------------------------------------------------------


def refused(address: str, folder: Path) -> str:
    """The sentence of a search."""
    with Store.open(folder) as store:
        put(store, "a")
        with pytest.raises(VectorsUnavailable) as raised:
            MilvusSpace(store, SPACE, named(address, folder)).search(np.ones(DIM), k=3)
    return str(raised.value)


def test_no_server_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(milvus_server, "CONNECT_S", 1.0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    assert refused(address, tmp_path) == (
        f'No Milvus answers at {address}. Start it and go on, or set vectors.milvus = "" in '
        f"{tmp_path / 'settings.toml'}: the library itself holds every vector."
    )


def test_a_server_that_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A socket that takes connections and never answers."""
    monkeypatch.setattr(milvus_server, "CONNECT_S", 1.0)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert refused(address, tmp_path).startswith(f"No Milvus answers at {address}. Start it and go on")


def test_a_server_that_dies_and_comes_back(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What it cannot answer is an error within the limit, not minutes of trying; it is searched when it is back."""
    monkeypatch.setattr(milvus_server, "CONNECT_S", 1.0)
    monkeypatch.setattr("rag_app.vectors.milvus_collection.CALL_S", 1.0)
    put(store, "a")
    with serve(tmp_path / "data.db") as address:
        space = MilvusSpace(store, SPACE, named(address, tmp_path))
        assert_same(space, np.ones(DIM), 9)
    put(store, "b", "b.pdf")
    started = time.perf_counter()
    with pytest.raises(VectorsUnavailable, match=f"No Milvus answers at {address}"):
        space.search(np.ones(DIM), k=3)
    assert time.perf_counter() - started < 20
    with serve(tmp_path / "data.db", port=int(address.rsplit(":", 1)[1])):
        time.sleep(2)  # gRPC tries again after a second or so
        assert_same(space, np.ones(DIM), 9)


def test_a_wrong_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with serve(tmp_path / "data.db", token="root:secret") as address:
        said = refused(address, tmp_path / "a")
        assert said.startswith(f"The Milvus at {address} refuses a request without a token: set ${TOKEN} (")
        monkeypatch.setenv(TOKEN, "root:wrong")
        said = refused(address, tmp_path / "b")
        assert said.startswith(f"The Milvus at {address} refuses the token in ${TOKEN} (") and "wrong" not in said
        monkeypatch.setenv(TOKEN, "root:secret")
        with Store.open(tmp_path / "c") as store:
            put(store, "a")
            assert_same(MilvusSpace(store, SPACE, named(address, tmp_path)), np.ones(DIM), 9)


def test_a_server_of_another_version(tmp_path: Path):
    with serve(tmp_path / "data.db", version="v2.2.16") as address:
        assert refused(address, tmp_path / "a").startswith(
            f"The server at {address} is Milvus 2.2.16; rag-app needs 2.4 or later. Update it, or set vectors.milvus"
        )
    with serve(tmp_path / "new.db", version="v2.6.1") as address, Store.open(tmp_path / "b") as store:
        put(store, "a")
        milvus = named(address, tmp_path)
        assert_same(MilvusSpace(store, SPACE, milvus), np.ones(DIM), 9)
        assert milvus.version == "2.6.1" and not milvus.lite


def test_a_file_that_another_process_has(tmp_path: Path):
    with serve(tmp_path / "data.db"):
        said = refused(str(tmp_path / "data.db"), tmp_path / "library")
    assert said.startswith(
        f"The Milvus file {tmp_path / 'data.db'} is in use: milvus-lite serves one process at a time."
    )
    assert "milvus-lite server --data-dir" in said


def test_a_damaged_file(tmp_path: Path):
    with Store.open(tmp_path / "library") as store, serve(tmp_path / "data.db") as address:
        put(store, "a")
        MilvusSpace(store, SPACE, named(address, tmp_path)).save()
    manifests = [*(tmp_path / "data.db").rglob("manifest.json*")]
    assert manifests
    for manifest in manifests:
        manifest.write_text("{", encoding="utf-8")
    with Store.open(tmp_path / "library") as store:
        with pytest.raises(VectorsUnavailable) as raised:
            MilvusSpace(store, SPACE, named(str(tmp_path / "data.db"), tmp_path)).search(np.ones(DIM), k=3)
        assert str(tmp_path / "data.db") in str(raised.value)
        shutil.move(tmp_path / "data.db", tmp_path / "away.db")
        again = MilvusSpace(store, SPACE, named(str(tmp_path / "again.db"), tmp_path))
        assert_same(again, np.ones(DIM), 9)


def test_without_the_extra(tmp_path: Path):
    said = run(
        "import sys; sys.modules['pymilvus'] = None\n"
        "from pathlib import Path; from rag_app.vectors.milvus_server import Milvus\n"
        "from rag_app.errors import UsageError\n"
        "try: Milvus('http://127.0.0.1:1', settings_file=Path('s')).client()\n"
        "except UsageError as exc: print(exc)",
        tmp_path,
    )
    assert said == "Vectors in Milvus need its client. Install it: pip install 'rag-app[scale]'.\n"


def test_pymilvus_reads_no_env_file_and_leaves_logging_alone(tmp_path: Path):
    """Its import would read the first .env above its own folder into the environment."""
    said = run(
        "import dotenv, logging, os; from pathlib import Path\n"
        "found = []; dotenv.main.find_dotenv = lambda *a, **k: found.append(1) or ''\n"
        "logging.basicConfig(level=logging.INFO)\n"
        "from rag_app.vectors.milvus_server import Milvus\n"
        "milvus = Milvus('x.db', settings_file=Path('s')); milvus.client()\n"
        "print(found, 'PYTHON_DOTENV_DISABLED' in os.environ, logging.getLogger().level, milvus.lite)",
        tmp_path,
    )
    assert said == "[] False 20 True\n"


def run(program: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- libraries --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:19530", "https://in.example.com/default", "vectors.db", "~/a.db", ""]
)
def test_addresses(address: str):
    assert Settings.from_mapping({"vectors": {"milvus": address}}).vectors.milvus == address


@pytest.mark.parametrize(
    "address", ["localhost:19530", "http://", "http://root:secret@host:19530", "vectors", "tcp://x", "/.db/"]
)
def test_what_is_no_address(address: str):
    with pytest.raises(SettingsError, match=r"vectors\.milvus is .*; set"):
        Settings.from_mapping({"vectors": {"milvus": address}})


def in_milvus(library: Path, address: str) -> None:
    (library / "settings.toml").write_text(f'[vectors]\nmilvus = "{address}"\n', encoding="utf-8")


def test_a_library_in_milvus(sample_library: Path, tmp_path: Path, copy_of, capsys: pytest.CaptureFixture[str]):
    """Every question of the sample papers finds the same, with the same scores; status, doctor and repair know it."""
    import json

    copied = copy_of(sample_library)
    questions = [
        json.loads(line)["question"]
        for line in (ROOT / "data" / "questions" / "sample.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    with serve(tmp_path / "data.db") as address:
        in_milvus(copied, address)
        with Library.open(copied) as other, Library.open(sample_library) as library:
            assert (
                other.status().note
                == f"Vectors are searched in the Milvus at {address} (milvus_lite-3.2.2), which the next search fills."
            )
            for question in questions:
                for kinds in ((), ("table", "figure")):
                    found, expected = (one.search(question, k=10, kinds=kinds) for one in (other, library))
                    assert [hit.node_id for hit in found.hits] == [hit.node_id for hit in expected.hits]
                    assert [hit.score for hit in found.hits] == pytest.approx(
                        [hit.score for hit in expected.hits], abs=1e-5
                    )
            for info in other._store.spaces():
                other._vectors.space(info.name).save()
            assert (
                other.status().note
                == f"Vectors are searched in the Milvus at {address} (milvus_lite-3.2.2), which is up to date."
            )
            (check,) = check_milvus(copied)
            assert (check.state, check.message) == ("ok", other.status().note)
            milvus = named(address, copied)
            text = other._vectors.space(other._store.spaces()[0].name)
            assert isinstance(text, MilvusSpace)
            (name,) = names(milvus, text._prefix())
            milvus.client().delete(name, filter="document == 1")
            (check,) = check_milvus(copied)
            assert (
                check.state == "broken"
                and "lacks" in check.message
                and check.mend == f"rag-app repair --library {copied}"
            )
            assert other.repair().sound
            (check,) = check_milvus(copied)
            assert check.state == "ok"
            other.remove(other.documents()[0].name)
            found = other.search(questions[0], k=50)
            assert {hit.document for hit in found.hits} == {other.documents()[0].name}
    (check,) = check_milvus(copied)
    assert check.state == "missing" and check.message.startswith(f"No Milvus answers at {address}")
    with Library.open(copied) as other:
        assert (other.status().note or "").startswith(f"No Milvus answers at {address}")
        report = other.repair()
        assert not report.sound and f"No Milvus answers at {address}" in report.found[-1]


def test_a_library_in_a_file_by_the_command_line(sample_library: Path, copy_of):
    """In the library's own folder; nothing is written to stderr but what rag-app says."""
    copied = copy_of(sample_library)
    in_milvus(copied, "vectors.db")
    said = [
        subprocess.run(
            [Path(sys.executable).with_name("rag-app"), *command, "--library", str(copied)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=ROOT,
        )
        for command in (["status"], ["search", "contrastive loss"], ["repair"], ["status"])
    ]
    assert [(one.returncode, one.stderr) for one in said] == [(0, "")] * 4, said
    assert f"Vectors will be searched in the Milvus file {copied.resolve() / 'vectors.db'}" in said[0].stdout.replace(
        "\n", " "
    )
    assert (copied / "vectors.db").is_dir() and "up to date" in said[3].stdout
