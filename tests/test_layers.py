"""Imports go down only, heavy libraries stay in their leaves, and the packages are ours alone."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag_app import doctor

ROOT = Path(__file__).parent.parent
PACKAGES = ("rag_app", "ingestion", "adapters", "eval")
# Top-level module -> the folders whose modules may import it.
LEAVES = {
    "pymupdf": ("ingestion", "eval/parsers"),
    "pymupdf4llm": ("ingestion", "eval/parsers"),
    "ray": ("rag_app/cluster",),
    "faiss": ("rag_app/vectors",),
    "pyarrow": ("rag_app/exchange/parquet",),
    "pymilvus": ("rag_app/vectors/milvus",),
    "milvus_lite": ("rag_app/vectors/milvus",),
    "grpc": ("rag_app/vectors/milvus",),
    "tokenizers": ("adapters/builtin",),
    "onnx": ("adapters/builtin",),
    "onnxruntime": ("adapters/builtin", "adapters/open_clip", "ingestion"),
    "cv2": ("adapters/builtin",),
    "prompt_toolkit": ("rag_app/repl",),
    "starlette": ("rag_app/serve",),
    "uvicorn": ("rag_app/serve",),
    "httpx": ("adapters/ollama", "adapters/openai_compatible", "adapters/streamed"),
    "torch": ("adapters",),
    "transformers": ("adapters",),
    "open_clip": ("adapters",),
    "peft": ("adapters",),
    "bitsandbytes": ("adapters",),
    "llguidance": ("adapters/huggingface",),
    "ollama": ("adapters/ollama",),
    "matplotlib": ("rag_app/render/plots", "rag_app/render/formula_pictures"),
    "sacrebleu": ("eval/metrics",),
    "rouge_score": ("eval/metrics",),
    "apted": ("eval/metrics",),
    "ragas": ("eval/judging",),
    "instructor": ("eval/judging",),
    "openai": ("eval/judging",),
    "langchain_core": ("eval/judging",),
    "langchain_community": ("eval/judging",),
    "langchain_openai": ("eval/judging",),
    "sklearn": ("eval/medical/baselines",),
}


def modules() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def test_imports_go_down_only() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", list(modules()), ids=lambda path: str(path.relative_to(ROOT)))
def test_heavy_libraries_stay_in_their_leaves(path: Path) -> None:
    place = path.relative_to(ROOT).as_posix()
    for library in imported(path) & set(LEAVES):
        assert place.startswith(LEAVES[library]), f"{place} imports {library}; only {LEAVES[library]} may"


def test_ingestion_knows_no_adapters() -> None:
    for path in (ROOT / "ingestion").rglob("*.py"):
        assert "adapters" not in imported(path), path


def test_our_packages_are_ours() -> None:
    assert [check.state for check in doctor.check_foreign_packages()] == ["ok"]


def test_a_foreign_adapters_package_is_found(tmp_path: Path) -> None:
    """The PyPI package `adapters` installed beside ours: doctor says so, by its name."""
    foreign = tmp_path / "site"
    with zipfile.ZipFile(tmp_path / "foreign.whl", "w") as wheel:
        wheel.writestr("adapters/__init__.py", "")
        wheel.writestr(
            "adapters_stranger-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: adapters-stranger\nVersion: 1.0\n"
        )
        wheel.writestr("adapters_stranger-1.0.dist-info/top_level.txt", "adapters\n")
        wheel.writestr("adapters_stranger-1.0.dist-info/RECORD", "adapters/__init__.py,,\n")
    with zipfile.ZipFile(tmp_path / "foreign.whl") as wheel:
        wheel.extractall(foreign)
    probe = (
        "import sys; sys.path.append(sys.argv[1]); from rag_app.doctor import check_foreign_packages as check\n"
        "print('\\n'.join(f'{c.state} {c.message} {c.mend}' for c in check()))"
    )
    said = run(probe, str(foreign))
    assert "broken the top-level package 'adapters' also comes from adapters-stranger" in said
    assert "pip uninstall adapters-stranger" in said


def test_a_package_that_shadows_ours_is_found(tmp_path: Path) -> None:
    (tmp_path / "eval").mkdir()
    (tmp_path / "eval" / "__init__.py").write_text("", encoding="utf-8")
    probe = (
        "import sys; sys.path.insert(0, sys.argv[1]); from rag_app.doctor import check_foreign_packages as check\n"
        "print('\\n'.join(f'{c.state} {c.message}' for c in check()))"
    )
    assert f"broken 'eval' is loaded from {tmp_path}" in run(probe, str(tmp_path))


def run(program: str, *arguments: str) -> str:
    environ = {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environ,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
