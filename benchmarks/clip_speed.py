"""Pictures a second through ViT-B-32 with seeded weights, ours beside others in one run, decoding included.

    python benchmarks/clip_speed.py FOLDER [--limit 190] [--repeat 3] [--batches 1,8,16,32] [--int8] [--memory] [--json]

Needs the clip extra. Compared, over the same files, in turn, `--repeat` times each:

- open_clip's own loop, one picture at a time, and open_clip behind torch's DataLoader with a worker for each core at
  each batch size. The latter is how clip-retrieval encodes; the package itself (2.45) asks for numpy < 2 and
  open_clip < 3 and does not install beside this one.
- sentence-transformers' CLIP at each batch size, where it is installed: a transformers ViT-B/32 of its own seeded
  weights, as many multiplications as open_clip's.
- ours as users get it, and with --int8 the fast way, with its agreement to the exact vectors.

--memory embeds 200, 1000 and 5000 pictures, each in a fresh process, and reports the peak of resident memory.
Load on the machine decides these numbers: take them on a quiet one, and look at the processor time beside them.
"""

# torch, open_clip and sentence-transformers come with no more than the clip extra.
# pyright: reportMissingImports=false

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from adapters.names import load_model, parse_model_name
from adapters.torchvision_shim import ensure_torchvision

ARCHITECTURE = "ViT-B-32"
SEED = 0
MEMORY_COUNTS = (200, 1000, 5000)
Way = Callable[[], np.ndarray | None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="photos; subfolders are looked into")
    parser.add_argument("--limit", type=int, default=190, help="pictures of the folder used")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--batches", default="1,8,16,32", help="batch sizes of the others; ours is its default")
    parser.add_argument("--int8", action="store_true", help="time the fast way too")
    parser.add_argument("--memory", action="store_true", help="measure memory at 200, 1000 and 5000 pictures")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--memory-of", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--model", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    files = sorted(f for f in given.folder.rglob("*") if f.suffix.lower() in {".jpg", ".jpeg", ".png", ".webp"})
    if not files:
        parser.error(f"{given.folder} holds no pictures")
    if given.memory_of:
        print(json.dumps(memory(given.model, files, given.memory_of)))
        return
    files = files[: given.limit]
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["RAG_APP_MODELS"] = scratch
        weights = seeded_weights(Path(scratch))
        sizes = [int(size) for size in given.batches.split(",")]
        found = compare(weights, files, sizes, repeat=given.repeat, int8=given.int8)
        if given.memory:
            found["memory"] = [in_fresh_process(given.folder, weights, count) for count in MEMORY_COUNTS]
    print(json.dumps(found, indent=1) if given.json else shown(found))


def seeded_weights(folder: Path) -> Path:
    """A checkpoint of the architecture with random weights, always the same."""
    ensure_torchvision()
    import torch
    from open_clip.factory import create_model
    from safetensors.torch import save_file

    torch.manual_seed(SEED)
    file = folder / "seeded.safetensors"
    save_file(create_model(ARCHITECTURE).state_dict(), file)
    return file


def compare(weights: Path, files: list[Path], sizes: list[int], *, repeat: int, int8: bool) -> dict[str, Any]:
    """Rates of every way over `files`, each `repeat` times in turn after one warm pass over a few."""
    import torch
    from open_clip.factory import create_model_and_transforms

    model, _, prepare = create_model_and_transforms(ARCHITECTURE, pretrained=str(weights))
    model.eval()
    ways: dict[str, Callable[[list[Path]], np.ndarray | None]] = {
        "open_clip, one by one": lambda some: one_by_one(model, prepare, some)
    }
    for size in sizes:
        ways[f"open_clip, DataLoader, batch {size}"] = lambda some, size=size: loader(model, prepare, some, size)
    stock = sentence_transformers_clip()
    for size in sizes if stock is not None else ():
        ways[f"sentence-transformers, batch {size}"] = lambda some, size=size: stock_encode(stock, some, size)
    ours = load_model("image_embedding", parse_model_name(f"openclip:{ARCHITECTURE}@{weights}"))
    ways["ours"] = lambda some: ours.embed_images(some).vectors
    fast = load_model("image_embedding", parse_model_name(f"{ours.model_name}#int8")) if int8 else None
    if fast is not None:
        ways["ours, int8"] = lambda some: fast.embed_images(some).vectors

    rates: dict[str, list[float]] = {name: [] for name in ways}
    cpu: dict[str, list[float]] = {name: [] for name in ways}
    for encode in ways.values():
        encode(files[:16])
    for _ in range(repeat):
        for name, encode in ways.items():
            clock, used = time.perf_counter(), processor()
            encode(files)
            rates[name].append(len(files) / (time.perf_counter() - clock))
            cpu[name].append(1000 * (processor() - used) / len(files))
    reference = one_by_one(model, prepare, files)
    cosine = (ours.embed_images(files).vectors * reference).sum(axis=1)
    best = {name: statistics.median(values) for name, values in rates.items()}
    others = {name: rate for name, rate in best.items() if not name.startswith("ours")}
    strongest = max((name for name in others if "one by one" not in name), key=lambda name: others[name])
    return {
        "pictures": len(files),
        "repeat": repeat,
        "pictures_per_s": {name: round(rate, 2) for name, rate in best.items()},
        "runs": {name: [round(rate, 2) for rate in values] for name, values in rates.items()},
        "cpu_ms_per_picture": {name: round(statistics.median(values), 1) for name, values in cpu.items()},
        "ours_to_one_by_one": round(best["ours"] / best["open_clip, one by one"], 2),
        "ours_to_best_other": round(best["ours"] / others[strongest], 2),
        "best_other": strongest,
        "least_cosine_to_open_clip": round(float(cosine.min()), 7),
        "int8_agreement": None if fast is None else agreement_of(fast, files, reference),
        "sentence_transformers": version("sentence-transformers") if stock is not None else "not installed",
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
        f"{torch.get_num_threads()} torch threads, load {os.getloadavg()[0]:.1f}",
        "versions": {name: version(name) for name in ("torch", "open_clip_torch", "transformers", "pillow")},
    }


