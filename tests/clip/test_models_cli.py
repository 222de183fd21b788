"""`rag-app models` with CLIP models: shown, listed, and fine-tuned on a file's pairs or the library's own figures."""

# torch, open_clip and peft come with the clip and lora extras only.
# pyright: reportMissingImports=false

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rag_app.store import Store
from tests.clip.models import MADE
from tests.clip.shapes import CLASSES, ENGLISH, Trained, train, write_drawings
from tests.commands import CommandLine
from tests.storing import SPACE, node, paper, vectors

NOT_HERE = "openclip:ViT-B-32/laion2b_s34b_b79k"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A model that has learned a little: enough for a report to have numbers."""
    return train(tmp_path_factory.mktemp("trained") / "tiny-clip", steps=20, each=4)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """72 drawings in 12 papers, and one picture that is broken."""
    folder = tmp_path_factory.mktemp("pairs")
    files, classes = write_drawings(folder / "images", each=2, seed=7)
    lines = [
        {"image": str(file.relative_to(folder)), "captions": [ENGLISH[number]], "group": f"paper-{i % 12}"}
        for i, (file, number) in enumerate(zip(files, classes, strict=True))
    ]
    assert len(lines) == 2 * len(CLASSES)
    (folder / "images" / "broken.png").write_bytes(b"no picture")
    lines.append({"image": "images/broken.png", "captions": ["A red circle."], "group": "paper-3"})
    text = "\n".join(json.dumps(line) for line in lines)
    (folder / "pairs.jsonl").write_text(text, encoding="utf-8")
    return folder / "pairs.jsonl"


@pytest.fixture
def rag_app(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.setenv("RAG_APP_LIBRARY", str(tmp_path / "library"))
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:1")
    return CommandLine(capfd)


def test_tuning_reports_before_and_after(rag_app: CommandLine, trained: Trained, pairs: Path, tmp_path: Path) -> None:
    out = tmp_path / "adapter"
    words = ("models", "tune", f"openclip:{trained.folder}", "--pairs", pairs, "--out", out, "--epochs", 2, "--rank", 2)
    result = rag_app(*words, "--learning-rate", 0.004)
    assert result.returncode == 0, result.stderr
    assert "73 pairs in 12 groups" in result.stderr and "epoch 2: training loss" in result.stderr
    for words_shown in ("before", "after", "text to image, recall@1", "image to text, recall@5", "1 picture left out"):
        assert words_shown in result.stdout, words_shown
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert sum(report["groups"].values()) == 12 and (out / "adapter_model.safetensors").is_file()

    again = rag_app(*words)
    assert again.returncode == 2 and "holds an adapter already" in again.stderr


def test_tuning_as_json_goes_on_where_it_stopped(
    rag_app: CommandLine, trained: Trained, pairs: Path, tmp_path: Path
) -> None:
    words = ("models", "tune", f"openclip:{trained.folder}", "--pairs", pairs, "--out", tmp_path / "a", "--epochs", 1)
    nothing = rag_app(*words, "--resume")
    assert nothing.returncode == 2 and "no unfinished training" in nothing.stderr
    report = rag_app.json(*words)
    assert {"before", "after", "best_epoch", "history", "pairs", "pairs_digest", "versions"} <= set(report)
    assert report["options"]["epochs"] == 1 and len(report["history"]) == 2


def test_tuning_on_the_library_is_split_by_paper(rag_app: CommandLine, trained: Trained, tmp_path: Path) -> None:
    files, classes = write_drawings(tmp_path / "library" / "crops", each=2, seed=3)
    drawn = list(zip(files, classes, strict=True))
    with Store.open(tmp_path / "library") as store:
        for number in range(6):  # papers of six figures
            figures = [
                node(f"{number}", i, "", kind="figure", caption=f"Figure {i + 1}: {ENGLISH[name]}", image=file.name)
                for i, (file, name) in enumerate(drawn[number * 6 : number * 6 + 6])
            ]
            store.commit(paper(f"{number}", f"{number}.pdf"), figures, {SPACE: vectors(f"{number}", len(figures))})
    words = ("models", "tune", f"openclip:{trained.folder}", "--from-library", "--out", tmp_path / "out", "--epochs", 1)
    report = rag_app.json(*words)
    assert sum(report["groups"].values()) == 6 and sum(report["pairs"].values()) == 36
    assert not report["problems"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("openclip:x/y", "--out", "a"), "--pairs FILE.jsonl or --from-library"),
        (("gemma3:4b", "--from-library", "--out", "a"), "Only CLIP models"),
        ((NOT_HERE, "--from-library", "--out", "a"), "no library"),
    ],
)
def test_wrong_use_is_one_sentence(rag_app: CommandLine, words: tuple[str, ...], said: str) -> None:
    result = rag_app("models", "tune", *words)
    assert result.returncode in (1, 2) and said in result.stderr.replace("There is no", "no"), result.stderr
    assert result.stderr.count("Error:") == 1 and "Traceback" not in result.stderr


def test_a_model_is_shown_and_listed(rag_app: CommandLine, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "vit"
    next(iter(MADE.values()))(folder)
    caplog.clear()
    (tmp_path / "library").mkdir()
    settings = tmp_path / "library" / "settings.toml"
    settings.write_text(f'[models]\nimage_embedding = "openclip:{folder}"\n', encoding="utf-8")
    shown = rag_app.json("models", "show", f"openclip:{folder}")
    assert shown["name"] == f"openclip:{folder}" and shown["embedding_length"] > 0 and Path(shown["weights"]).is_file()
    roles = {role["role"]: role for role in rag_app.json("models", "list")["roles"]}
    assert roles["image_embedding"]["available"] and shown["weights"] in roles["image_embedding"]["note"]

    settings.write_text(f'[models]\nimage_embedding = "{NOT_HERE}"\n', encoding="utf-8")
    result = rag_app("models", "list")
    assert result.returncode == 0 and "605 MB" in result.stdout and f"rag-app models pull {NOT_HERE}" in result.stdout
    assert not caplog.records  # open_clip's own warning of random weights would frighten
