"""settings.toml: defaults, values, and one clear sentence for each mistake."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from rag_app.errors import SettingsError
from rag_app.settings import Search, Settings

ROOT = Path(__file__).parent.parent


def load(folder: Path, text: str) -> Settings:
    (folder / "settings.toml").write_text(text, encoding="utf-8")
    return Settings.load(folder)


def test_defaults_need_no_file(tmp_path: Path) -> None:
    settings = Settings.load(tmp_path)
    assert set(dataclasses.asdict(settings.models).values()) == {"builtin"}
    assert settings.ingestion.workers == 0


def test_values_are_read(tmp_path: Path) -> None:
    settings = load(tmp_path, '[models]\nanswer = "ollama:gemma3:4b"\n[ingestion]\nworkers = 3\n')
    assert settings.models.answer == "ollama:gemma3:4b"
    assert settings.models.text_embedding == "builtin"
    assert settings.ingestion.workers == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[models]\nanwser = "x"', "'models.anwser'; did you mean 'models.answer'?"),
        ('answer = "x"', "'answer'; did you mean 'models.answer'?"),
        ('[model]\nanswer = "x"', "'model'; did you mean 'models'?"),
        ("zzz = 1", "known keys: models.answer"),
        ("models = 3", "write [models]"),
        ('[ingestion]\nworkers = "two"', "ingestion.workers is 'two'; it must be a whole number"),
        ("[ingestion]\nworkers = true", "must be a whole number"),
        ("[ingestion]\nworkers = -1", "ingestion.workers is -1"),
        ("[models]\nanswer = 4", "must be a text"),
        ('[models]\nanswer = " "', "models.answer is empty"),
        ('[terminal]\nright_to_left = "left"', "set one of auto, reorder, terminal"),
        ("[models", "cannot be read as TOML"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text)
    assert said in str(caught.value)
    assert "settings.toml" in str(caught.value)
    assert caught.value.exit_code == 2


def test_every_field_is_documented() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    for table, keys in dataclasses.asdict(Settings()).items():
        for key, default in keys.items():
            row = next((line for line in page.splitlines() if line.startswith(f"| `{table}.{key}`")), "")
            assert row, f"docs/configuration.md has no row for {table}.{key}"
            shown = f"`{default}`" if default != "" else "empty"
            assert shown in row, f"docs/configuration.md gives another default for {table}.{key}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[ingestion]\nchunk_tokens = 10", "ingestion.chunk_tokens is 10; set 32 or more"),
        ("[search]\ndense = -0.5", "search.dense is -0.5; set 0 or more"),
        ('[search]\ndense = "much"', "search.dense is 'much'; it must be a number"),
        ("[search]\nstructure = inf", "search.structure is inf; set 0 or more"),
    ],
)
def test_mistakes_in_what_the_search_is_tuned_by(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(said)):
        load(tmp_path, text)


def test_factors_may_be_whole_numbers(tmp_path: Path) -> None:
    assert load(tmp_path, "[search]\ndense = 2\nstructure = 0.5").search == Search(dense=2, structure=0.5)
