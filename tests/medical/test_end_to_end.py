"""The whole road with a tiny model of the true architecture: prepare, train, kill -9, resume, evaluate, ask, merge.

The base model has learned to read drawings of one scanner; those of another, darker and noisier, it reads badly until
an adapter is tuned on them. A control tuned on shuffled labels has to stay at chance.
"""

# torch, transformers and peft come with the medical extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rag_app.medical import DISCLAIMER, Assistant
from rag_app.medical.records import Dataset
from tests.medical.tuning import accuracies, base_model, shuffled, written
from tests.xrays import drawn

TRAIN, TEST = 360, 300
QUICK = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
# Chosen on other drawings, of other seeds.
RECIPE = (
    "--questions anomaly --questions diagnosis --language en --batch 16 --accumulate 1 --steps 200 --check-every 50"
)
RECIPE += " --learning-rate 2e-3 --dropout 0 --warm-up 0.07 --rank 16 --alpha 32 --patience 0"


@dataclass(frozen=True)
class Road:
    dataset: Dataset
    base: Path
    adapter: Path
    control: Path
    report: dict[str, Any]
    killed_at: int


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "rag_app", "--json", "medical", *map(str, arguments)]


def started(arguments: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(arguments, env=QUICK, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finished(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, said = process.communicate(timeout=1500)
    assert process.returncode == 0, said[-3000:]
    return json.loads(out)


def kill_after_a_checkpoint(process: subprocess.Popen[str], out: Path) -> int:
    """Kill it once a checkpoint is whole; gives that checkpoint's step."""
    until = time.monotonic() + 900
    while not (whole := list((out / "checkpoints").glob("checkpoint-*/whole"))):
        assert process.poll() is None, process.communicate()[1][-3000:]
        assert time.monotonic() < until
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    return max(int(mark.parent.name.partition("-")[2]) for mark in whole)


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Road:
    root = tmp_path_factory.mktemp("road")
    for part, count, seed in (("train", TRAIN, 55), ("test", TEST, 50_000)):
        for number, (label, picture) in enumerate(drawn(count, seed=seed, scanner_b=True)):
            (root / "scans" / part / label).mkdir(parents=True, exist_ok=True)
            picture.save(root / "scans" / part / label / f"{number}.png")
    preparing = started(command("prepare", root / "scans", "--out", root / "data", "--no-card"))
    scanner_a = written(root / "scanner-a", {"train": 1000, "validation": 1, "test": 1}, seed=5)
    base = base_model(root / "base", scanner_a, steps=600)
    finished(preparing)
    dataset = Dataset.read(root / "data")
    wrong = shuffled(dataset, root / "shuffled", seed=1)
    recipe = ["--model", f"hf:{base}", *RECIPE.split()]
    control = started(command("train", wrong.folder, *recipe, "--out", root / "control"))
    train = command("train", dataset.folder, *recipe, "--out", root / "adapter")
    killed_at = kill_after_a_checkpoint(started(train), root / "adapter")
    report = finished(started([*train, "--resume"]))
    finished(control)
    return Road(dataset, base, root / "adapter", root / "control", report, killed_at)


def test_the_tuned_model_reads_the_other_scanner(road: Road) -> None:
    from adapters.huggingface.loading import load_parts

    assert len(road.dataset.of("test")) == TEST
    base = accuracies(load_parts(str(road.base), device="cpu"), road.dataset)
    tuned = accuracies(load_parts(str(road.base), adapter=road.adapter, device="cpu"), road.dataset)
    control = accuracies(load_parts(str(road.base), adapter=road.control, device="cpu"), road.dataset)
    print(f"base {base}, tuned {tuned}, control {control}")
    assert tuned["anomaly"] >= 0.90
    assert tuned["diagnosis"] >= 0.85
    assert tuned["anomaly"] - base["anomaly"] >= 0.15
    assert tuned["diagnosis"] - base["diagnosis"] >= 0.20
    assert max(control.values()) <= 0.70


def test_it_went_on_where_it_was_killed(road: Road) -> None:
    assert road.report["resumed_from"] == road.killed_at
    assert road.report["steps"] == 200
    steps = [json.loads(line)["step"] for line in (road.adapter / "curves.jsonl").read_text().splitlines()]
    assert steps == sorted(steps)
    assert steps[0] == 0
    assert not (road.adapter / "checkpoints").exists()


def test_only_the_adapter_was_trained(road: Road) -> None:
    from safetensors import safe_open

    with safe_open(road.adapter / "adapter_model.safetensors", "pt") as saved:
        names = list(saved.keys())
        count = sum(saved.get_tensor(name).numel() for name in names)
    assert all("lora_" in name for name in names)
    assert road.report["trained"] == count
    assert road.report["parameters"] > count
    assert (road.adapter / "adapter_model.safetensors").stat().st_size < (
        road.base / "model.safetensors"
    ).stat().st_size


def test_the_merged_model_has_the_adapters_logits(road: Road, tmp_path: Path) -> None:
    import torch

    from adapters.huggingface.loading import load_parts
    from adapters.training.supervised.collating import Collator
    from rag_app.medical.exporting import export
    from rag_app.medical.training import items

    tuned = load_parts(str(road.base), adapter=road.adapter, device="cpu")
    export(f"hf:{road.base}+{road.adapter}", tmp_path / "merged")
    merged = load_parts(str(tmp_path / "merged"), device="cpu")
    rows = items(road.dataset, "test", kinds=("diagnosis",), languages=("en",))[:16]
    batch = Collator(tuned.processor, "tuned")(rows)
    with torch.inference_mode():
        assert torch.allclose(tuned.model(**batch).logits, merged.model(**batch).logits, atol=1e-4)


def test_it_is_evaluated_beside_the_base(road: Road, tmp_path: Path) -> None:
    names = [f"hf:{road.base}", f"hf:{road.base}+{road.adapter}"]
    models = [word for name in names for word in ("--model", name)]
    found = finished(started(command("evaluate", road.dataset.folder, *models, "--out", tmp_path / "measured")))
    accuracy = {one["name"]: one["diagnosis"]["overall"]["accuracy"]["value"] for one in found["examined"]}
    assert accuracy[names[1]] >= 0.85
    assert accuracy[names[1]] - accuracy[names[0]] >= 0.20


def test_the_tuned_model_is_asked(road: Road) -> None:
    assistant = Assistant.open(f"hf:{road.base}+{road.adapter}", data=road.dataset.folder)
    example = road.dataset.of("test")[0]
    question = next(turn.question for turn in example.turns if turn.kind == "diagnosis" and turn.language == "en")
    answer = assistant.ask(road.dataset.picture(example), question)
    assert {label for label, _ in answer.differential} == set(road.dataset.labels)
    assert abs(sum(probability for _, probability in answer.differential) - 1) < 1e-6
    assert answer.disclaimer == DISCLAIMER["en"]
