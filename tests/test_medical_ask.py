"""`medical ask` without torch: an Ollama model on a real socket, a scripted model that weighs, and the mathematics."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from adapters.pictures import open_picture
from rag_app import Library
from rag_app.errors import InputError, UnusableReply, UsageError
from rag_app.medical import DISCLAIMER, Assistant
from rag_app.medical.calibration import Calibration, fit, fitted_temperature, nll, probabilities
from rag_app.medical.choices import Choices
from rag_app.medical.records import Dataset, Example, Turn
from rag_app.render.medical_answer import answer_text
from rag_app.render.terminal import Screen
from rag_app.settings import Ollama, Settings
from tests.caption_models import ScriptedModel
from tests.commands import CommandLine
from tests.ollama_server import Model, OllamaServer

LABELS = ("normal", "nodule", "effusion")
SAID = "The scan shows a small nodule in the left lung."


class Weigher(ScriptedModel):
    """A scripted model that says how likely answers are: by the grey of the picture's first pixel."""

    def weigh(
        self,
        images: Sequence[Path | bytes],
        question: str,
        answers: Sequence[str],
        *,
        on_done: Callable[[int], None] | None = None,
    ) -> np.ndarray:
        self.weighed = (question, tuple(answers))
        rows = []
        for image in images:
            grey = np.asarray(open_picture(image).convert("L"), float)[0, 0]
            rows.append([-abs(grey - 100 * place) / 10 for place in range(len(answers))])
        return np.array(rows)


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    path = tmp_path / "scan.png"
    Image.new("L", (64, 64), 110).save(path)
    return path


def says(body: dict[str, Any], images: list[bytes]) -> str:  # Any: JSON
    """Percent for each property of the schema, or a sentence."""
    assert images, "the model is shown no picture"
    wanted = body.get("format")
    if not wanted:
        return SAID
    shares = [10, 60, 30]
    return json.dumps(dict(zip(wanted["properties"], shares, strict=True)), ensure_ascii=False)


@pytest.fixture
def server() -> Any:  # Any: a generator of OllamaServer
    seeing = Model("scans", capabilities={"completion", "vision"}, replies=says)
    with OllamaServer([seeing]) as running:
        yield running


def opened(server: OllamaServer, **more: Any) -> Assistant:  # Any: Assistant.open's arguments
    return Assistant.open("ollama:scans", settings=Settings(ollama=Ollama(host=server.url)), **more)


def dataset(folder: Path, greys: dict[str, list[int]], *, split: str = "validation") -> Dataset:
    """A dataset of plain grey squares."""
    (folder / "images").mkdir(parents=True)
    examples = []
    for label, values in greys.items():
        for value in values:
            name = f"{label}-{value}.png"
            Image.new("L", (32, 32), value).save(folder / "images" / name)
            turns = (
                Turn("Which one is it?", label.upper(), "diagnosis", "en"),
                Turn("کدام است؟", f"یافتهٔ {label}", "diagnosis", "fa"),
            )
            one = Example(name, name, label, label != "normal", split, name, None, {}, "label", turns)  # pyright: ignore[reportArgumentType]  # split is one of them
            examples.append(json.dumps(one.to_dict(), ensure_ascii=False))
    (folder / "examples.jsonl").write_text("\n".join(examples), encoding="utf-8")
    about = {"format": 1, "labels": list(greys), "normal": "normal"}
    (folder / "dataset.json").write_text(json.dumps(about), encoding="utf-8")
    return Dataset.read(folder)


def test_an_ollama_model_answers_with_numbers_of_its_own(server: OllamaServer, scan: Path) -> None:
    answer = opened(server, labels=LABELS).ask(scan, "What is the diagnosis?")
    assert answer.text == SAID
    assert [label for label, _ in answer.differential] == ["nodule", "effusion", "normal"]
    assert [share for _, share in answer.differential] == pytest.approx([0.6, 0.3, 0.1])
    assert answer.by == "reply" and not answer.calibrated and not answer.abstained
    assert answer.disclaimer == DISCLAIMER["en"]
    json.dumps(answer.to_dict())


