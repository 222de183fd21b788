"""Milvus killed, silent, locked, too old, closed to us: a sentence each, and never a wrong answer."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rag_app.cli.main import main
from rag_app.doctor import check_milvus
from rag_app.errors import SettingsError, VectorsUnavailable
from rag_app.library import Library
from rag_app.settings import Settings
from rag_app.store import Store
from rag_app.vectors import milvus_server, milvus_space
from rag_app.vectors.choosing import Vectors
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
    for last in range(12) if FULL else draw.sample(range(12), 4):
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
