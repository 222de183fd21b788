"""`medical evaluate`: runs of two models on a real socket, baselines, and the report."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from adapters.builtin.visual import VisualEmbedding
from eval.medical.baselines import linear_probe, majority
from eval.medical.manifests import baseline_manifest
from eval.medical.results import examine, verdicts
from eval.medical.running import run_baseline
from eval.runs import Run
from rag_app.errors import InputError, ModelUnsuitable
from rag_app.medical import DISCLAIMER
from rag_app.medical.records import Dataset
from tests.commands import CommandLine
from tests.medical_runs import dataset, poor, wise
from tests.ollama_server import Model, OllamaServer
from tests.xrays import LABELS

WITH_SKLEARN = importlib.util.find_spec("sklearn") is not None


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OllamaServer]:
    seeing = {"completion", "vision"}
    models = [Model("poor", capabilities=seeing, replies=poor), Model("wise", capabilities=seeing, replies=wise)]
    with OllamaServer(models) as running:
        monkeypatch.setenv("OLLAMA_HOST", running.url)
        yield running


def test_two_models_are_measured_and_compared(
    server: OllamaServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = dataset(tmp_path / "data", {"train": 24, "test": 40}, spoilt=2)
    truth = [example.label for example in data.of("test")][2:]
    run, out = CommandLine(capfd), tmp_path / "out"
    words = ("medical", "evaluate", data.folder, "--model", "ollama:poor", "--model", "ollama:wise", "--out", out)
    document = run.json(*words, "--answers", "diagnosis")
    assert document["disclaimer"] == DISCLAIMER["en"]
    assert json.loads((out / "figures.json").read_text(encoding="utf-8"))["examined"] == document["examined"]
    first, second, commonest, *probes = document["examined"]
    assert (first["name"], second["name"], commonest["name"]) == ("ollama:poor", "ollama:wise", "majority class")
    assert len(probes) == WITH_SKLEARN
    assert any("scikit-learn" in note for note in document["notes"]) != WITH_SKLEARN
    assert (first["failed"], second["failed"]) == (0, 2)
    assert second["images"] + second["failed"] == 40
    assert first["diagnosis"]["overall"]["accuracy"]["value"] == pytest.approx(
        [e.label for e in data.of("test")].count("cardiomegaly") / 40
    )
    assert second["diagnosis"]["overall"]["accuracy"]["value"] == 1
    assert second["diagnosis"]["overall"]["accuracy"]["low"] < 1
    assert second["anomaly"]["classes"]["abnormal"]["sensitivity"]["value"] == 1
    assert second["answers"]["diagnosis_exact"]["mean"] == 1
    assert [(one["group"], one["value"]) for one in second["subgroups"]] == [("scanner", "A"), ("scanner", "B")]
    against = document["against"][0]
    assert against["images"] == 38
    gained = 38 - truth.count("cardiomegaly")
    assert (against["flipped"]["diagnosis"]["rose"], against["flipped"]["diagnosis"]["fell"]) == (gained, 0)
    assert against["flipped"]["diagnosis"]["p"] == pytest.approx(2 * 0.5**gained)
    assert against["gains"]["diagnosis"]["accuracy"]["value"] == pytest.approx(gained / 38)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert DISCLAIMER["en"] in page and DISCLAIMER["fa"] in page
    assert "which are no likelihoods" in page and "2 images have no result" in page
    assert page.count("<svg") >= 5 and "scanner: B" in page and "data:image/webp" in page
    assert "<script" not in page and 'src="http' not in page and 'href="http' not in page

    told = run("medical", "compare", out / "ollama-poor", out / "ollama-wise")
    assert told.returncode == 0 and "McNemar" in told.stdout and DISCLAIMER["en"] in told.stdout
    compared = run.json("medical", "compare", out / "ollama-poor", out / "ollama-wise")
    assert compared["gains"] == against["gains"]

    again = run(*words)
    assert again.returncode == 2 and "--resume" in again.stderr
    asked = len(server.requests)
    resumed = run.json(*words, "--answers", "diagnosis", "--resume")
    assert resumed["examined"] == document["examined"]
    images_asked = {request.images[0] for request in server.requests[asked:] if request.images}
    assert len(images_asked) == 2, "only those without a result are asked again"


def test_runs_of_other_data_are_not_compared(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name, n in (("one", 8), ("two", 10)):
        data = dataset(tmp_path / name, {"train": 8, "test": n})
        one = majority(data, data.of("test"))
        with Run.create(tmp_path / "runs" / name, baseline_manifest(data, one, split="test")) as run:
            run_baseline(run, data, one, split="test")
    refused = CommandLine(capfd)("medical", "compare", tmp_path / "runs/one", tmp_path / "runs/two")
    assert refused.returncode != 0 and "different datasets" in refused.stderr
    refused = CommandLine(capfd)("medical", "evaluate", tmp_path / "one", "--out", tmp_path / "o", "--no-baselines")
    assert refused.returncode == 2 and "nothing to measure" in refused.stderr
    refused = CommandLine(capfd)(
        "medical", "evaluate", tmp_path / "one", "--out", tmp_path / "o", "--split", "validation"
    )
    assert refused.returncode != 0 and "validation part" in refused.stderr and "is empty" in refused.stderr
    refused = CommandLine(capfd)("medical", "evaluate", tmp_path / "one", "--out", tmp_path / "o", "--model", "builtin")
    assert refused.returncode == 2 and "do not see" in refused.stderr


def test_the_majority_class_knows_the_training_shares(tmp_path: Path) -> None:
    data = dataset(tmp_path / "data", {"train": 40, "test": 10})
    found = majority(data, data.of("test"))
    shares = [sum(e.label == label for e in data.of("train")) / 40 for label in LABELS]
    assert found.probabilities.tolist() == [shares] * 10
    with Run.create(tmp_path / "run", baseline_manifest(data, found, split="test")) as run:
        run_baseline(run, data, found, split="test")
    one = examine(Run.open(tmp_path / "run"))
    assert one.tasks["diagnosis"].overall["auroc"].value == 0.5
    assert one.tasks["anomaly"].units == 5
    assert len(verdicts([one])) == 2


@pytest.mark.skipif(WITH_SKLEARN, reason="scikit-learn is here")
def test_a_probe_without_scikit_learn_is_a_sentence(tmp_path: Path) -> None:
    data = dataset(tmp_path / "data", {"train": 8, "test": 4})
    with pytest.raises(ModelUnsuitable, match="pip install"):
        linear_probe(data, data.of("test"), VisualEmbedding())


@pytest.mark.medical
def test_a_linear_probe_learns_and_never_sees_the_held_out_labels(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    data = dataset(tmp_path / "data", {"train": 160, "validation": 40, "test": 80})
    held_out = data.of("test")
    probe = linear_probe(data, held_out, VisualEmbedding())
    assert probe.probabilities.sum(axis=1) == pytest.approx(np.ones(80))
    right = probe.probabilities.argmax(axis=1) == [LABELS.index(e.label) for e in held_out]
    commonest = majority(data, held_out).probabilities.argmax(axis=1) == [LABELS.index(e.label) for e in held_out]
    assert right.mean() > commonest.mean() + 0.1
    other = [dataclasses.replace(example, label="normal") for example in held_out]
    assert linear_probe(data, other, VisualEmbedding()).probabilities == pytest.approx(probe.probabilities, abs=1e-5)


@pytest.mark.medical
def test_a_probe_needs_two_labels(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    data = dataset(tmp_path / "data", {"train": 8, "test": 4})
    one = all_normal(data)
    with pytest.raises(InputError, match="one label only"):
        linear_probe(one, one.of("test"), VisualEmbedding())


def all_normal(data: Dataset) -> Dataset:
    """The same images, all of them normal."""
    return dataclasses.replace(
        data, examples=tuple(dataclasses.replace(e, label="normal", abnormal=False) for e in data.examples)
    )
