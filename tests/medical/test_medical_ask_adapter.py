"""A model of transformers with an adapter: asked by its name, calibrated beside it, in the chat, and in 4 bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from adapters.huggingface.loading import load_parts
from adapters.lora.vision_language import save_adapter
from adapters.names import load_model, parse_model_name
from rag_app import Library
from rag_app.medical import DISCLAIMER, Assistant
from rag_app.medical.calibration import FILE, Calibration, nll
from rag_app.medical.choices import Choices
from rag_app.medical.differential import scores
from rag_app.medical.records import Dataset
from tests.commands import CommandLine
from tests.medical.test_huggingface_loading import origin, png, trained_a_little
from tests.serving import Served
from tests.test_medical_ask import dataset
from tests.test_repl_commands import Held

GREYS = {"normal": [10, 30, 50, 70, 90, 110], "nodule": [130, 150, 170, 190, 210, 230]}
QUESTION = "Which one is it?"


@pytest.fixture
def tuned(made: dict[str, Path], tmp_path: Path) -> str:
    """The name of a tiny model with an adapter that changes what it says."""
    parts = load_parts(str(made["smolvlm"]))
    save_adapter(trained_a_little(parts), tmp_path / "adapter", processor=parts.processor, origin=origin(parts))
    return f"hf:{made['smolvlm']}+{tmp_path / 'adapter'}"


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return dataset(tmp_path / "data", GREYS)


def test_the_adapter_changes_what_is_likely_and_the_name_says_it(tuned: str, data: Dataset) -> None:
    base, with_adapter = (Assistant.open(name, data=data.folder) for name in (tuned.partition("+")[0], tuned))
    pictures = [data.picture(example) for example in data.examples]
    assert np.abs(base.differential(pictures) - with_adapter.differential(pictures)).max() > 1e-3
    assert with_adapter.model.name == tuned != base.model.name
    one, other = (load_model("judge", parse_model_name(name)).digest for name in (base.model.name, tuned))
    assert other.startswith(f"{one}+") and len(other) == 33


def test_a_calibration_is_kept_beside_the_adapter_and_taken_from_there(
    tuned: str, data: Dataset, capfd: pytest.CaptureFixture[str]
) -> None:
    adapter = Path(tuned.partition("+")[2])
    run = CommandLine(capfd)
    document = run.json("medical", "calibrate", tuned, "--data", data.folder)
    fitted = Calibration.load(adapter / FILE)
    assert document["file"] == str(adapter / FILE) and fitted.model == tuned and fitted.data == data.digest
    assert fitted.nll_after <= fitted.nll_before

    assistant = Assistant.open(tuned, data=data.folder)
    assert assistant.scaling == fitted
    pictures = [data.picture(example) for example in data.examples]
    found = scores(assistant.model, pictures, Choices.of_dataset(data), "en")
    truth = np.array([data.labels.index(example.label) for example in data.examples])
    assert nll(found, truth) == pytest.approx(fitted.nll_before, abs=1e-5)
    assert nll(found, truth, fitted.temperature) == pytest.approx(fitted.nll_after, abs=1e-5)
    assert Assistant.open(tuned, labels=["cat", "dog"]).scaling is None, "it is for other diagnoses"


def test_it_is_asked_in_the_chat_as_it_was_trained(answering_adapter: str, tmp_path: Path) -> None:
    picture = tmp_path / "scan.png"
    picture.write_bytes(png(3))
    with Library.open(tmp_path / "library") as library:
        held = Held(library)
        assert answering_adapter in held.run(f"/model vision {answering_adapter}")
        said = held.run(f"/image {picture} What is the diagnosis?")
        assert "a large nodule" in said and DISCLAIMER["en"] in " ".join(said.split())
        said = held.run(f"/image {picture} تشخیص چیست؟")
        assert "طبیعی" in said and DISCLAIMER["fa"] in " ".join(said.split())
        assert "about scan.png" in held.run("/history")
        for name, times in (("talk.html", 1), ("talk.md", 1), ("talk.jsonl", 1)):
            held.run(f"/save {tmp_path / name}")
            saved = (tmp_path / name).read_text(encoding="utf-8")
            assert [saved.count(DISCLAIMER[language]) for language in ("en", "fa")] == [times, times]


def test_it_is_asked_on_the_web_page(answering_adapter: str, tmp_path: Path) -> None:
    with Library.open(tmp_path / "library"):
        pass
    (tmp_path / "library" / "settings.toml").write_text(f'[models]\nvision = "{answering_adapter}"\n')
    with Served(tmp_path / "library", HF_HUB_OFFLINE="1") as served:
        asked = served.send("/ask", "picture", [("scan.png", png(3))], ("question", "What is the diagnosis?"))
        assert asked.status == 303, asked.text
        page = served.get("/").text
        assert "a large nodule" in page and DISCLAIMER["en"] in page
        assert served.post("/models", ("role", "vision"), ("name", "builtin")).status == 303
        assert served.post("/models", ("role", "vision"), ("name", answering_adapter)).status == 303


def test_four_bits_are_asked_by_name(tuned: str, data: Dataset) -> None:
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    base, _, adapter = tuned.partition("+")
    found = Assistant.open(f"{base}#4bit+{adapter}", data=data.folder).differential([data.picture(data.examples[0])])
    assert found.sum() == pytest.approx(1)
