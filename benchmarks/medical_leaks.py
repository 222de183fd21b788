"""How many planted copies of medical images the leak search finds, and what else it takes for copies.

    python benchmarks/medical_leaks.py FOLDER [--planted 200] [--seed 5]

FOLDER holds images by class, or train/ and test/ with those. Some of them are changed (cropped, mirrored, resized,
saved again, lighter, darker, several at once) and put among all the others, as if a careless split had done it. Pairs
of originals that are called the same are listed, to be looked at: a set may hold real copies.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections import Counter
from pathlib import Path

from eval.picture_changes import CHANGES, HARDER, changed
from rag_app.medical.leaks import find_pairs
from rag_app.medical.sources import entries


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--planted", type=int, default=200)
    parser.add_argument("--seed", type=int, default=5)
    asked = parser.parse_args()
    originals = [entry.path for entry in entries(asked.folder)]
    draw = random.Random(asked.seed)
    changes = {**CHANGES, "crop, mirror, darker, JPEG": HARDER["crop, mirror, darker, JPEG"]}
    names = [list(changes)[i % len(changes)] for i in range(asked.planted)]
    sources = draw.sample(range(len(originals)), asked.planted)
    with tempfile.TemporaryDirectory() as scratch:
        copies = []
        for i, (source, name) in enumerate(zip(sources, names, strict=True)):
            copies.append(Path(scratch) / f"{i}.png")
            copies[-1].write_bytes(changed(originals[source].read_bytes(), changes[name], seed=asked.seed + i))
        started = time.perf_counter()
        pairs = find_pairs([*originals, *copies])
        seconds = time.perf_counter() - started
    n = len(originals)
    same = {(pair.one, pair.other) for pair in pairs if pair.degree == "same"}
    planted = {(source, n + i): name for i, (source, name) in enumerate(zip(sources, names, strict=True))}
    found = Counter(name for pair, name in planted.items() if pair in same)
    print(f"{len(originals)} images and {asked.planted} copies, {seconds:.0f} s")
    for name, total in Counter(names).items():
        print(f"  {name:32} {found[name]:3} of {total}")
    print(f"found {found.total()} of {asked.planted} ({found.total() / asked.planted:.3f})")
    others = sorted(pair for pair in same if pair not in planted)
    between = [(one, other) for one, other in others if other < n]
    odd = [(one, other) for one, other in others if other >= n and (one, sources[other - n]) not in same]
    flagged = {image for pair in between for image in pair}
    print(f"called the same, not planted: {len(between)} pairs of originals, {len(flagged)} images; to be looked at:")
    for one, other in between:
        print(f"  {originals[one].name}  {originals[other].name}")
    print(f"copies called the same as another image that is not the same as their own: {len(odd)}")
    print(f"false at most: {(len(flagged) + len(odd)) / (n + asked.planted):.4f} of the images")


if __name__ == "__main__":
    main()
