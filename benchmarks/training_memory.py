"""How near `medical train`'s estimate of its memory comes to the most that it then holds.

    python benchmarks/training_memory.py [--threads 1] [--json]
    python benchmarks/training_memory.py --model MODEL --dataset DATASET --batch 4 [--checkpointing] [--json]

Needs the medical extra. Without a model it makes its own: true architectures of transformers with random weights, of 35
to 240 million parameters and a vocabulary of 32,000, on drawings like X-rays; each training is of one step of two
batches in a process of its own. Measured is what `medical train` itself tells: on a GPU the most that torch held, on a
processor the most that the process held, less what it held before, with the libraries imported and at work.
"""

# torch, transformers and peft come with the medical extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from adapters.training.supervised.memory import Estimate, used
from adapters.training.supervised.options import Options, Progress
from rag_app.medical.records import Dataset
from rag_app.medical.training import train

_GB = 2**30
VOCABULARY = 32_000
SHAPES = {  # hidden units and layers of the language model
    "qwen2_5_vl": [(512, 4), (1024, 12)],
    "gemma3": [(1024, 12)],
    "smolvlm": [(1024, 12)],
}
BATCHES = (1, 4)
PIXELS = (112, 448)  # a side, of a square picture; of the processors that scale each picture on its own


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model")
    parser.add_argument("--dataset", type=Path)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--side", type=int)
    parser.add_argument("--checkpointing", action="store_true")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.threads:
        import torch

        torch.set_num_threads(given.threads)
    if given.model:
        print(json.dumps(measured(given.model, Dataset.read(given.dataset), given)))
        return
    with tempfile.TemporaryDirectory() as folder:
        found = [row for name in SHAPES for row in rows(name, Path(folder), given)]
    if given.json:
        print(json.dumps(found, indent=1))
        return
    print("| model | parameters | batch | tokens | checkpointing | estimate, GB | held, GB | estimate / held |")
    print("|---|---|---|---|---|---|---|---|")
    for one in found:
        again = "yes" if one["checkpointing"] else "no"
        print(
            f"| {one['model']} | {one['parameters'] / 1e6:.0f} M | {one['batch']} | {one['tokens']} | {again} "
            f"| {one['estimate'] / _GB:.2f} | {one['held'] / _GB:.2f} | {one['estimate'] / one['held']:.2f} |"
        )


def rows(name: str, folder: Path, given: argparse.Namespace) -> list[dict[str, float]]:
    """What was measured with models of one architecture, each training in a process of its own."""
    from tests.medical.tuning import written

    data = folder / "data"
    if not data.exists():
        written(data, {"train": 16, "validation": 2, "test": 1}, seed=0)
    found = []
    for hidden, depth in SHAPES[name]:
        model = made(name, folder / f"{name}-{hidden}-{depth}", hidden=hidden, depth=depth)
        for side in PIXELS if name.startswith("qwen") else (None,):
            for batch in BATCHES:
                for again in ([], ["--checkpointing"]):
                    command = [sys.executable, __file__, "--model", str(model), "--dataset", str(data)]
                    command += ["--batch", str(batch), *again, *(["--side", str(side)] if side else [])]
                    command += ["--threads", str(given.threads)] if given.threads else []
                    done = subprocess.run(command, capture_output=True, text=True, check=False)
                    if done.returncode:
                        sys.exit(done.stderr)
                    found.append({"model": name, **json.loads(done.stdout.splitlines()[-1])})
                    print(json.dumps(found[-1]), file=sys.stderr)
    return found


def made(name: str, folder: Path, *, hidden: int, depth: int) -> Path:
    from transformers import AutoModelForImageTextToText

    from tests.medical.models import gemma, qwen, smolvlm

    make: Callable[..., Path] = {"qwen2_5_vl": qwen, "gemma3": gemma, "smolvlm": smolvlm}[name]
    wide = {"vision_depth": depth, "vision_width": hidden // 2} if name == "qwen2_5_vl" else {}
    make(folder, hidden=hidden, depth=depth, **wide)
    model = AutoModelForImageTextToText.from_pretrained(str(folder))
    model.resize_token_embeddings(VOCABULARY, mean_resizing=False)
    model.save_pretrained(str(folder))
    return folder


def measured(model: str, dataset: Dataset, given: argparse.Namespace) -> dict[str, float]:
    import torch

    square = given.side**2 if given.side else None
    options = Options(
        batch=given.batch,
        accumulate=2,
        steps=1,
        four_bit=False,
        checkpointing=given.checkpointing,
        min_pixels=square,
        max_pixels=square,
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    before = 0 if device == "cuda" else _held_by_libraries()
    estimates: list[Estimate] = []
    held: list[int] = []

    def note(now: Progress) -> None:
        held.append(now.memory or 0)

    with tempfile.TemporaryDirectory() as folder:
        report = train(
            model,
            dataset,
            Path(folder) / "out",
            options=options,
            device=device,
            fits=True,
            kinds=("anomaly", "diagnosis"),
            languages=("en",),
            on_estimate=estimates.append,
            on_progress=note,
        )
    found = estimates[0]
    return {
        "parameters": report.parameters,
        "batch": given.batch,
        "tokens": found.tokens,
        "checkpointing": given.checkpointing,
        "weights": found.weights,
        "trained": found.trained,
        "activations": found.activations,
        "estimate": found.total,
        "held": max(held) - before,
    }


def _held_by_libraries() -> int:
    """Bytes the process holds once everything is imported and torch has worked."""
    import torch

    from adapters.torchvision_shim import ensure_torchvision

    ensure_torchvision()
    import peft
    import transformers

    assert peft and transformers.Trainer and transformers.AutoModelForImageTextToText
    some = torch.rand(512, 512, requires_grad=True)
    torch.nn.functional.scaled_dot_product_attention(some[None], some[None], some[None]).sum().backward()
    return used("cpu")


if __name__ == "__main__":
    main()