def test_it_abstains_below_the_bar_and_keeps_what_was_said(server: OllamaServer, scan: Path) -> None:
    answer = opened(server, labels=LABELS, bar=0.7).ask(scan, "What is the diagnosis?")
    assert answer.abstained and answer.said == SAID
    assert SAID not in answer.text and "60 %" in answer.text and "70 %" in answer.text
    assert not opened(server, labels=LABELS, bar=0.6).ask(scan, "What is the diagnosis?").abstained


def test_persian_is_asked_for_where_the_question_is_not(server: OllamaServer, scan: Path) -> None:
    assistant = opened(server, labels=LABELS, bar=0.9)
    answer = assistant.ask(scan, "تشخیص چیست؟", "fa")
    assert answer.disclaimer == DISCLAIMER["fa"]
    assert "۶۰٪" in answer.text and answer.abstained
    asked = server.requests[-2:]
    assert "طبیعی" in asked[0].prompt and "ندول" in asked[0].prompt, "the choices are in Persian"
    assert "به فارسی پاسخ دهید" not in asked[1].prompt, "the question itself is"
    assert answer.names == {"normal": "طبیعی", "nodule": "ندول", "effusion": "آب‌آوردگی جنب"}
    assistant.ask(scan, "What is the diagnosis?", "fa")
    assert "به فارسی پاسخ دهید" in server.requests[-1].prompt


