"""Real photos in the builtin space of pictures: `photos/` under the folder of real data."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.real_papers, pytest.mark.slow]
ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def photos(real_papers: Path) -> Path:
    for folder in (real_papers / "photos", real_papers.parent / "photos"):
        if folder.is_dir():
            return folder
    pytest.skip(f"{real_papers} has no folder photos, nor has its parent")


def run(script: str, *arguments: Path | str) -> dict:
    import json

    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / script, *arguments, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_changed_photos_find_their_originals(photos: Path) -> None:
    report = run("visual_space.py", photos)
    assert not report["refused"]
    assert report["distinct_pairs_merged"] == 0
    for name, row in report["changes"].items():
        if row["bar"]:
            assert row["share"] >= row["bar"], name


def test_a_caption_finds_its_photo_by_the_other_captions(photos: Path) -> None:
    report = run("caption_search.py", photos / "captions.jsonl")
    cases = report["languages"]["en"]["cases"]
    for case in ("one/first", "others/first", "one/all", "others/all"):
        for measure in ("r1", "r5"):
            assert cases[case]["ours"][measure][0] > cases[case]["plain"][measure][0], (case, measure)
    assert report["languages"]["fa"]["cases"]["others/all"]["ours"]["r5"][0] >= 0.9
