"""Copies of the files as they were read."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from rag_app.errors import InputError
from rag_app.originals import Originals


def test_a_copy_is_whole_and_made_once(tmp_path: Path) -> None:
    paper = tmp_path / "A paper.PDF"
    paper.write_bytes(b"%PDF- content")
    sha256 = hashlib.sha256(paper.read_bytes()).hexdigest()
    originals = Originals(tmp_path / "files")
    assert originals.find(sha256) is None
    originals.keep(paper, sha256)
    kept = originals.find(sha256)
    assert kept == tmp_path / "files" / f"{sha256}.pdf" and kept.read_bytes() == paper.read_bytes()
    paper.unlink()
    originals.keep(paper, sha256)  # there already: the file is not needed any more
    originals.drop(sha256)
    originals.drop(sha256)
    assert list((tmp_path / "files").iterdir()) == []


def test_a_file_that_changed_or_went_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    paper = tmp_path / "paper.pdf"
    paper.write_bytes(b"%PDF- another version")
    originals = Originals(tmp_path / "files")
    with pytest.raises(InputError, match=r"paper\.pdf changed while it was read"):
        originals.keep(paper, "0" * 64)
    paper.unlink()
    with pytest.raises(InputError, match=r"paper\.pdf can no longer be read"):
        originals.keep(paper, "0" * 64)
    assert list((tmp_path / "files").iterdir()) == []