def agreement_of(fast: Any, files: list[Path], reference: np.ndarray) -> dict[str, float]:
    """Cosine of the int8 vectors to the exact ones of all files."""
    cosine = (fast.embed_images(files).vectors * reference).sum(axis=1)
    return {"least": round(float(cosine.min()), 5), "mean": round(float(cosine.mean()), 5), "pictures": len(files)}


def processor() -> float:
    """Seconds of processor time, worker processes that ended included."""
    return sum(
        r.ru_utime + r.ru_stime for r in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def one_by_one(model: Any, prepare: Any, files: list[Path]) -> np.ndarray:  # Any: open_clip's
    import torch

    with torch.no_grad():
        rows = [model.encode_image(prepare(opened(file))[None], normalize=True) for file in files]
    return torch.cat(rows).numpy()


def opened(file: Path) -> Image.Image:
    with Image.open(file) as image:
        return image.convert("RGB")


class Files:
    """A dataset for torch's DataLoader; at the top level, so that workers can be started with it."""

    def __init__(self, files: list[Path], prepare: Any) -> None:  # Any: open_clip's transform
        self.files, self.prepare = files, prepare

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Any:  # Any: torch.Tensor
        return self.prepare(opened(self.files[index]))


def loader(model: Any, prepare: Any, files: list[Path], size: int) -> np.ndarray:  # Any: open_clip's
    import torch
    from torch.utils.data import DataLoader

    dataset: Any = Files(files, prepare)  # Any: a map-style dataset by its methods
    with torch.no_grad():
        batches = DataLoader(dataset, batch_size=size, num_workers=os.cpu_count() or 1)
        return torch.cat([model.encode_image(batch, normalize=True) for batch in batches]).numpy()


def sentence_transformers_clip() -> Any:  # Any: SentenceTransformer, or None where it is not installed
    """sentence-transformers' CLIP with a ViT-B/32 made from its configuration; its tokenizer is never used here."""
    try:
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.modules import CLIPModel
    except ImportError:
        return None
    import torch
    import transformers

    torch.manual_seed(SEED)
    with tempfile.TemporaryDirectory() as folder:
        transformers.CLIPModel(transformers.CLIPConfig()).save_pretrained(folder)
        vocabulary = {"<|startoftext|>": 0, "<|endoftext|>": 1, "a</w>": 2}
        tokenizer = transformers.CLIPTokenizer(vocab=vocabulary, merges=[])
        transformers.CLIPProcessor(transformers.CLIPImageProcessor(), tokenizer).save_pretrained(folder)
        return SentenceTransformer(modules=[CLIPModel(folder)], device="cpu")


def stock_encode(model: Any, files: list[Path], size: int) -> None:  # Any: SentenceTransformer
    model.encode([opened(file) for file in files], batch_size=size, normalize_embeddings=True, show_progress_bar=False)


def memory(name: str, files: list[Path], count: int) -> dict[str, float]:
    """Resident memory of this process in MB after loading, and its peak while embedding `count` pictures."""
    model = load_model("image_embedding", parse_model_name(name))
    model.embed_images(files[:32])
    loaded = peak_mb()
    model.embed_images(itertools.islice(itertools.cycle(files), count))
    return {"pictures": count, "after_first_32_mb": loaded, "peak_mb": peak_mb()}


def peak_mb() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def in_fresh_process(folder: Path, weights: Path, count: int) -> dict[str, float]:
    name = f"openclip:{ARCHITECTURE}@{weights}"
    command = [sys.executable, __file__, str(folder), "--memory-of", str(count), "--model", name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def shown(found: dict[str, Any]) -> str:
    """The findings as lines for a reader."""
    lines = [f"{found['pictures']} pictures, median of {found['repeat']} runs; {found['machine']}"]
    for name, rate in found["pictures_per_s"].items():
        lines.append(f"{name:36} {rate:7.1f} a second  {found['cpu_ms_per_picture'][name]:6.1f} ms of processor each")
    lines.append(
        f"ours is {found['ours_to_one_by_one']} times the loop, {found['ours_to_best_other']} times the best other"
    )
    lines.append(f"(the best other: {found['best_other']}; sentence-transformers {found['sentence_transformers']})")
    lines.append(f"least cosine to open_clip's own vectors: {found['least_cosine_to_open_clip']}")
    if found["int8_agreement"]:
        lines.append(f"int8: cosine to exact, least and mean: {found['int8_agreement']}")
    for row in found.get("memory", []):
        lines.append(
            f"memory at {row['pictures']:5} pictures: {row['peak_mb']} MB (first 32: {row['after_first_32_mb']})"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
