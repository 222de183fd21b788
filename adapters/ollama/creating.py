"""A model folder made a model of Ollama, by its own program, which converts the weights."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from adapters.ollama.host import find
from rag_app.errors import ModelFailed, ModelUnsuitable
from rag_app.settings import Settings

_AT_MOST = 3600  # seconds


def create(name: str, folder: Path, settings: Settings) -> None:
    """Run `ollama create` on the Modelfile in `folder`; success says only that files were written, not that it sees.

    Of several servers in the settings the first gets it.

    Raises:
        ModelUnsuitable: no program `ollama` here, or a configuration that it would read wrongly.
        ModelFailed: it failed, or took longer than an hour.
    """
    _check(folder)
    program = shutil.which("ollama")
    by_hand = f"ollama create {name} -f {folder / 'Modelfile'}"
    if program is None:
        raise ModelUnsuitable(
            f"There is no program ollama here. Install it from ollama.com, or copy {folder} to where it is and run: "
            f"{by_hand}."
        )
    try:
        done = subprocess.run(
            [program, "create", name, "-f", str(folder / "Modelfile")],
            cwd=folder,
            env={**os.environ, "OLLAMA_HOST": find(settings)[0].url},
            capture_output=True,
            text=True,
            timeout=_AT_MOST,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise ModelFailed(f"ollama create took longer than an hour; run it by hand: {by_hand}.") from exc
    if done.returncode:
        said = " ".join((done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1].split())
        raise ModelFailed(
            f"ollama create failed: {said[:300]}. The merged model is in {folder}; run it by hand: {by_hand}."
        )


def _check(folder: Path) -> None:
    """Qwen2.5-VL's configuration has to be flat, as on the hub: of a nested one, Ollama reads no layers, in silence."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if config.get("model_type") == "qwen2_5_vl" and "num_hidden_layers" not in config:
        raise ModelUnsuitable(
            f"{folder / 'config.json'} is in the form that transformers 5 writes, of which Ollama would read no "
            "layers: merge with the base model as it is on the hub."
        )
