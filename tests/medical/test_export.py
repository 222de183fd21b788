"""A tuned model is merged into a folder with the base's own files, and what Ollama makes of it is looked at."""

# torch, transformers and peft come with the medical extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.huggingface.loading import load_parts
from adapters.huggingface.pixels import Budget, budget
from adapters.training.supervised.collating import Collator
from adapters.training.supervised.options import Options
from rag_app.errors import ModelUnsuitable, UsageError
from rag_app.medical.exporting import export, shown_otherwise
from rag_app.medical.records import Dataset
from rag_app.medical.training import items, train
from tests.commands import CommandLine
from tests.medical.models import MADE
from tests.medical.tuning import written
from tests.ollama_server import Model, OllamaServer

QUICK = Options(rank=4, batch=4, accumulate=1, steps=4, learning_rate=1e-2, dropout=0.0)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return written(tmp_path_factory.mktemp("export") / "data", {"train": 8, "validation": 4, "test": 12}, seed=3)


@pytest.fixture(scope="module")
def tuned(
    made: dict[str, Path], data: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[Path, Path]]:
    """(base, adapter) of an architecture."""
    root = tmp_path_factory.mktemp("tuned")

    def give(name: str) -> tuple[Path, Path]:
        if not (root / name).exists():
            kinds, languages = ("anomaly", "diagnosis"), ("en",)
            train(str(made[name]), data, root / name, options=QUICK, kinds=kinds, languages=languages, device="cpu")
        return made[name], root / name

    return give


@pytest.mark.parametrize("name", MADE)
def test_merged_and_adapter_agree(
    tuned: Callable[[str], tuple[Path, Path]], data: Dataset, name: str, tmp_path: Path
) -> None:
    import torch

    base, adapter = tuned(name)
    export(f"hf:{base}+{adapter}", tmp_path / "merged")
    with_adapter = load_parts(str(base), adapter=adapter, device="cpu")
    merged = load_parts(str(tmp_path / "merged"), device="cpu")
    batch = Collator(with_adapter.processor, name)(items(data, "test")[:4])
    with torch.inference_mode():
        expected, plain, found = (
            model(**batch).logits
            for model in (with_adapter.model, load_parts(str(base), device="cpu").model, merged.model)
        )
    assert torch.allclose(found, expected, atol=1e-4)
    assert not torch.allclose(found, plain, atol=1e-3)


def test_all_but_the_weights_is_the_bases_own(tuned: Callable[[str], tuple[Path, Path]], tmp_path: Path) -> None:
    base, adapter = tuned("qwen2_5_vl")
    out = export(f"hf:{base}+{adapter}", tmp_path / "merged")
    for name in ("config.json", "tokenizer.json", "processor_config.json", "chat_template.jinja"):
        assert (out / name).read_bytes() == (base / name).read_bytes()
    assert not list(out.glob("adapter*"))
    assert (out / "Modelfile").read_text(encoding="utf-8").startswith("FROM .")


@pytest.mark.parametrize("form", ["as transformers 5 saves it", "as on the hub", "both"])
def test_the_merged_model_sees_pictures_at_the_size_they_were_learned(
    made: dict[str, Path], data: Dataset, tmp_path: Path, form: str
) -> None:
    import torch

    base, adapter = shutil.copytree(made["qwen2_5_vl"], tmp_path / "base"), tmp_path / "adapter"
    whole = json.loads((base / "processor_config.json").read_text(encoding="utf-8"))
    if form != "as transformers 5 saves it":
        hub = {key: value for key, value in whole["image_processor"].items() if key != "size"}
        hub |= {"min_pixels": 3136, "max_pixels": 12544, "processor_class": "Qwen2_5_VLProcessor"}
        (base / "preprocessor_config.json").write_text(json.dumps(hub))
    if form == "as on the hub":
        (base / "processor_config.json").unlink()
    options = dataclasses.replace(QUICK, min_pixels=168 * 168, max_pixels=200 * 200)
    train(str(base), data, adapter, options=options, kinds=("diagnosis",), languages=("en",), device="cpu")
    out = export(f"hf:{base}+{adapter}", tmp_path / "merged")
    tuned, merged = load_parts(str(base), adapter=adapter, device="cpu"), load_parts(str(out), device="cpu")
    assert budget(tuned.processor) == budget(merged.processor) == Budget(168 * 168, 200 * 200)
    rows = items(data, "test")[:2]
    one, other = Collator(tuned.processor, "tuned")(rows), Collator(merged.processor, "merged")(rows)
    assert one["pixel_values"].shape[0] == 2 * 4 * 6 * 6
    assert torch.equal(one["pixel_values"], other["pixel_values"])
    with torch.inference_mode():
        assert torch.allclose(tuned.model(**one).logits, merged.model(**other).logits, atol=1e-4)
    for file in base.glob("*.json"):  # nothing else of the base's own files is changed
        before, after = (json.loads((folder / file.name).read_text(encoding="utf-8")) for folder in (base, out))
        for raw in (before, after):
            pictures = raw.get("image_processor", raw)
            for key in ("size", "min_pixels", "max_pixels"):
                pictures.pop(key, None)
        assert before == after, file.name
    assert shown_otherwise(out) == (Budget(168 * 168, 200 * 200), Budget(1024 * 784, 4096 * 784))


