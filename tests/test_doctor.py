"""What doctor finds, each state by a case that can happen."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from rag_app import doctor


def versions(monkeypatch: pytest.MonkeyPatch, **found: str | None) -> None:
    """Make the installed versions of these distributions look like this."""
    real = doctor._version
    shown = {name.replace("_", "-"): version for name, version in found.items()}
    monkeypatch.setattr(doctor, "_version", lambda name: shown[name] if name in shown else real(name))


def test_this_environment_is_sound() -> None:
    for check in (doctor.check_python(), doctor.check_versions(), doctor.check_pins()):
        assert check.state == "ok", check


def test_a_placeholder_of_pymupdf_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    versions(monkeypatch, pymupdf="2.0.0", pymupdf4llm="2.0.0", pymupdf_layout="2.0.0")
    check = doctor.check_pins()
    assert check.state == "broken" and check.mend and "2.0" in check.message


def test_unequal_pins_are_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    versions(monkeypatch, pymupdf="1.28.1")
    check = doctor.check_pins()
    assert check.state == "broken" and "pymupdf 1.28.1" in check.message


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    versions(monkeypatch, faiss_cpu=None)
    check = doctor.check_versions()
    assert check.state == "broken" and "faiss-cpu" in check.message and check.mend


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.mark.parametrize(("free", "state"), [(5_000_000_000, "ok"), (100_000_000, "missing")])
def test_disk_space(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: int, state: str) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: Usage(10**12, 0, free))
    assert doctor.check_disk(tmp_path / "not" / "there" / "yet").state == state


def test_languages_that_ocr_lacks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TESSDATA_PREFIX", str(tmp_path))
    monkeypatch.setattr("ingestion.ocr._FOLDERS", ())
    check = doctor.check_ocr()
    assert check.state == "missing" and "tesseract-ocr" in check.message
