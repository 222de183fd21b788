"""What `medical train` costs beside a bare loop over the same model, LoRA layers and batches: time and memory.

    python benchmarks/training_speed.py MODEL DATASET [--steps 60] [--batch 8] [--repeat 5] [--json]

Needs the medical extra. MODEL is a folder or hub name, DATASET a folder made by `medical prepare`. Each measurement is
a process of its own, bare and ours in turn. The bare loop is the least one can write: batches from the same collator
through torch's DataLoader, forward, backward, clip, AdamW, schedule. A step's time is from the end of the first step to
the end of the last, without checks and checkpoints, on the clock and of the processor; memory is the process's peak, or
the GPU's. Load on the machine decides the clock: look at the processor time beside it.
"""

# torch, transformers and peft come with the medical extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from adapters.training.supervised.options import Options, Progress
from rag_app.medical.records import Dataset
from rag_app.medical.training import items, train

WAYS = ("bare", "ours")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way:
        print(json.dumps(measured(given)))
        return
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(given.repeat):
        for way in WAYS:
            command = [sys.executable, __file__, given.model, str(given.dataset), "--way", way]
            command += ["--steps", str(given.steps), "--batch", str(given.batch)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found[way].append(json.loads(done.stdout.splitlines()[-1]))
    middle = {way: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for way, runs in found.items()}
    ratio = {key: middle["ours"][key] / middle["bare"][key] for key in middle["bare"]}
    if given.json:
        print(json.dumps({"runs": found, "median": middle, "ours_to_bare": ratio}, indent=1))
        return
    print(f"{'':6}{'s a step':>10}{'processor s':>13}{'peak GB':>9}   median of {given.repeat}")
    for way, row in middle.items():
        print(f"{way:6}{row['step']:>10.4f}{row['processor']:>13.4f}{row['memory'] / 2**30:>9.3f}")
    print(f"{'ratio':6}{ratio['step']:>10.3f}{ratio['processor']:>13.3f}{ratio['memory']:>9.3f}")


def measured(given: argparse.Namespace) -> dict[str, float]:
    options = Options(
        batch=given.batch,
        accumulate=1,
        steps=given.steps,
        check_every=given.steps,
        four_bit=False,
        checkpointing=False,
        patience=0,
    )
    dataset = Dataset.read(given.dataset)
    return {"bare": bare, "ours": ours}[given.way](given.model, dataset, options)


def ours(model: str, dataset: Dataset, options: Options) -> dict[str, float]:
    times: list[tuple[int, float, float, int]] = []

    def note(now: Progress) -> None:
        if now.loss is None and now.validation_loss is None and now.step:
            times.append((now.step, time.perf_counter(), time.process_time(), now.memory or 0))

    with tempfile.TemporaryDirectory() as folder:
        train(
            model,
            dataset,
            Path(folder) / "out",
            options=options,
            kinds=("anomaly", "diagnosis"),
            languages=("en",),
            on_progress=note,
        )
    return between(times[0][1:], times[-1][1:], options)


def bare(model: str, dataset: Dataset, options: Options) -> dict[str, float]:
    import torch

    from adapters.huggingface.loading import load_parts
    from adapters.lora.vision_language import attach
    from adapters.training.supervised.collating import Collator
    from adapters.training.supervised.memory import used

    parts = load_parts(model)
    tuned = attach(
        parts.model,
        parts=options.parts,
        rank=options.rank,
        alpha=options.alpha,
        dropout=options.dropout,
        seed=options.seed,
    )
    tuned.train()
    rows: Any = items(dataset, "train", kinds=("anomaly", "diagnosis"), languages=("en",))
    gpu = parts.device.startswith("cuda")
    loader = torch.utils.data.DataLoader(
        rows,
        batch_size=options.batch,
        shuffle=True,
        collate_fn=Collator(parts.processor, model),
        num_workers=4 if gpu else 0,
        pin_memory=gpu,
    )
    weights = [one for one in tuned.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=options.learning_rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.steps or 0)
    start = end = (0.0, 0.0, 0)
    step, last = 0, options.steps or 0
    while step < last:
        for batch in loader:
            moved = {key: value.to(parts.device) for key, value in batch.items()}
            with torch.autocast(parts.device, torch.bfloat16, enabled=gpu):
                loss = tuned(**moved, use_cache=False).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            step += 1
            end = (time.perf_counter(), time.process_time(), used(parts.device))
            if step == 1:
                start = end
            if step == last:
                break
    return between(start, end, options)


def between(start: tuple[float, float, int], end: tuple[float, float, int], options: Options) -> dict[str, float]:
    steps = options.steps or 0
    clock, processor = ((end[place] - start[place]) / (steps - 1) for place in (0, 1))
    return {"step": clock, "processor": processor, "memory": float(end[2])}


if __name__ == "__main__":
    main()
