"""The same papers under other settings, without parsing them again."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from rag_app import Library
from rag_app.errors import UsageError
from rag_app.settings import Ingestion, Search


def test_other_passages_of_the_same_papers(sample_library: Path, tmp_path: Path) -> None:
    with Library.open(sample_library, read_only=True) as library:
        before = library.status()
        settings = dataclasses.replace(library.settings, ingestion=Ingestion(chunk_tokens=60))
        library.remake(tmp_path / "made", settings=settings)
        with pytest.raises(UsageError, match=r"a library .* already"):
            library.remake(tmp_path / "made", settings=settings)
    with Library.open(tmp_path / "made", create=False) as made:
        after = made.status()
        assert [one.name for one in after.documents] == [one.name for one in before.documents]
        assert after.nodes["text"] > before.nodes["text"]
        assert {kind: n for kind, n in after.nodes.items() if kind != "text"} == {
            kind: n for kind, n in before.nodes.items() if kind != "text"
        }
        assert {space.name for space in after.spaces} == {space.name for space in before.spaces}
        assert made.ask("What does Figure 1 show?").citations
        assert made.repair().sound


def test_the_same_settings_make_the_same_library(sample_library: Path, tmp_path: Path) -> None:
    with Library.open(sample_library, read_only=True) as library:
        library.remake(tmp_path / "made", settings=library.settings)
        text = "How is the gate initialised?"
        with Library.open(tmp_path / "made") as made:
            found = [(hit.node_id, hit.score) for hit in made.search(text).hits]
        assert found == [(hit.node_id, hit.score) for hit in library.search(text).hits]


def test_the_dense_factor_weighs_the_dense_half(sample_library: Path) -> None:
    with Library.open(sample_library, read_only=True) as library:
        settings = library.settings

    def parts(search: Search) -> list[float]:
        changed = dataclasses.replace(settings, search=search)
        with Library.open(sample_library, settings=changed, read_only=True) as library:
            return [hit.parts.get("dense", 0.0) for hit in library.as_retriever(k=8).find("training of CLIP").hits]

    assert not any(parts(Search(dense=0.0)))
    assert max(parts(Search(dense=3.0))) > max(parts(Search())) > 0
