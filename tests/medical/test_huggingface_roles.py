"""A model of transformers in the roles that Ollama fills. It knows two words: what it says is checked and refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from rag_app import Library
from tests.commands import CommandLine
from tests.conftest import SAMPLE_PAPERS
from tests.medical.test_huggingface_loading import png

pytestmark = pytest.mark.slow


@pytest.fixture
def wide(answering: Path, tmp_path: Path) -> str:
    """The name of a model that reads as much as these roles ask of it."""
    pytest.importorskip("llguidance", reason="llguidance is not installed")
    folder = tmp_path / "wide"
    shutil.copytree(answering, folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["text_config"]["max_position_embeddings"] = 16384
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return f"hf:{folder}"


def test_it_answers_and_describes_in_a_library(wide: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "library"
    with Library.open(folder) as library:
        library.ingest(SAMPLE_PAPERS / "clip_fa.pdf")
        answer = library.ask("Which learning rate was used?", answer=wide)
    assert answer.models["answer"] == wide and answer.refused, "nothing it said is in the passages"
    run = CommandLine(capfd)
    described = run("describe", "--library", folder, "--with", wide, "--json")
    assert "Traceback" not in described.stderr
    document = json.loads(described.stdout)
    assert document["models"] == [wide] and document["done"] + document["failed"] == document["total"] > 0
    assert document["verified"] == 0


def test_it_captions_and_what_is_no_caption_is_not_kept(
    wide: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "scan.png").write_bytes(png(3))
    said = CommandLine(capfd)(
        "caption", tmp_path / "scan.png", "--vision", wide, "--languages", "en", "--out", tmp_path / "captions.jsonl"
    )
    assert "No caption could be kept in 3 attempts" in said.stdout + said.stderr
