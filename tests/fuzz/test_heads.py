"""Files that are derived from the library, with any bytes changed: they are not believed, and search is as it was."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_app.store import Store
from rag_app.store import postings as postings_file
from rag_app.vectors import files
from rag_app.vectors.space import Space
from tests.fuzz import examples
from tests.fuzz.making import nearly
from tests.storing import DIM, SPACE, put


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store.open(tmp_path_factory.mktemp("heads") / "library") as opened:
        for n in range(3):
            put(opened, f"p{n}", f"p{n}.pdf")
        yield opened


def found(store: Store) -> list[int]:
    return [hit.row for hit in Space(store, SPACE).search(np.arange(DIM) - 3.0, k=5)]


@st.composite
def harmed(draw: st.DrawFn, content: bytes) -> bytes:
    """The bytes with some of them changed, taken away or put in."""
    made = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(
            st.one_of(
                st.integers(0, 80), st.integers(0, max(len(made), 1)), st.integers(0, 200).map(lambda n: len(made) - n)
            )
        )
        at = max(0, min(at, len(made)))
        match draw(st.sampled_from(("put", "cut", "drop", "number"))):
            case "put":
                made[at : at + 8] = draw(st.binary(min_size=1, max_size=8))
            case "cut":
                del made[at:]
            case "drop":
                del made[at : at + draw(st.integers(1, 40))]
            case "number":
                made[at : at + 8] = struct.pack("<q", draw(st.sampled_from([-1, 0, 1, 2**31, 2**40, 2**62])))
    return bytes(made)


@examples(70)
@given(data=st.data())
def test_index_files(store: Store, data: st.DataObject) -> None:
    """FAISS aborts the process on sizes that lie, so no changed byte may reach it."""
    space = Space(store, SPACE)
    space.rebuild()
    right, content = found(store), space.path.read_bytes()
    made = data.draw(harmed(content))
    space.path.write_bytes(made)
    try:
        origin = files.read_origin(space.path, thorough=True)
        assert made == content or (origin is not None and made[: origin.faiss_bytes] == content[: origin.faiss_bytes])
    except files.BrokenFile as exc:
        assert str(exc)
    assert found(store) == right


@examples(70)
@given(data=st.data())
def test_ends_of_index_files(store: Store, data: st.DataObject) -> None:
    """An end that is well formed and lies."""
    space = Space(store, SPACE)
    space.rebuild()
    right, content = found(store), space.path.read_bytes()
    length = struct.unpack("<I", content[-len(files.MARK) - 4 : -len(files.MARK)])[0]
    body, end = content[: -len(files.MARK) - 4 - length], content[-len(files.MARK) - 4 - length : -len(files.MARK) - 4]
    lying = json.dumps(data.draw(nearly(json.loads(end)))).encode()
    space.path.write_bytes(body + lying + struct.pack("<I", len(lying)) + files.MARK)
    assert found(store) == right


@pytest.fixture(scope="module")
def written(store: Store, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    path = tmp_path_factory.mktemp("postings") / "postings"
    with store.snapshot() as connection:
        made = postings_file.build(connection, [1.0] * 5, generation=1, token="t", fingerprint="f")
    postings_file.write(path, made, library=path.parent)
    return path, path.read_bytes()


def read(path: Path, content: bytes, whole: bytes) -> None:
    path.write_bytes(content)
    postings = postings_file.read(path, thorough=True)
    if postings is None:
        return
    start = len(postings_file.MARK) + 8 + struct.unpack("<I", content[8:12])[0]
    assert content[start:] == whole[-len(content[start:]) :], "another content was believed"
    postings.of("w1")


@examples(120)
@given(data=st.data())
def test_postings(written: tuple[Path, bytes], data: st.DataObject) -> None:
    path, whole = written
    read(path, data.draw(harmed(whole)), whole)


@examples(120)
@given(data=st.data())
def test_heads_of_postings(written: tuple[Path, bytes], data: st.DataObject) -> None:
    """A head that is well formed, with a sum of its own that holds, and lies."""
    path, whole = written
    length = struct.unpack("<I", whole[8:12])[0]
    head: Any = json.loads(whole[16 : 16 + length])  # Any: JSON
    lying = json.dumps(data.draw(nearly(head))).encode()
    lying += b" " * (-(16 + len(lying)) % 64)
    content = postings_file.MARK + struct.pack("<II", len(lying), zlib.crc32(lying)) + lying + whole[16 + length :]
    read(path, content, whole)
