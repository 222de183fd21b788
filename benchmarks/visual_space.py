"""How well the builtin space of pictures finds a changed picture's original among all originals of a folder.

    python benchmarks/visual_space.py FOLDER [--classes FOLDER ...] [--part colour] [--json]

For each change: the share of pictures whose original comes first, with a Wilson interval, and how many are grouped with
it as near-duplicates. Of pairs of distinct originals: how many are grouped wrongly, if none of them is a true
duplicate. --classes: folders with a folder for each class; the share of pictures whose nearest neighbours are of their
class, beside chance.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

from adapters.builtin import near_duplicates, visual_features
from adapters.builtin.visual import VisualEmbedding
from eval.picture_changes import CHANGES, HARDER, changed
from eval.statistics import text_table, wilson

ENDINGS = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff"}
BAR = {"mirrored": 0.80, **{name: 0.95 for name in CHANGES if name != "mirrored"}}
SEED = 20260115


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--classes", type=Path, nargs="*", default=[], metavar="FOLDER")
    parser.add_argument("--part", choices=visual_features.WEIGHTS, help="this part of the descriptor alone")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.part:
        visual_features.WEIGHTS.update({name: float(name == given.part) for name in visual_features.WEIGHTS})
    report = measure(pictures(given.folder))
    report["classes"] = {str(folder): class_agreement(folder) for folder in given.classes}
    print(json.dumps(report, indent=2) if given.json else as_text(report))


def pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS)


def measure(paths: list[Path]) -> dict:
    """The report of one folder; only pictures that can be read count."""
    embedding = VisualEmbedding()
    started, busy = time.perf_counter(), time.process_time()
    originals = embedding.embed_images(paths)
    seconds, cpu = time.perf_counter() - started, time.process_time() - busy
    kept = [i for i in range(len(paths)) if i not in originals.problems]
    data = [paths[i].read_bytes() for i in kept]
    index = originals.vectors[kept]
    prints = near_duplicates.fingerprints(data).bits
    rows = {}
    for name, change in (CHANGES | HARDER).items():
        new = [changed(picture, change, seed=SEED + i) for i, picture in enumerate(data)]
        likeness = embedding.embed_images(new).vectors @ index.T
        first = int((likeness.argmax(axis=1) == np.arange(len(kept))).sum())
        own = np.diag(likeness).copy()
        np.fill_diagonal(likeness, -1)
        bits = differing(near_duplicates.fingerprints(new).bits, prints)
        rows[name] = {
            "first": first,
            "n": len(kept),
            "share": first / len(kept),
            "interval": wilson(first, len(kept)),
            "bar": BAR.get(name),
            "likeness_median": float(np.median(own)),
            "lead_5th_percentile": float(np.quantile(own - likeness.max(axis=1), 0.05)),
            "near_duplicates": int((np.diag(bits) <= near_duplicates.NEAR_BITS).sum()),
        }
    pairs = np.triu_indices(len(kept), 1)
    bits = differing(prints, prints)[pairs]
    merged = int((bits <= near_duplicates.NEAR_BITS).sum())
    return {
        "pictures": len(kept),
        "refused": {paths[i].name: problem for i, problem in originals.problems.items()},
        "data_sha256": hashlib.sha256(b"".join(hashlib.sha256(picture).digest() for picture in data)).hexdigest(),
        "seed": SEED,
        "versions": {name: version(name) for name in ("opencv-python-headless", "pillow", "numpy")},
        "weights": visual_features.WEIGHTS,
        "dimensions": embedding.dimensions,
        "ms_per_picture": 1000 * seconds / max(len(paths), 1),
        "cpu_ms_per_picture": 1000 * cpu / max(len(paths), 1),
        "changes": rows,
        "distinct_pairs": len(bits),
        "distinct_pairs_merged": merged,
        "distinct_pairs_merged_interval": wilson(merged, len(bits)),
        "distinct_pairs_fewest_bits": int(bits.min()) if len(bits) else None,
        "distinct_pairs_related": int((bits <= near_duplicates.RELATED_BITS).sum()),
    }


def differing(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(n_one, n_other) bits that differ between fingerprints."""
    a, b = (np.unpackbits(bits, axis=1).astype(np.float32) for bits in (one, other))
    return np.rint(a.sum(1)[:, None] + b.sum(1)[None] - 2 * a @ b.T).astype(int)


def class_agreement(folder: Path) -> dict:
    """Nearest neighbours of each picture among all others: whether they are of its class (its folder's name)."""
    paths = pictures(folder)
    made = VisualEmbedding().embed_images(paths)
    kept = [i for i in range(len(paths)) if i not in made.problems]
    classes = np.array([paths[i].parent.name for i in kept])
    likeness = made.vectors[kept] @ made.vectors[kept].T
    np.fill_diagonal(likeness, -np.inf)
    nearest = np.argsort(-likeness, axis=1)[:, :5]
    alike = classes[nearest] == classes[:, None]
    names, counts = np.unique(classes, return_counts=True)
    chance = float((counts * (counts - 1)).sum() / (len(kept) * (len(kept) - 1)))
    first = int(alike[:, 0].sum())
    return {
        "classes": dict(zip(names.tolist(), counts.tolist(), strict=True)),
        "n": len(kept),
        "nearest": first / len(kept),
        "nearest_interval": wilson(first, len(kept)),
        "five_nearest": float(alike.mean()),
        "chance": chance,
    }


def as_text(report: dict) -> str:
    rows = [
        (
            name,
            f"{row['share']:.3f}",
            "[{:.3f}, {:.3f}]".format(*row["interval"]),
            row["bar"] or "-",
            f"{row['likeness_median']:.3f}",
            f"{row['lead_5th_percentile']:+.3f}",
            f"{row['near_duplicates'] / row['n']:.3f}",
        )
        for name, row in report["changes"].items()
    ]
    lines = [
        f"{report['pictures']} pictures, {len(report['refused'])} refused; {report['dimensions']} dimensions; "
        f"{report['ms_per_picture']:.1f} ms a picture ({report['cpu_ms_per_picture']:.1f} ms of processor time)",
        text_table(("change", "first", "95 %", "bar", "likeness", "lead, 5th pct", "near-duplicate"), rows),
        f"{report['distinct_pairs_merged']} of {report['distinct_pairs']} pairs of originals count as near-duplicates "
        f"(fewest differing bits: {report['distinct_pairs_fewest_bits']}); {report['distinct_pairs_related']} as "
        "related",
    ]
    for folder, row in report["classes"].items():
        lines.append(
            f"{folder}: {len(row['classes'])} classes, {row['n']} pictures: nearest of the same class "
            "{:.3f} [{:.3f}, {:.3f}]".format(row["nearest"], *row["nearest_interval"])
            + f", five nearest {row['five_nearest']:.3f}, chance {row['chance']:.3f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
