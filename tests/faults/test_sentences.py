"""Every mishap in docs/troubleshooting.md is brought about by a test that compares its sentence."""

from __future__ import annotations

from tests.faults.conftest import HERE
from tests.faults.sentences import SENTENCES


def test_every_sentence_is_checked() -> None:
    assert len(SENTENCES) > 15
    tests = "".join(path.read_text(encoding="utf-8") for path in HERE.glob("test_*.py"))
    unchecked = [mishap for mishap in SENTENCES if f'told("{mishap}"' not in tests]
    assert unchecked == []