def test_labels_are_named_in_a_file_and_no_name_is_made_up(server: OllamaServer, scan: Path, tmp_path: Path) -> None:
    file = tmp_path / "labels.toml"
    file.write_text('[normal]\n["ground_glass"]\n[crazy_paving]\nen = "crazy paving sign"\nfa = "سنگ‌فرش نامنظم"\n')
    assistant = opened(server, labels=file)
    answer = assistant.ask(scan, "تشخیص چیست؟", "fa")
    assert [label for label, _ in answer.differential] == ["ground_glass", "crazy_paving", "normal"]
    assert answer.names == {"normal": "طبیعی", "ground_glass": "ground glass", "crazy_paving": "سنگ‌فرش نامنظم"}
    assert "سنگ‌فرش نامنظم" in server.requests[-2].prompt, "it is asked by that name, too"
    assert assistant.ask(scan, "What is it?").names["crazy_paving"] == "crazy paving sign"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("normal = 3", "names of 'normal' are 3"),
        ('[normal]\nde = "gesund"', "names in en and fa"),
        ('[normal]\nfa = " "', "names in en and fa"),
        ("[normal", "cannot be read as a file of labels"),
        (None, "cannot be read as a file of labels"),
    ],
)
def test_a_file_of_labels_that_is_none_is_one_sentence(tmp_path: Path, text: str | None, words: str) -> None:
    if text is not None:
        (tmp_path / "labels.toml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=words):
        Assistant.open("ollama:scans", labels=tmp_path / "labels.toml")


def test_a_dataset_says_what_its_labels_are_called(tmp_path: Path, scan: Path) -> None:
    data = dataset(tmp_path / "data", {"normal": [0], "nodule": [100]})
    before = Assistant(Weigher(), choices=Choices.of_dataset(data)).ask(scan, "کدام است؟", "fa")
    assert before.names == {"normal": "یافتهٔ normal", "nodule": "یافتهٔ nodule"}, "the dataset's own answers"
    about = json.loads((data.folder / "dataset.json").read_text(encoding="utf-8"))
    about["names"] = {"normal": {"fa": "طبیعی"}, "nodule": {"en": "nodule"}}
    (data.folder / "dataset.json").write_text(json.dumps(about), encoding="utf-8")
    changed = Dataset.read(data.folder)
    after = Assistant(Weigher(), choices=Choices.of_dataset(changed)).ask(scan, "کدام است؟", "fa")
    assert after.names == {"normal": "طبیعی", "nodule": "یافتهٔ nodule"}
    assert (after.differential, changed.digest) == (before.differential, data.digest), "nothing else changes"
    for names in (["طبیعی"], {"normal": "طبیعی"}, {"normal": {"de": "gesund"}}):
        (data.folder / "dataset.json").write_text(json.dumps(about | {"names": names}), encoding="utf-8")
        with pytest.raises(InputError, match="names in en and fa"):
            Dataset.read(data.folder)


def test_a_persian_differential_is_shown_in_persian(server: OllamaServer, scan: Path) -> None:
    labels = ["normal", "ground_glass", "effusion"]
    answer = opened(server, labels=labels).ask(scan, "تشخیص چیست؟", "fa")
    piped = answer_text(answer, Screen(width=80), library=scan.parent).splitlines()
    rows = [line for line in piped if "█" in line]
    assert rows[1].startswith("  آب‌آوردگی جنب  ") and rows[2].startswith("  طبیعی  ")
    assert "۳۰٫۰٪" in rows[1] and rows[0].startswith("\u061c  ground glass"), "in the direction of the others"
    assert "Ollama نمی‌گوید" in piped[-1]
    seen = answer_text(answer, Screen(width=80, reorder=True), library=scan.parent).splitlines()
    drawn = [line for line in seen if "█" in line]
    assert all(Screen.columns(line) == 80 for line in drawn), "they stand at the right edge"
    assert drawn[0].endswith("ground glass  ") and drawn[0].index("█") < drawn[0].index("٪۶۰٫۰")


def test_what_the_library_holds_is_cited_apart(server: OllamaServer, scan: Path, sample_library: Path) -> None:
    with Library.open(sample_library) as library:
        answer = opened(server, library=library).ask(scan, "Which learning rate was used?")
        unknown = opened(server, library=library, labels=LABELS).ask(scan, "What is the diagnosis?")
    assert answer.text.startswith(f"{SAID}\n\nFrom the library:\n") and "[1]" in answer.text
    assert answer.citations and answer.citations[0].page >= 1
    assert unknown.text == SAID and not unknown.citations, "the sample papers say nothing of nodules"


def test_a_reply_that_is_no_probability_is_refused(scan: Path) -> None:
    for text in ('{"normal": 1}', "[]", '{"normal": -5, "nodule": 1, "effusion": 1}', '{"normal": "x"'):
        model = ScriptedModel(write=lambda _, text=text: text)
        with pytest.raises(UnusableReply):
            Assistant(model, choices=Choices.of_labels(LABELS)).differential([scan])


def test_probabilities_add_up_and_come_in_the_order_asked_for(scan: Path) -> None:
    assistant = Assistant(Weigher(), choices=Choices.of_labels(LABELS))
    found = assistant.differential([scan, scan])
    assert found.shape == (2, 3) and found.sum(axis=1) == pytest.approx(1)
    assert found[0] == pytest.approx(np.exp([-11, -1, -9]) / np.exp([-11, -1, -9]).sum())
    turned = assistant.differential([scan], ["effusion", "normal", "nodule"])
    assert turned[0] == pytest.approx(found[0][[2, 0, 1]])
    other = assistant.differential([scan], ["stroke", "tumor"])
    assert other.shape == (1, 2)


def test_a_dataset_is_asked_about_in_its_own_words(tmp_path: Path, scan: Path) -> None:
    data = dataset(tmp_path / "data", {"normal": [0], "nodule": [100]})
    model = Weigher()
    assistant = Assistant(model, choices=Choices.of_dataset(data))
    assistant.differential([scan], ["normal", "nodule"])
    assert model.weighed == ("Which one is it?", ("NORMAL", "NODULE"))
    assistant.differential([scan], language="fa")
    assert model.weighed == ("کدام است؟", ("یافتهٔ normal", "یافتهٔ nodule"))


def test_calibrating_on_a_split_is_kept_and_used(tmp_path: Path, scan: Path) -> None:
    greys = {"normal": [0, 10, 20, 70, 90], "nodule": [100, 110, 130, 20, 180]}
    data = dataset(tmp_path / "data", greys)
    assistant = Assistant(Weigher())
    raw = Assistant(Weigher(), choices=Choices.of_dataset(data)).differential([scan])
    fitted = assistant.calibrate(data)
    assert fitted.temperature > 1 and fitted.nll_after < fitted.nll_before, "four of ten are wrong: it was too sure"
    fitted.save(tmp_path / "calibration.json")
    assert Calibration.load(tmp_path / "calibration.json") == fitted
    scaled = assistant.differential([scan])
    assert 0.5 < scaled.max() < raw.max()
    assert assistant.differential([scan], language="fa").max() == pytest.approx(raw.max()), "fitted in English"
    assert assistant.ask(scan, "What is the diagnosis?").calibrated
    with pytest.raises(UsageError, match="too sure"):
        assistant.calibrate(data, split="train")
    with pytest.raises(InputError, match="The test part of"):
        assistant.calibrate(data, split="test")


def test_a_calibration_for_other_diagnoses_is_refused(tmp_path: Path) -> None:
    scaling = fit(np.zeros((2, 2)), ["a", "b"], ["a", "b"], language="en", model="m", data="d")
    with pytest.raises(UsageError, match="is for a, b, not for normal, nodule, effusion"):
        Assistant(ScriptedModel(), choices=Choices.of_labels(LABELS), scaling=scaling)
    (tmp_path / "broken.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="is no calibration"):
        Calibration.load(tmp_path / "broken.json")


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5, 8.0])
def test_the_temperature_that_made_the_labels_is_found(temperature: float) -> None:
    rng = np.random.default_rng(3)
    scores = rng.normal(0, 4, (20000, 4))
    shares = probabilities(scores, temperature)
    truth = (shares.cumsum(axis=1) < rng.random((20000, 1))).sum(axis=1)
    found = fitted_temperature(scores, truth)
    assert found == pytest.approx(temperature, rel=0.06)
    grid = np.exp(np.linspace(np.log(0.05), np.log(20), 400))
    assert nll(scores, truth, found) <= min(nll(scores, truth, one) for one in grid) + 1e-12