def test_what_cannot_be_merged(tuned: Callable[[str], tuple[Path, Path]], tmp_path: Path) -> None:
    base, adapter = tuned("qwen2_5_vl")
    with pytest.raises(UsageError, match="no adapter to merge"):
        export(f"hf:{base}", tmp_path / "out")
    with pytest.raises(ModelUnsuitable, match="leave out #4bit"):
        export(f"hf:{base}#4bit+{adapter}", tmp_path / "out")
    with pytest.raises(UsageError, match="Only models of transformers"):
        export("ollama:gemma3:4b", tmp_path / "out")
    with pytest.raises(UsageError, match="holds something already"):
        export(f"hf:{base}+{adapter}", adapter)
    other, _ = tuned("smolvlm")
    with pytest.raises(ModelUnsuitable, match="was trained on"):
        export(f"hf:{other}+{adapter}", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def a_program(folder: Path, *, fails: bool = False) -> Path:
    """A program `ollama` that notes how it was called, or fails as the real one does."""
    folder.mkdir()
    program = folder / "ollama"
    ends = "print('Error: unsupported architecture', file=sys.stderr); sys.exit(1)" if fails else ""
    program.write_text(
        f"#!{sys.executable}\nimport json, os, sys\n"
        f"json.dump([sys.argv[1:], os.environ['OLLAMA_HOST']], open({str(folder / 'called.json')!r}, 'w'))\n{ends}\n"
    )
    program.chmod(0o755)
    return folder


@pytest.fixture
def rag_app(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.setenv("RAG_APP_LIBRARY", str(tmp_path / "library"))
    return CommandLine(capfd)


@pytest.mark.parametrize("sees", [True, False])
def test_a_model_of_ollama_is_looked_at(
    tuned: Callable[[str], tuple[Path, Path]],
    data: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rag_app: CommandLine,
    *,
    sees: bool,
) -> None:
    base, adapter = tuned("smolvlm")
    program = a_program(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{program}{os.pathsep}{os.environ['PATH']}")
    blind = None if sees else lambda body, images: "normal"
    with OllamaServer(models=[Model("mine", {"completion", "vision"}, replies=blind)]) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        out = tmp_path / "merged"
        words = ("--out", out, "--ollama", "mine", "--data", data.folder)
        told = rag_app.json("medical", "export", f"hf:{base}+{adapter}", *words, code=0 if sees else 1)
        called, host = json.loads((program / "called.json").read_text())
        assert called == ["create", "mine", "-f", str(out / "Modelfile")]
        assert host == server.url
    assert told["sight"]["sees"] is sees


def test_it_is_said_that_ollama_shows_pictures_at_another_size(
    tuned: Callable[[str], tuple[Path, Path]],
    data: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rag_app: CommandLine,
) -> None:
    made, adapter = tuned("qwen2_5_vl")
    base = shutil.copytree(made, tmp_path / "base")
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    (base / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 2}))  # as flat as on the hub
    monkeypatch.setenv("PATH", f"{a_program(tmp_path / 'bin')}{os.pathsep}{os.environ['PATH']}")
    with OllamaServer(models=[Model("mine", {"completion", "vision"})]) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        words = ("--out", tmp_path / "merged", "--ollama", "mine", "--data", data.folder)
        done = rag_app("medical", "export", f"hf:{base}+{adapter}", *words)
    assert "tuned on pictures of 3,136 to 12,544 pixels; Ollama shows it 802,816 to 3,211,264" in done.stdout
    assert "--min-pixels 802816 --max-pixels 3211264" in done.stdout


def test_what_ollama_will_not_make(
    tuned: Callable[[str], tuple[Path, Path]],
    data: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rag_app: CommandLine,
) -> None:
    base, adapter = tuned("smolvlm")
    more = ("--ollama", "mine", "--data", data.folder)
    failing = a_program(tmp_path / "failing", fails=True)
    monkeypatch.setenv("PATH", str(failing))
    done = rag_app("medical", "export", f"hf:{base}+{adapter}", "--out", tmp_path / "one", *more)
    assert done.returncode == 1
    assert "unsupported architecture" in done.stderr
    monkeypatch.setenv("PATH", str(tmp_path))
    done = rag_app("medical", "export", f"hf:{base}+{adapter}", "--out", tmp_path / "two", *more)
    assert "There is no program ollama here" in done.stderr
    nested, tuned_nested = tuned("qwen2_5_vl")  # as transformers 5 writes it, not as on the hub
    done = rag_app("medical", "export", f"hf:{nested}+{tuned_nested}", "--out", tmp_path / "three", *more)
    assert "Ollama would read no layers" in done.stderr
    done = rag_app("medical", "export", f"hf:{base}+{adapter}", "--out", tmp_path / "four", "--ollama", "mine")
    assert "--ollama needs --data" in done.stderr
