"""The page of two models on medical images, in Chromium: readable in light and dark, wide and narrow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from eval.medical.baselines import Baseline, majority
from eval.medical.comparing import compared
from eval.medical.manifests import baseline_manifest
from eval.medical.running import dataset_of, run_baseline
from eval.runs import Run
from rag_app.render.medical_comparison import write_medical_comparison
from tests.browser.conftest import Open
from tests.browser.looking import overflows, serious
from tests.medical_runs import dataset


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The majority class against one that is right three times in four."""
    root = tmp_path_factory.mktemp("medical")
    data = dataset(root / "data", {"train": 8, "test": 40})
    held_out = data.of("test")
    shares = np.full((40, 4), 0.1)
    for i, example in enumerate(held_out):
        shares[i, data.labels.index(example.label) if i % 4 else i % 3] = 0.7
    runs = []
    for one in (majority(data, held_out), Baseline("a-model/with_a_long_name+adapters/mri", shares, "")):
        with Run.create(root / str(len(runs)), baseline_manifest(data, one, split="test")) as run:
            run_baseline(run, data, one, split="test")
        runs.append(run)
    write_medical_comparison(compared(*runs), dataset_of(runs[0]), root / "page.html")
    return root / "page.html"


@pytest.mark.parametrize(("scheme", "width"), [("light", 1300), ("dark", 1300), ("light", 400), ("dark", 400)])
def test_the_page_of_two_models_is_readable(open_page: Open, page_file: Path, scheme: str, width: int) -> None:
    page = open_page(width=width, scheme=scheme, offline=True)
    page.goto(page_file.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.locator("figure img").count() > 10 and page.locator("svg").count() == 6
    assert not serious(page) and not overflows(page)