def test_scores_of_any_size_become_probabilities() -> None:
    assert probabilities(np.array([[-5000.0, -5001.0]]))[0] == pytest.approx([0.7310586, 0.2689414])
    assert nll(np.array([[-5000.0, -5001.0]]), np.array([0])) == pytest.approx(0.3132617)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Assistant.open("builtin"), "do not see"),
        (lambda: Assistant(ScriptedModel(), bar=0.5), "needs diagnoses"),
        (lambda: Assistant(ScriptedModel(), choices=Choices.of_labels(LABELS), bar=7), "The bar is 7"),
        (lambda: Choices.of_labels(["one"]), "two different labels"),
        (lambda: Choices.of_labels(["one", "one"]), "two different labels"),
        (lambda: Assistant(ScriptedModel()).ask(b"", " "), "question is empty"),
        (lambda: Assistant(ScriptedModel()).ask(b"", "What?", "de"), "not in 'de'"),
        (lambda: Assistant(ScriptedModel()).differential([b""]), "needs diagnoses"),
    ],
)
def test_wrong_use_is_one_sentence(make: Callable[[], object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        make()


def test_the_command_shows_the_disclaimer_first(
    server: OllamaServer, scan: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", server.url)
    run = CommandLine(capfd)
    words = ("medical", "ask", scan, "What is the diagnosis?", "--model", "scans", "--library", tmp_path / "none")
    shown = run(*words, "--labels", "normal, nodule,effusion")
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert lines[0] == DISCLAIMER["en"] and SAID in lines
    assert "  nodule     60.0 %  ██████████████████" in lines
    assert "Ollama does not tell" in shown.stdout
    document = run.json(*words, "--labels", "normal,nodule,effusion", "--bar", "0.7")
    assert document["abstained"] and document["disclaimer"] == DISCLAIMER["en"] and document["by"] == "reply"
    assert run(*words, "--bar", "0.7").returncode == 2


def test_the_command_calibrates_an_ollama_model_into_a_file(
    server: OllamaServer, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", server.url)
    dataset(tmp_path / "data", {"normal": [1, 2], "nodule": [3, 4], "effusion": [5, 6]})
    run = CommandLine(capfd)
    words = ("medical", "calibrate", "ollama:scans", "--data", tmp_path / "data")
    refused = run(*words)
    assert refused.returncode == 2 and "--out FILE" in refused.stderr
    document = run.json(*words, "--out", tmp_path / "c.json")
    assert document["images"] == 6 and document["disclaimer"] == DISCLAIMER["en"]
    assert Calibration.load(tmp_path / "c.json").labels == LABELS
