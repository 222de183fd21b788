"""`medical caption` against the protocol server: what is asked, what becomes of it in the dataset, going on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rag_app.captioning.prompts import caption_prompt
from rag_app.medical.preparing import Options, prepare
from rag_app.medical.records import Dataset
from tests import caption_replies as replies
from tests.commands import CommandLine
from tests.ollama_server import Model, OllamaServer
from tests.xrays import drawn


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("medical")
    for i, (label, image) in enumerate(drawn(16, seed=11)):
        folder = root / "scans" / ("normal" if label == "normal" else "abnormal")
        folder.mkdir(parents=True, exist_ok=True)
        image.save(folder / f"{i}.png")
    prepare(root / "scans", root / "dataset", Options())
    return root / "dataset"


def test_descriptions_take_the_place_of_labels(
    prepared: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    before = Dataset.read(prepared)
    asked: list[str] = []

    def say(body: dict[str, Any], images: list[bytes]) -> str:  # Any: JSON
        prompt = body["messages"][-1]["content"]
        asked.append(prompt)
        if len(asked) == 1:  # whichever image comes first gets no caption that passes
            refusing.append(images[0])
        if images[0] in refusing:
            return replies.reply(replies.REFUSAL)
        return replies.reply(replies.PERSIAN if "فارسی" in prompt else replies.ENGLISH)

    refusing: list[bytes] = []
    rag_app = CommandLine(capfd)
    with OllamaServer(models=[Model("goodvlm:7b", {"completion", "vision"}, replies=say)]) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        done = rag_app.json("medical", "caption", prepared, "--vision", "goodvlm:7b", "--languages", "en", code=1)
        assert done["models"][0]["done"] == 15 and len(done["models"][0]["failures"]) == 1
        assert "Not for the diagnosis" in done["disclaimer"]
        assert asked[1].startswith(caption_prompt("en", "radiology")) and "MRI" in asked[1]
        first = Dataset.read(prepared)
        assert first.digest == first.about["digest"] != before.digest
        assert sorted(e.caption_by for e in first.examples) == sorted(["label", *["ollama:goodvlm:7b"] * 15])
        for example in first.examples:
            captions = [t.answer for t in example.turns if t.kind == "caption" and t.language == "en"]
            assert captions == [example.captions["en"]]
            assert (example.caption_by == "label") == (example.captions["en"] != replies.ENGLISH[1])
            assert [t for t in example.turns if t.kind != "caption"] == [
                t for t in _same(before, example.id).turns if t.kind != "caption"
            ]
        refusing.clear()
        asked[:] = ["again"]
        again = rag_app.json("medical", "caption", prepared, "--vision", "goodvlm:7b")
        assert again["models"][0]["done"] == 17 and again["models"][0]["unchanged"] == 15
    both = Dataset.read(prepared)
    assert {e.captions["fa"] for e in both.examples} == {replies.PERSIAN[1]}
    assert {e.captions["en"] for e in both.examples} == {replies.ENGLISH[1]}
    assert replies.ENGLISH[1][:40] in (prepared / "card.html").read_text(encoding="utf-8")


def _same(dataset: Dataset, example_id: str) -> Any:  # Any: an Example
    return next(example for example in dataset.examples if example.id == example_id)


def test_without_a_model(prepared: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    done = CommandLine(capfd)("medical", "caption", prepared, "--library", tmp_path)
    assert done.returncode == 2 and "--vision" in done.stderr
