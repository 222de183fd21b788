"""What several test files share: one library of the sample papers, and where the real papers are."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from rag_app import Library

ROOT = Path(__file__).parent.parent
SAMPLE_PAPERS = ROOT / "data" / "papers"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked real_papers skip, visibly, where RAG_APP_TEST_DATA names no folder."""
    folder = os.environ.get("RAG_APP_TEST_DATA", "")
    if folder and Path(folder).is_dir():
        return
    reason = f"RAG_APP_TEST_DATA is {folder!r}, not a folder of real papers"
    for item in items:
        if item.get_closest_marker("real_papers"):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def real_papers() -> Path:
    """The folder of real papers; only for tests marked real_papers."""
    return Path(os.environ["RAG_APP_TEST_DATA"])


@pytest.fixture(scope="session")
def sample_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a library with both sample papers, read once a session: ask it, do not change it."""
    folder = tmp_path_factory.mktemp("sample") / "library"
    with Library.open(folder) as library:
        report = library.ingest(SAMPLE_PAPERS)
    assert [document.error for document in report.documents] == [None, None]
    return folder


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[[Path], Path]:
    """A function that copies a library folder to where a test may change it."""
    import shutil

    def copy(library: Path) -> Path:
        return Path(shutil.copytree(library, tmp_path / "copy"))

    return copy
